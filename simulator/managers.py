"""Managers who act on what they are told about the simulated tenants."""

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx

from app.core.events import FromCode
from app.core.logging import get_logger
from simulator.events import ManagerFailed
from simulator.notification_service import Notification
from simulator.tenants import is_simulated

log = get_logger(__name__)

MAX_PENDING = 1000
PAUSE_SECONDS = (5.0, 60.0)
APPROVAL_SHARE = 0.7
RESOLUTION_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Act:
    """What a manager does: a request to the orchestrator."""

    path: str
    body: dict[str, Any]


def decide(rng: Random, notification: Notification) -> Act | None:
    """What a manager makes of ``notification``; None where nobody acts on it.

    A conversation that somebody else opened is left to them.
    """
    if notification.reference is None or not is_simulated(notification.conversation_id):
        return None
    manager_id = f"manager-{rng.randint(1, 5)}"
    if notification.kind == "approval" and rng.random() < APPROVAL_SHARE:
        action: dict[str, str] = rng.choices(
            (
                {"action": "approve"},
                {"action": "modify", "modified_text": "Thanks, I'll call you about this today."},
                {"action": "escalate", "escalation_reason": "This needs a conversation."},
            ),
            (75, 15, 10),
        )[0]
        return Act(
            "/orchestrate/approve-response",
            {"response_queue_id": notification.reference, "manager_id": manager_id, **action},
        )
    if notification.kind == "escalation" and rng.random() < RESOLUTION_SHARE:
        return Act(
            f"/orchestrate/escalations/{notification.reference}/resolve",
            {"manager_id": manager_id, "note": "Called the tenant."},
        )
    return None


class Managers:
    """Take notifications in and act after a while."""

    def __init__(
        self,
        app: httpx.AsyncClient,
        rng: Random,
        pause_seconds: tuple[float, float] = PAUSE_SECONDS,
    ) -> None:
        """``app`` reaches the orchestrator; ``pause_seconds`` is the range of the delay."""
        self._app = app
        self._rng = rng
        self._pause = pause_seconds
        self._pending: set[asyncio.Task[None]] = set()

    def tell(self, notification: Notification) -> None:
        """Act on ``notification`` later; too much at once is not acted on."""
        act = decide(self._rng, notification)
        if act is None or len(self._pending) >= MAX_PENDING:
            return
        task = asyncio.create_task(self._act(act))
        self._pending.add(task)
        task.add_done_callback(self._pending.discard)

    async def _act(self, act: Act) -> None:
        await asyncio.sleep(self._rng.uniform(*self._pause))
        try:
            answer = await self._app.post(act.path, json=act.body)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            log.event(ManagerFailed(error_type=FromCode(type(error).__name__)))

    async def stop(self) -> None:
        """Act no more."""
        for task in self._pending:
            task.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)
