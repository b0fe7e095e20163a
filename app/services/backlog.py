"""What waits for people: queued responses and open escalations, counted in the database.

Every worker counts, because any of them may be the only one; they all find the same.
"""

import time
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from app.core import catalogue
from app.core.catalogue import Severity
from app.core.database import Database
from app.core.events import BacklogNotCounted, FromCode
from app.core.instrumentation import Instruments
from app.core.logging import get_logger
from app.core.periodic import every
from app.models import EscalationEvent, QueuedResponse, QueueStatus, now

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Responses that wait for a manager, and open escalations by severity; ages in seconds."""

    responses: int = 0
    oldest_seconds: float = 0.0
    escalations: dict[Severity, int] = field(default_factory=lambda: dict.fromkeys(Severity, 0))
    oldest_escalation_seconds: dict[Severity, float] = field(
        default_factory=lambda: dict.fromkeys(Severity, 0.0)
    )


class Backlog:
    """Counts at an interval."""

    def __init__(
        self, database: Database, instruments: Instruments, interval_seconds: float
    ) -> None:
        self._database = database
        self._interval_seconds = interval_seconds
        self.waiting = Waiting()
        self._counted_at: float | None = None
        sampled = instruments.sampled
        sampled(catalogue.APPROVAL_QUEUE_LENGTH, read=lambda: self.waiting.responses)
        sampled(catalogue.APPROVAL_QUEUE_OLDEST_AGE, read=lambda: self.waiting.oldest_seconds)
        for severity in Severity:
            sampled(catalogue.ESCALATIONS_OPEN, severity, read=partial(self._open, severity))
            oldest = partial(self._oldest, severity)
            sampled(catalogue.ESCALATIONS_OLDEST_AGE, severity, read=oldest)

    @property
    def is_known(self) -> bool:
        """Whether what waits has been counted lately: the last three times did not all fail."""
        at = self._counted_at
        return at is not None and time.monotonic() - at < 3 * self._interval_seconds + 10

    def _open(self, severity: Severity) -> int:
        return self.waiting.escalations[severity]

    def _oldest(self, severity: Severity) -> float:
        return self.waiting.oldest_escalation_seconds[severity]

    async def run(self) -> None:
        """Count until cancelled; when the database does not answer, the last count stays."""
        await every(self._interval_seconds, self._try_to_count)

    async def _try_to_count(self) -> None:
        try:
            await self.count()
        except (SQLAlchemyError, OSError) as error:
            log.event(BacklogNotCounted(error_type=FromCode(type(error).__name__)))

    async def count(self) -> None:
        """Do it once. Raises SQLAlchemyError or OSError."""
        queue = select(func.count(), func.min(QueuedResponse.created_at)).where(
            QueuedResponse.status == QueueStatus.PENDING
        )
        open_escalations = (
            select(EscalationEvent.severity, func.count(), func.min(EscalationEvent.created_at))
            .where(EscalationEvent.resolved_at.is_(None))
            .group_by(EscalationEvent.severity)
        )
        async with self._database.reading() as session:
            responses, oldest = (await session.execute(queue)).one()
            counts = dict.fromkeys(Severity, 0)
            ages = dict.fromkeys(Severity, 0.0)
            for severity, count, opened in await session.execute(open_escalations):
                counts[severity] = count
                ages[severity] = (now() - opened).total_seconds()
        age = (now() - oldest).total_seconds() if oldest else 0.0
        self.waiting = Waiting(responses, age, counts, ages)
        self._counted_at = time.monotonic()
