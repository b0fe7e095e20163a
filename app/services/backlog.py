"""What waits for people: responses, open escalations, failed workflows, counted in the database.

Every worker counts, because any of them may be the only one; they all find the same.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sqlalchemy import String, func, select, type_coerce

from app.core import catalogue
from app.core.catalogue import BackgroundTask, Severity
from app.core.database import Database
from app.core.wall_time import WallTime
from app.models import (
    EscalationEvent,
    QueuedResponse,
    QueueStatus,
    WorkflowInstance,
    WorkflowStatus,
    now,
)
from asgi_observability.background import Background
from asgi_observability.instruments import Instruments
from asgi_observability.metric import Metric


@dataclass(frozen=True, slots=True)
class Waiting:
    """Responses that wait for a manager, failed workflows, open escalations; ages in seconds."""

    responses: int = 0
    oldest_seconds: float = 0.0
    failed: int = 0
    oldest_failed_seconds: float = 0.0
    escalations: dict[Severity, int] = field(default_factory=lambda: dict.fromkeys(Severity, 0))
    oldest_escalation_seconds: dict[Severity, float] = field(
        default_factory=lambda: dict.fromkeys(Severity, 0.0)
    )


class Backlog:
    """Counts at an interval."""

    def __init__(
        self,
        database: Database,
        instruments: Instruments,
        interval_seconds: float,
    ) -> None:
        self._background = Background(instruments)
        self._database = database
        self._interval_seconds = interval_seconds
        self.waiting: Waiting | None = None
        """As it was counted last; None before the first time."""
        self._wall_time = WallTime(instruments)
        self._instruments = instruments

    def _expose(self) -> None:
        """Show what waits from now on: before it was counted, no number would be true."""

        def shown(gauge: Metric, read: Callable[[Waiting], float], *labels: str) -> None:
            self._instruments.sampled(gauge, *labels, read=lambda: read(self._counted_last))

        shown(catalogue.APPROVAL_QUEUE_LENGTH, lambda found: found.responses)
        shown(catalogue.APPROVAL_QUEUE_OLDEST_AGE, lambda found: found.oldest_seconds)
        shown(catalogue.WORKFLOWS_FAILED, lambda found: found.failed)
        shown(catalogue.WORKFLOWS_FAILED_OLDEST_AGE, lambda found: found.oldest_failed_seconds)
        for severity in Severity:
            shown(catalogue.ESCALATIONS_OPEN, partial(_open, severity), severity)
            shown(catalogue.ESCALATIONS_OLDEST_AGE, partial(_oldest, severity), severity)

    @property
    def _counted_last(self) -> Waiting:
        assert self.waiting, "it is exposed once it has been counted"
        return self.waiting

    async def run(self) -> None:
        """Count until cancelled; when the database does not answer, the last count stays."""
        await self._background.every(BackgroundTask.BACKLOG, self._interval_seconds, self.count)

    async def count(self) -> None:
        """Do it once, for the gauges. Raises SQLAlchemyError or OSError."""
        is_first = self.waiting is None
        self.waiting = await self.counted()
        if is_first:
            self._expose()

    async def counted(self) -> Waiting:
        """What waits at this moment. Raises SQLAlchemyError or OSError."""
        queue = select(func.count(), func.min(QueuedResponse.created_at)).where(
            QueuedResponse.status == QueueStatus.PENDING
        )
        failed = select(func.count(), func.min(WorkflowInstance.updated_at)).where(
            WorkflowInstance.status == WorkflowStatus.FAILED,
            # What is erased can't be run again.
            WorkflowInstance.erased_at.is_(None),
        )
        # Plain text: a severity that this release doesn't know must not hide the others.
        severity_text = type_coerce(EscalationEvent.severity, String)
        open_escalations = (
            select(severity_text, func.count(), func.min(EscalationEvent.created_at))
            .where(EscalationEvent.resolved_at.is_(None))
            .group_by(EscalationEvent.severity)
        )
        async with self._database.reading() as session:
            responses, oldest = (await session.execute(queue)).one()
            failures, oldest_failure = (await session.execute(failed)).one()
            escalations = (await session.execute(open_escalations)).all()
        counts = dict.fromkeys(Severity, 0)
        ages = dict.fromkeys(Severity, 0.0)
        for severity, count, opened in escalations:
            try:
                known = Severity(severity)
            except ValueError as error:
                self._background.failed(BackgroundTask.BACKLOG, error)
                continue
            counts[known] = count
            ages[known] = self._age(opened)
        return Waiting(
            responses,
            self._age(oldest),
            failed=failures,
            oldest_failed_seconds=self._age(oldest_failure),
            escalations=counts,
            oldest_escalation_seconds=ages,
        )

    def _age(self, since: datetime | None) -> float:
        return self._wall_time.seconds(since, now()) if since else 0.0


def _open(severity: Severity, found: Waiting) -> int:
    return found.escalations[severity]


def _oldest(severity: Severity, found: Waiting) -> float:
    return found.oldest_escalation_seconds[severity]
