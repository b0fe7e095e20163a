"""The SMS Agent: sends texts, once each, and knows what was said before."""

from collections import OrderedDict, deque
from datetime import UTC, datetime
from random import Random
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Depends, FastAPI, Header, Request
from pydantic import BaseModel, Field

from simulator.faults import ActiveFaults, Upstream
from simulator.latency import Latency
from simulator.service import behaviour, correlation_id, create_service

LATENCY = Latency(median=0.087, spread=1.4)
KEPT_SENT = 10_000
KEPT_CONVERSATIONS = 5_000
KEPT_PER_CONVERSATION = 20


class Outbound(BaseModel):
    """A text to send."""

    phone_number: str = Field(min_length=1)
    content: str = Field(min_length=1)
    conversation_id: str = Field(min_length=1)


class Texts:
    """The latest texts, in memory."""

    def __init__(self) -> None:
        self._sent: deque[dict[str, Any]] = deque(maxlen=KEPT_SENT)
        self._ids: OrderedDict[str, str] = OrderedDict()
        self._conversations: OrderedDict[str, deque[dict[str, str]]] = OrderedDict()

    def send(self, text: Outbound, key: str | None, correlation_id: str | None) -> str:
        """Send ``text`` and give its message id; a known ``key`` gives its id and sends nothing."""
        if key is not None and key in self._ids:
            return self._ids[key]
        message_id = uuid4().hex
        if key is not None:
            self._ids[key] = message_id
            if len(self._ids) > KEPT_SENT:
                self._ids.popitem(last=False)
        self._sent.append(
            {
                "message_id": message_id,
                "conversation_id": text.conversation_id,
                "content": text.content,
                "correlation_id": correlation_id,
                "timestamp": _now(),
            }
        )
        self._remember(text.phone_number, "outbound", text.content)
        return message_id

    def received(self, phone_number: str, content: str) -> None:
        """A tenant has sent a text."""
        self._remember(phone_number, "inbound", content)

    def conversation(self, phone_number: str) -> list[dict[str, str]]:
        """The latest texts from and to ``phone_number``, oldest first."""
        return list(self._conversations.get(phone_number, ()))

    def sent(self, conversation_id: str | None) -> list[dict[str, Any]]:
        """The texts sent in one conversation, or in all, oldest first."""
        return [
            text
            for text in self._sent
            if conversation_id is None or text["conversation_id"] == conversation_id
        ]

    def _remember(self, phone_number: str, direction: str, content: str) -> None:
        texts = self._conversations.setdefault(phone_number, deque(maxlen=KEPT_PER_CONVERSATION))
        texts.append({"direction": direction, "content": content, "timestamp": _now()})
        self._conversations.move_to_end(phone_number)
        if len(self._conversations) > KEPT_CONVERSATIONS:
            self._conversations.popitem(last=False)


def _now() -> str:
    return datetime.now(UTC).isoformat()


def create_sms_agent(texts: Texts, faults: ActiveFaults, rng: Random) -> FastAPI:
    """Sends and tells from ``texts``."""
    behave = behaviour(Upstream.SMS_AGENT, LATENCY, faults, rng)
    router = APIRouter(dependencies=[Depends(behave)])

    @router.post("/sms/send", status_code=202)
    async def send(
        request: Request, text: Outbound, idempotency_key: Annotated[str | None, Header()] = None
    ) -> dict[str, str]:
        message_id = texts.send(text, idempotency_key, correlation_id(request))
        return {"message_id": message_id, "status": "accepted"}

    @router.get("/conversations/{phone_number}")
    async def conversation(phone_number: str) -> dict[str, list[dict[str, str]]]:
        return {"messages": texts.conversation(phone_number)}

    app = create_service("SMS Agent (simulated)")
    app.include_router(router)

    # What was sent can be looked at while the agent suffers from a fault.
    @app.get("/sms/sent")
    async def sent(conversation_id: str | None = None) -> dict[str, list[dict[str, Any]]]:
        return {"messages": texts.sent(conversation_id)}

    return app
