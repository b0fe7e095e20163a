"""The periodic query: finds what nobody answered, what was cut off, what was not announced.

Every worker sweeps; each change is conditional on the state it found, so none is made twice.
"""

import asyncio
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, select, update
from sqlalchemy.exc import SQLAlchemyError

from app.core import correlation
from app.core.config import Settings
from app.core.database import Database
from app.core.events import FromCode, SweepFailed, WorkflowsInterrupted
from app.core.logging import get_logger
from app.core.periodic import every
from app.models import QueuedResponse, QueueStatus, WorkflowInstance, WorkflowStatus, now
from app.services.announcements import Announcements
from app.services.escalations import Escalations

log = get_logger(__name__)

BATCH = 200
"""How many overdue workflows one sweep escalates; the next one goes on."""


class Sweep:
    """Looks for overdue, interrupted and unannounced work."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        escalations: Escalations,
        announcements: Announcements,
    ) -> None:
        self._settings = settings
        self._database = database
        self._escalations = escalations
        self._announcements = announcements

    async def run(self) -> None:
        """Sweep at the interval until cancelled."""
        interval = self._settings.sweep_interval_seconds
        # Not at once: a worker that starts has its first requests to answer.
        await asyncio.sleep(interval)
        await every(interval, self._try_to_sweep)

    async def _try_to_sweep(self) -> None:
        try:
            await self.sweep()
        except (SQLAlchemyError, OSError) as error:
            log.event(SweepFailed(error_type=FromCode(type(error).__name__)))

    async def sweep(self) -> None:
        """Do it once."""
        await self._give_up_interrupted()
        await self._escalate_unanswered()
        await self._announcements.make_up(timedelta(seconds=self._settings.sweep_interval_seconds))

    async def _give_up_interrupted(self) -> None:
        """Let work be run again that a crash cut off."""
        cutoff = now() - timedelta(seconds=self._settings.interrupted_after_seconds)
        async with self._database.writing() as session:
            workflows = await session.execute(
                update(WorkflowInstance)
                .where(
                    WorkflowInstance.status == WorkflowStatus.PROCESSING,
                    WorkflowInstance.updated_at < cutoff,
                )
                .values(status=WorkflowStatus.FAILED, error="interrupted", updated_at=now())
            )
            responses = await session.execute(
                update(QueuedResponse)
                .where(
                    QueuedResponse.status == QueueStatus.SENDING,
                    QueuedResponse.updated_at < cutoff,
                )
                .values(status=QueueStatus.PENDING, updated_at=now())
            )
        found = [cast("CursorResult[Any]", each).rowcount for each in (workflows, responses)]
        if any(found):
            log.event(WorkflowsInterrupted(workflows=found[0], responses=found[1]))

    async def _escalate_unanswered(self) -> None:
        """A manager who did not decide, or a tenant who did not reply, for too long."""
        cutoff = now() - timedelta(seconds=self._settings.no_response_seconds)
        unanswered = (
            select(WorkflowInstance)
            .where(
                WorkflowInstance.status.in_(
                    (WorkflowStatus.AWAITING_APPROVAL, WorkflowStatus.SENT)
                ),
                WorkflowInstance.updated_at < cutoff,
            )
            .order_by(WorkflowInstance.updated_at)
            .limit(BATCH)
        )
        async with self._database.reading() as session:
            workflows = (await session.scalars(unanswered)).all()
        for workflow in workflows:
            with correlation.continuing(workflow.correlation_id):
                await self._escalations.no_response(workflow)
