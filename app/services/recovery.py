"""After an outage: failed workflows run again together, at a bounded pace."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, func, not_, or_, select, update

from app.clients.upstream import Upstream
from app.core.catalogue import BackgroundTask, Component
from app.core.database import Database
from app.core.events import RetriesRequested
from app.models import WorkflowInstance, WorkflowStatus, now
from app.services.workflow import Workflows, run_again_values
from asgi_observability.background import Background
from asgi_observability.logging import get_logger

log = get_logger(__name__)

AT_ONCE = 10
"""How many workflows one worker runs again at the same time."""

NEEDED = (Component.COLLECTIONS_MONITOR, Component.SMS_AGENT, Component.AI_PROVIDER)
"""The upstreams without which an SMS is not answered."""


class Recovery:
    """Runs again what failed, not faster than ``per_minute`` over all workers.

    A request is stored; each worker looks for requests at the interval. It takes none while its
    breaker of an upstream is open, and one at a time to find out whether the upstream is back.
    What is held back all the same stays requested.
    """

    def __init__(
        self,
        database: Database,
        workflows: Workflows,
        upstreams: Mapping[Component, Upstream],
        background: Background,
        *,
        per_minute: int,
        interval_seconds: float,
        pause_seconds: float,
    ) -> None:
        """What was held back is not tried again for ``pause_seconds``, unless it is asked for."""
        self._database = database
        self._workflows = workflows
        self._needed = [upstreams[component] for component in NEEDED]
        self._background = background
        self.per_minute = per_minute
        self._interval_seconds = interval_seconds
        self._pause = timedelta(seconds=pause_seconds)

    async def request(self, since: datetime, reason: str | None) -> int:
        """Have all that failed since then run again; gives how many. Asking twice runs none twice.

        The request is stored, so it outlives this worker; all workers carry it out.
        """
        async with self._database.writing() as session:
            # Two that mark the same rows in different orders would wait for each other for ever.
            await self._database.lock(session, "recovery")
            requested = await session.execute(
                update(WorkflowInstance)
                .where(
                    WorkflowInstance.status == WorkflowStatus.FAILED,
                    WorkflowInstance.updated_at >= since,
                    WorkflowInstance.erased_at.is_(None),
                )
                .values(retry_requested_at=now())
                .returning(WorkflowInstance.id)
                .execution_options(synchronize_session=False)
            )
            count = len(requested.all())
        log.event(RetriesRequested(workflows=count, reason_given=reason is not None))
        return count

    async def run(self) -> None:
        """Carry requests out until cancelled."""
        await self._background.every(
            BackgroundTask.RECOVERY, self._interval_seconds, self.run_requested
        )

    async def run_requested(self) -> int:
        """Run again what is requested, as much as the pace allows now; gives how many."""
        claimed = await self._claim()
        ended = await asyncio.gather(
            *(self._workflows.run_again(workflow, None) for workflow in claimed),
            return_exceptions=True,
        )
        for result in ended:
            if isinstance(result, Exception):
                self._background.failed(BackgroundTask.RECOVERY, result)
        return len(claimed)

    async def _claim(self) -> Sequence[WorkflowInstance]:
        at_once = int(min(AT_ONCE, *(upstream.calls_let_through for upstream in self._needed)))
        if at_once == 0:
            return []
        was_held_back = and_(
            WorkflowInstance.retried_at >= WorkflowInstance.retry_requested_at,
            WorkflowInstance.retried_at.between(now() - self._pause, now()),
        )
        requested = (
            select(WorkflowInstance.id)
            .where(
                WorkflowInstance.status == WorkflowStatus.FAILED,
                WorkflowInstance.retry_requested_at.is_not(None),
                WorkflowInstance.erased_at.is_(None),
                or_(WorkflowInstance.retried_at.is_(None), not_(was_held_back)),
            )
            .order_by(WorkflowInstance.retry_requested_at, WorkflowInstance.updated_at)
        )
        async with self._database.reading() as session:
            # Mostly there is nothing to do; a look costs less than a write lock.
            if await session.scalar(requested.limit(1)) is None:
                return []
        async with self._database.writing() as session:
            # One after the other, because the pace is for all workers.
            await self._database.lock(session, "recovery")
            recent = await session.scalar(
                select(func.count()).where(
                    WorkflowInstance.retried_at > now() - timedelta(minutes=1)
                )
            )
            room = min(at_once, self.per_minute - (recent or 0))
            if room <= 0:
                return []
            ids = list(
                await session.scalars(requested.limit(room).with_for_update(skip_locked=True))
            )
            if not ids:
                return []
            claimed = await session.execute(
                update(WorkflowInstance)
                .where(
                    WorkflowInstance.id.in_(ids),
                    WorkflowInstance.status == WorkflowStatus.FAILED,
                    WorkflowInstance.erased_at.is_(None),
                )
                .values(**run_again_values())
                .returning(WorkflowInstance.id)
                .execution_options(synchronize_session=False)
            )
            taken = [row[0] for row in claimed]
            workflows = await session.scalars(
                select(WorkflowInstance).where(WorkflowInstance.id.in_(taken))
            )
            return workflows.all()
