"""Telling managers what waits for them, without holding anybody up.

The call runs beside the workflow. What could not be announced keeps ``notified_at`` empty in its
row, and the sweep announces it later.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, and_, or_, select, update

from app.clients.notification_service import NotificationService
from app.clients.upstream import UpstreamError
from app.core.catalogue import Step
from app.core.database import Database
from app.core.events import ManagerNotified, NotificationFailed
from app.models import EscalationEvent, QueuedResponse, QueueStatus, WorkflowInstance, now
from app.services.inserts import table_of
from app.services.metrics_service import MetricsService
from app.services.step_record import StepRecord
from asgi_observability import correlation
from asgi_observability.event import Identifier
from asgi_observability.logging import get_logger

log = get_logger(__name__)

CLAIM_MARGIN_SECONDS = 30.0
"""How much longer than its call a claim lasts: on an announcement, on a manager's decision."""

BATCH = 100
"""How many missed announcements of a kind one sweep makes up for."""

AT_ONCE = 10
"""How many of them run at the same time."""

Kind = Literal["approval", "escalation"]
Table = type[QueuedResponse] | type[EscalationEvent]
Claimed = tuple[Kind, str, str, str | None, str | None]
"""Kind, reference, conversation, workflow and its correlation ID."""


class Announcements:
    """Notifications about queued responses and escalations."""

    def __init__(
        self,
        database: Database,
        notifications: NotificationService,
        metrics: MetricsService,
        claim_seconds: float,
    ) -> None:
        """``claim_seconds`` is longer than any call to the Notification Service takes."""
        self._claim_seconds = claim_seconds
        self._database = database
        self._notifications = notifications
        self._metrics = metrics
        self._running: set[asyncio.Task[None]] = set()

    def response_queued(self, response: QueuedResponse, conversation_id: str) -> None:
        """Announce a response that waits for approval."""
        self._start("approval", response.id, conversation_id, response.workflow_id)

    def escalated(self, escalation: EscalationEvent) -> None:
        """Announce an escalation."""
        self._start("escalation", escalation.id, escalation.conversation_id, escalation.workflow_id)

    async def make_up(self, older_than: timedelta) -> None:
        """Announce what nobody was told of within ``older_than``.

        A few at a time are claimed, so that a claim lasts until each is done.
        """
        cutoff = now() - older_than
        for claim in (self._claim_responses, self._claim_escalations):
            tried: list[str] = []
            while len(tried) < BATCH:
                claimed = await claim(cutoff, tried)
                if not claimed:
                    break
                tried += [reference for _, reference, *_ in claimed]
                await asyncio.gather(*(self._announce_claimed(*each) for each in claimed))

    async def _announce_claimed(
        self,
        kind: Kind,
        reference: str,
        conversation_id: str,
        workflow_id: str | None,
        correlation_id: str | None,
    ) -> None:
        with correlation.continuing(correlation_id or ""):
            await self._announce(kind, reference, conversation_id, workflow_id)

    async def _claim_responses(self, cutoff: datetime, tried: list[str]) -> list[Claimed]:
        waiting = (
            select(
                QueuedResponse.id,
                WorkflowInstance.conversation_id,
                QueuedResponse.workflow_id,
                WorkflowInstance.correlation_id,
            )
            .join(WorkflowInstance, WorkflowInstance.id == QueuedResponse.workflow_id)
            .where(
                QueuedResponse.status == QueueStatus.PENDING,
                QueuedResponse.created_at < cutoff,
                QueuedResponse.id.not_in(tried),
                self._unclaimed(QueuedResponse),
            )
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True, of=QueuedResponse)
        )
        return await self._claim("approval", QueuedResponse, waiting)

    async def _claim_escalations(self, cutoff: datetime, tried: list[str]) -> list[Claimed]:
        escalated = (
            select(
                EscalationEvent.id,
                EscalationEvent.conversation_id,
                EscalationEvent.workflow_id,
                WorkflowInstance.correlation_id,
            )
            .outerjoin(WorkflowInstance, WorkflowInstance.id == EscalationEvent.workflow_id)
            .where(
                EscalationEvent.resolved_at.is_(None),
                EscalationEvent.created_at < cutoff,
                EscalationEvent.id.not_in(tried),
                self._unclaimed(EscalationEvent),
            )
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True, of=EscalationEvent)
        )
        return await self._claim("escalation", EscalationEvent, escalated)

    async def _claim(
        self, kind: Kind, table: Table, found: Select[*tuple[Any, ...]]
    ) -> list[Claimed]:
        async with self._database.writing() as session:
            rows = [tuple(row) for row in await session.execute(found)]
            if rows:
                await session.execute(
                    update(table)
                    .where(table.id.in_([row[0] for row in rows]), self._unclaimed(table))
                    .values(notify_claimed_at=now())
                    .execution_options(synchronize_session=False)
                )
        return [(kind, *row) for row in rows]

    def _unclaimed(self, table: Table) -> ColumnElement[bool]:
        """Not announced, and nobody is about to: a claim ends with the worker that made it."""
        expired = now() - timedelta(seconds=self._claim_seconds)
        return and_(
            table.notified_at.is_(None),
            or_(table.notify_claimed_at.is_(None), table.notify_claimed_at < expired),
        )

    async def drain(self, seconds: float) -> None:
        """Give running announcements up to ``seconds``; the sweep makes up for the rest."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)

    def _start(
        self,
        kind: Kind,
        reference: str,
        conversation_id: str,
        workflow_id: str | None,
    ) -> None:
        task = asyncio.create_task(self._announce(kind, reference, conversation_id, workflow_id))
        # The loop keeps only weak references to tasks.
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _announce(
        self,
        kind: Kind,
        reference: str,
        conversation_id: str,
        workflow_id: str | None,
    ) -> None:
        table: Table = QueuedResponse if kind == "approval" else EscalationEvent
        steps = StepRecord(workflow_id or "", self._metrics)
        try:
            with steps.running(Step.NOTIFY_MANAGER):
                await self._notifications.notify(kind, reference, conversation_id)
        except UpstreamError as error:
            log.event(
                NotificationFailed(reference=Identifier(reference), error_type=error.error_type)
            )
            async with self._database.writing() as session:
                await session.execute(
                    update(table)
                    .where(table.id == reference, table.notified_at.is_(None))
                    .values(notify_claimed_at=None)
                )
            return
        async with self._database.writing() as session:
            session.write_last(
                update(table_of(table))
                .where(table.id == reference, table.notified_at.is_(None))
                .values(notified_at=now())
            )
            if workflow_id:
                steps.store(session)
            session.tell(log, ManagerNotified(reference=Identifier(reference)))
