"""The periodic query: finds what nobody answered, what was cut off, what was not announced.

Every worker sweeps. What one takes, it takes in a transaction that looks at it again; so nothing is
done twice, and rows that another one has are passed over.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from sqlalchemy import select, update

from app.core.catalogue import BackgroundTask, Route
from app.core.config import Settings
from app.core.database import Database
from app.core.events import WorkflowInterrupted, WorkflowsInterrupted
from app.core.wall_time import WallTime
from app.models import QueuedResponse, QueueStatus, WorkflowInstance, WorkflowStatus, now
from app.services.announcements import CLAIM_MARGIN_SECONDS, Announcements
from app.services.escalations import Escalations
from asgi_observability import correlation
from asgi_observability.background import Background
from asgi_observability.logging import get_logger

log = get_logger(__name__)

BATCH = 200
"""How many overdue workflows one sweep escalates; the next one goes on."""

AT_ONCE = 20
"""How many of them one transaction escalates."""


class Sweep:
    """Looks for overdue, interrupted and unannounced work."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        escalations: Escalations,
        announcements: Announcements,
        background: Background,
        wall_time: WallTime,
    ) -> None:
        self._wall_time = wall_time
        self._settings = settings
        self._database = database
        self._escalations = escalations
        self._announcements = announcements
        self._background = background

    async def run(self) -> None:
        """Sweep at the interval until cancelled."""
        interval = self._settings.sweep_interval_seconds
        await self._background.every_beginning_later(BackgroundTask.SWEEP, interval, self.sweep)

    async def sweep(self) -> None:
        """Do it once; what fails in one part keeps no other from being done."""
        older_than = timedelta(seconds=self._settings.sweep_interval_seconds)
        await self._try(self._give_up_interrupted)
        await self._try(self._escalate_unanswered)
        await self._try(lambda: self._announcements.make_up(older_than))

    async def _try(self, part: Callable[[], Awaitable[object]]) -> None:
        try:
            await part()
        except Exception as error:
            self._background.failed(BackgroundTask.SWEEP, error)

    async def _give_up_interrupted(self) -> None:
        """Let work be run again that a crash cut off, and count it as failed."""
        cutoff = now() - timedelta(seconds=self._settings.interrupted_after_seconds)
        # A decision is one call; its manager is waiting to be told what has become of it.
        longest_call = self._settings.calls.timeout_seconds + CLAIM_MARGIN_SECONDS
        decision_cutoff = max(cutoff, now() - timedelta(seconds=longest_call))
        interrupted = (
            select(WorkflowInstance.id)
            .where(
                WorkflowInstance.status == WorkflowStatus.PROCESSING,
                WorkflowInstance.updated_at < cutoff,
            )
            .with_for_update(skip_locked=True)
        )
        undecided = (
            select(QueuedResponse.id)
            .join(WorkflowInstance, WorkflowInstance.id == QueuedResponse.workflow_id)
            .where(
                QueuedResponse.status == QueueStatus.SENDING,
                QueuedResponse.updated_at < decision_cutoff,
                WorkflowInstance.status == WorkflowStatus.AWAITING_APPROVAL,
            )
            .with_for_update(skip_locked=True, of=QueuedResponse)
        )
        async with self._database.writing() as session:
            began = {
                workflow_id: (attempt, updated_at, correlation_id)
                for workflow_id, attempt, updated_at, correlation_id in await session.execute(
                    interrupted.add_columns(
                        WorkflowInstance.attempt,
                        WorkflowInstance.updated_at,
                        WorkflowInstance.correlation_id,
                    )
                )
            }
            if began:
                await session.execute(
                    update(WorkflowInstance)
                    .where(
                        WorkflowInstance.id.in_(began),
                        WorkflowInstance.status == WorkflowStatus.PROCESSING,
                    )
                    .values(
                        status=WorkflowStatus.FAILED,
                        route=Route.FAILED,
                        error="interrupted",
                        updated_at=now(),
                    )
                    .execution_options(synchronize_session=False)
                )
            responses = list(await session.scalars(undecided))
            if responses:
                await session.execute(
                    update(QueuedResponse)
                    .where(
                        QueuedResponse.id.in_(responses),
                        QueuedResponse.status == QueueStatus.SENDING,
                    )
                    .values(status=QueueStatus.PENDING, updated_at=now())
                    .execution_options(synchronize_session=False)
                )
            for workflow_id, (attempt, updated_at, correlation_id) in began.items():
                with correlation.continuing(correlation_id):
                    correlation.identify(workflow_id=workflow_id)
                    seconds = self._wall_time.seconds(updated_at, now())
                    session.tell(
                        log,
                        WorkflowInterrupted(attempt=attempt, duration_ms=round(seconds * 1000, 1)),
                    )
            if began or responses:
                session.tell(
                    log, WorkflowsInterrupted(workflows=len(began), responses=len(responses))
                )

    async def _escalate_unanswered(self) -> None:
        """A manager who did not decide, or a tenant who did not reply, for too long."""
        cutoff = now() - timedelta(seconds=self._settings.no_response_seconds)
        for _ in range(BATCH // AT_ONCE):
            if await self._escalations.no_response(cutoff, AT_ONCE) < AT_ONCE:
                break
