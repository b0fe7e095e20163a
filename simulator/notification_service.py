"""The Notification Service: tells managers what waits for them."""

from collections.abc import Callable
from random import Random
from uuid import uuid4

from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel, Field

from simulator.faults import ActiveFaults, Upstream
from simulator.latency import Latency
from simulator.service import behaviour, create_service

LATENCY = Latency(median=0.030)


class Notification(BaseModel):
    """Something that managers are told.

    ``kind`` is "approval" or "escalation" where ``reference`` is the id of the response that
    waits for approval, or of the escalation.
    """

    recipient: str = Field(min_length=1)
    subject: str
    body: str
    conversation_id: str | None = None
    kind: str | None = None
    reference: str | None = None


def create_notification_service(
    tell: Callable[[Notification], None], faults: ActiveFaults, rng: Random
) -> FastAPI:
    """Passes each notification on to ``tell``."""
    behave = behaviour(Upstream.NOTIFICATION_SERVICE, LATENCY, faults, rng)
    router = APIRouter(dependencies=[Depends(behave)])

    @router.post("/notifications/send", status_code=202)
    async def send(notification: Notification) -> dict[str, str]:
        tell(notification)
        return {"notification_id": uuid4().hex}

    app = create_service("Notification Service (simulated)")
    app.include_router(router)
    return app
