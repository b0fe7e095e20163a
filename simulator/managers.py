"""Managers who act on what they are told about the simulated tenants."""

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx

from app.core.catalogue import ApprovalAction
from asgi_observability.event import FromCode
from asgi_observability.logging import get_logger
from simulator.events import ManagerFailed
from simulator.notification_service import Notification
from simulator.tenants import is_simulated

log = get_logger(__name__)

MAX_PENDING = 1000
PAUSE_SECONDS = (5.0, 60.0)
LATER_SECONDS = (60.0, 300.0)
"""After how long what was put off, or did not work, is taken up."""
APPROVED_AT_ONCE = 0.7
RESOLVED_AT_ONCE = 0.8
DECISIONS = {
    ApprovalAction.APPROVE: 0.75,
    ApprovalAction.MODIFY: 0.15,
    ApprovalAction.ESCALATE: 0.10,
}
"""The share of each."""
_TOLD_WITH = {
    ApprovalAction.MODIFY: {"modified_text": "Thanks, I'll call you about this today."},
    ApprovalAction.ESCALATE: {"escalation_reason": "This needs a conversation."},
}


@dataclass(frozen=True, slots=True)
class Act:
    """What a manager does: a request to the orchestrator, at once or later."""

    path: str
    body: dict[str, Any]
    is_put_off: bool


def decide(rng: Random, notification: Notification) -> Act | None:
    """What a manager makes of ``notification``; None where it is left to others.

    Those are the conversations that somebody else opened. Nothing else is left undone: a queue that
    nobody empties is a fault, and none is on here.
    """
    if notification.reference is None or not is_simulated(notification.conversation_id):
        return None
    manager_id = f"manager-{rng.randint(1, 5)}"
    if notification.kind == "approval":
        action = rng.choices(list(DECISIONS), list(DECISIONS.values()))[0]
        return Act(
            "/orchestrate/approve-response",
            {
                "response_queue_id": notification.reference,
                "manager_id": manager_id,
                "action": action,
                **_TOLD_WITH.get(action, {}),
            },
            is_put_off=rng.random() >= APPROVED_AT_ONCE,
        )
    if notification.kind == "escalation":
        return Act(
            f"/orchestrate/escalations/{notification.reference}/resolve",
            {"manager_id": manager_id, "note": "Called the tenant."},
            is_put_off=rng.random() >= RESOLVED_AT_ONCE,
        )
    return None


class Managers:
    """Take notifications in and act after a while; what the orchestrator can't do now, later."""

    def __init__(
        self,
        app: httpx.AsyncClient,
        rng: Random,
        pause_seconds: tuple[float, float] = PAUSE_SECONDS,
        later_seconds: tuple[float, float] = LATER_SECONDS,
    ) -> None:
        """``app`` reaches the orchestrator; the others are the ranges of the two delays."""
        self._app = app
        self._rng = rng
        self._pause = pause_seconds
        self._later = later_seconds
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
        wait, done = self._later if act.is_put_off else self._pause, False
        while not done:
            await asyncio.sleep(self._rng.uniform(*wait))
            wait, done = self._later, await self._is_done(act)

    async def _is_done(self, act: Act) -> bool:
        """Whether there is nothing left to do: it worked, or was refused for good."""
        try:
            answer = await self._app.post(act.path, json=act.body)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            log.event(ManagerFailed(error_type=FromCode(type(error).__name__)))
            return isinstance(error, httpx.HTTPStatusError) and error.response.is_client_error
        return True

    async def stop(self) -> None:
        """Act no more."""
        for task in self._pending:
            task.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)
