"""Workers of the model: the services of one process, which can be killed wherever it matters."""

from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Self

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import Settings
from app.core.database import Database
from app.core.facts import Transaction
from app.core.wall_time import WallTime
from app.services.announcements import Announcements
from app.services.approvals import Approvals
from app.services.escalations import Escalations
from app.services.metrics_service import MetricsService
from app.services.payment_plans import PaymentPlans
from app.services.recovery import NEEDED, Recovery
from app.services.sweep import Sweep
from app.services.workflow import Workflows
from asgi_observability.background import Background
from asgi_observability.instruments import Instruments
from tests.test_services.test_model.life import Killed, Life, passing

CLAIM_SECONDS = 157.0


class MortalDatabase(Database):
    """The database, as a process has it that may be killed around each transaction.

    Before the commit nothing has happened, after it everything; so the awaits within a transaction
    need no deaths of their own.
    """

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        await passing()
        async with super().reading() as session:
            yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Transaction]:
        await passing()
        async with super().writing() as session:
            yield session
            await passing()
        await passing()


class Worker:
    """The services of one process, on a database that it shares with others."""

    def __init__(
        self, settings: Settings, database: Database, world: Any, instruments: Instruments
    ) -> None:
        self._life = Life()
        metrics = MetricsService(settings, instruments)
        background = Background(instruments)
        self.announcements = Announcements(database, world, metrics, CLAIM_SECONDS)
        self.workflows = Workflows(
            settings,
            database,
            tenants=world,
            sms_agent=world,
            ai=world,
            announcements=self.announcements,
            metrics=metrics,
        )
        wall_time = WallTime(instruments)
        self.approvals = Approvals(database, world, self.announcements, wall_time)
        self.escalations = Escalations(
            database, self.announcements, wall_time, settings.no_responses_per_minute
        )
        self.plans = PaymentPlans(settings.payment_plans, database)
        self.sweep = Sweep(
            settings,
            database,
            escalations=self.escalations,
            announcements=self.announcements,
            background=background,
            wall_time=wall_time,
        )
        self.recovery = Recovery(
            database,
            self.workflows,
            dict.fromkeys(NEEDED, world),
            background,
            per_minute=settings.retries_per_minute,
            interval_seconds=1,
            pause_seconds=settings.calls.breaker_reset_seconds,
        )

    async def drain(self) -> None:
        """Wait for what runs beside the requests, to its end or that of the process."""
        for task in list(self.announcements._running):
            with suppress(Killed):
                await task

    @property
    def is_alive(self) -> bool:
        """Whether it has not been killed."""
        return self._life.goes_on

    async def do(self, work: Coroutine[Any, Any, object], kill: int | None) -> None:
        """Do ``work``; the process is killed at the ``kill``-th await that matters, from 0."""
        with self._life.lived(kill):
            await work


class MovableTime(datetime):
    """The time of the machine, and what the model adds to it."""

    offset = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return datetime.now(tz or UTC) + cls.offset
