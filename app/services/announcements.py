"""Telling managers what waits for them, without holding anybody up.

The call runs beside the workflow. What could not be announced keeps ``notified_at`` empty in its
row, and the sweep announces it later.
"""

import asyncio
from datetime import timedelta
from typing import Literal

from sqlalchemy import select, update

from app.clients.notification_service import NotificationService
from app.clients.upstream import UpstreamError
from app.core import correlation
from app.core.catalogue import Step
from app.core.database import Database
from app.core.events import Identifier, ManagerNotified, NotificationFailed
from app.core.logging import get_logger
from app.models import EscalationEvent, QueuedResponse, QueueStatus, WorkflowInstance, now
from app.services.metrics_service import MetricsService
from app.services.step_record import StepRecord

log = get_logger(__name__)

BATCH = 100
"""How many missed announcements one sweep makes up for."""


class Announcements:
    """Notifications about queued responses and escalations."""

    def __init__(
        self, database: Database, notifications: NotificationService, metrics: MetricsService
    ) -> None:
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
        """Announce what nobody was told of within ``older_than``."""
        cutoff = now() - older_than
        waiting = (
            select(
                QueuedResponse, WorkflowInstance.conversation_id, WorkflowInstance.correlation_id
            )
            .join(WorkflowInstance, WorkflowInstance.id == QueuedResponse.workflow_id)
            .where(
                QueuedResponse.status == QueueStatus.PENDING,
                QueuedResponse.notified_at.is_(None),
                QueuedResponse.created_at < cutoff,
            )
            .limit(BATCH)
        )
        escalated = (
            select(EscalationEvent, WorkflowInstance.correlation_id)
            .outerjoin(WorkflowInstance, WorkflowInstance.id == EscalationEvent.workflow_id)
            .where(
                EscalationEvent.notified_at.is_(None),
                EscalationEvent.resolved_at.is_(None),
                EscalationEvent.created_at < cutoff,
            )
            .limit(BATCH)
        )
        async with self._database.reading() as session:
            responses = (await session.execute(waiting)).all()
            escalations = (await session.execute(escalated)).all()
        for response, conversation_id, correlation_id in responses:
            with correlation.continuing(correlation_id):
                await self._announce("approval", response.id, conversation_id, response.workflow_id)
        for escalation, correlation_id in escalations:
            with correlation.continuing(correlation_id or ""):
                await self._announce(
                    "escalation", escalation.id, escalation.conversation_id, escalation.workflow_id
                )

    async def drain(self, seconds: float) -> None:
        """Give running announcements up to ``seconds``; the sweep makes up for the rest."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)

    def _start(
        self,
        kind: Literal["approval", "escalation"],
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
        kind: Literal["approval", "escalation"],
        reference: str,
        conversation_id: str,
        workflow_id: str | None,
    ) -> None:
        steps = StepRecord(workflow_id or "", self._metrics)
        try:
            with steps.running(Step.NOTIFY_MANAGER):
                await self._notifications.notify(kind, reference, conversation_id)
        except UpstreamError as error:
            log.event(
                NotificationFailed(reference=Identifier(reference), error_type=error.error_type)
            )
            return
        log.event(ManagerNotified(reference=Identifier(reference)))
        table = QueuedResponse if kind == "approval" else EscalationEvent
        async with self._database.writing() as session:
            await session.execute(
                update(table).where(table.id == reference).values(notified_at=now())
            )
            if workflow_id:
                session.add_all(steps.rows)
