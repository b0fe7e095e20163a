"""Tenants who write to the orchestrator."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

import httpx

from asgi_observability import correlation
from asgi_observability.event import FromCode
from asgi_observability.logging import get_logger
from simulator.events import SMSFailed
from simulator.faults import HOSTILE_MESSAGES, HOSTILE_SHARE, ActiveFaults
from simulator.rhythm import Arrivals, rhythm
from simulator.tenants import SIMULATED, Sender
from simulator.texts import hostile_message, tenant_message

log = get_logger(__name__)

MAX_UNANSWERED = 200
LONGEST_NAP_SECONDS = 0.5
"""How soon a changed rate takes effect."""


class Traffic:
    """Sends SMS at ``messages_per_minute`` times the rhythm of the hour.

    ``sent`` counts those that were taken and handled, ``failed`` those that were not taken or whose
    workflow failed at first, ``skipped`` those not sent as too many were unanswered.
    """

    def __init__(
        self,
        app: httpx.AsyncClient,
        faults: ActiveFaults,
        received: Callable[[str, str], None],
        rng: Random,
        messages_per_minute: float,
    ) -> None:
        """``app`` reaches the orchestrator; ``received`` gets number and text of each SMS."""
        self.messages_per_minute = messages_per_minute
        self.sent = 0
        self.failed = 0
        self.skipped = 0
        self._app = app
        self._faults = faults
        self._received = received
        self._rng = rng
        self._arrivals = Arrivals(rng)
        self._unanswered = 0

    def rate_per_minute(self) -> float:
        """The rate at this hour."""
        return self.messages_per_minute * rhythm(datetime.now(UTC))

    async def run(self) -> None:
        """Send until cancelled."""
        clock = asyncio.get_running_loop().time
        before = clock()
        async with asyncio.TaskGroup() as sending:
            while True:
                per_second = self.rate_per_minute() / 60
                nap = min(self._arrivals.seconds_to_next(per_second), LONGEST_NAP_SECONDS)
                await asyncio.sleep(nap)
                now = clock()
                for _ in range(self._arrivals.pass_time(now - before, per_second)):
                    if self._unanswered < MAX_UNANSWERED:
                        self._unanswered += 1
                        sending.create_task(self._send_one())
                    else:
                        self.skipped += 1
                before = now

    async def _send_one(self) -> None:
        sender = Sender(self._rng.randrange(SIMULATED))
        is_hostile = HOSTILE_MESSAGES in self._faults and self._rng.random() < HOSTILE_SHARE
        write = hostile_message if is_hostile else tenant_message
        content = write(self._rng, sender.tenant)
        correlation_id = f"{self._rng.getrandbits(128):032x}"
        try:
            answer = await self._app.post(
                "/orchestrate/sms-received",
                json={
                    "tenant_id": sender.tenant.tenant_id,
                    "phone_number": sender.phone_number,
                    "content": content,
                    "conversation_id": sender.conversation_id,
                },
                headers={"X-Correlation-ID": correlation_id},
            )
            answer.raise_for_status()
        except httpx.HTTPError as error:
            self._note_failed(correlation_id, type(error).__name__)
        else:
            if _says_failed(answer):
                self._note_failed(correlation_id, "WorkflowFailed")
            else:
                self.sent += 1
        finally:
            self._unanswered -= 1
        # Known to the agent only now: the orchestrator adds the message to the history itself.
        self._received(sender.phone_number, content)

    def _note_failed(self, correlation_id: str, error_type: str) -> None:
        self.failed += 1
        correlation.bind(correlation_id)
        log.event(SMSFailed(error_type=FromCode(error_type)))


def _says_failed(answer: httpx.Response) -> bool:
    """Whether the workflow failed: the SMS was taken, so the answer is a 200 all the same."""
    try:
        body = answer.json()
    except ValueError:
        return False
    return isinstance(body, dict) and body.get("status") == "failed"
