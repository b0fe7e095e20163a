"""Workers of the model: the services of one process, which can be killed at any await."""

import asyncio
import gc
import types
from collections.abc import Coroutine, Generator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Self

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from app.core.config import Settings
from app.core.database import Database
from app.core.instrumentation import Instruments
from app.core.periodic import Background
from app.services.announcements import Announcements
from app.services.approvals import Approvals
from app.services.escalations import Escalations
from app.services.metrics_service import MetricsService
from app.services.plan_detection import PlanDetection
from app.services.recovery import Recovery
from app.services.sweep import Sweep
from app.services.workflow import Workflows
from tests.test_services.test_model.world import World

CLAIM_SECONDS = 157.0


class Connections:
    """The database as one process has it, until that is killed."""

    def __init__(self, settings: Settings) -> None:
        self.database = Database(settings.database, pool_size=10)
        self._open: list[DBAPIConnection] = []
        event.listen(self.database.engine.sync_engine, "connect", self._opened)

    def _opened(self, connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        self._open.append(connection)

    async def cut(self) -> None:
        """What the end of a process does to its connections: open transactions are rolled back."""
        # All at once: one may wait for a lock that another one has.
        await asyncio.gather(*(_cut(each) for each in self._open))
        self._open.clear()
        # A thread that was stopped leaves its SQLite connection open, and with it the lock.
        gc.collect()


async def _cut(connection: DBAPIConnection) -> None:
    driver: Any = connection.driver_connection  # type: ignore[attr-defined]
    if isinstance(driver, asyncpg.Connection):
        driver.terminate()
        return
    with suppress(ValueError):  # its thread was stopped before
        # A statement that was not read to its end would keep the lock.
        await driver.rollback()
        await driver.close()
        return
    driver._connection = None


class Worker:
    """The services of one process, on a database that it shares with others."""

    def __init__(
        self, settings: Settings, connections: Connections, world: Any, instruments: Instruments
    ) -> None:
        self.connections = connections
        database = connections.database
        metrics = MetricsService(settings, instruments)
        background = Background(instruments)
        self.announcements = Announcements(database, world, metrics, CLAIM_SECONDS)
        self.workflows = Workflows(
            settings, database, world, world, world, self.announcements, metrics
        )
        self.approvals = Approvals(database, world, self.announcements, metrics)
        self.escalations = Escalations(
            database, self.announcements, metrics, settings.no_responses_per_minute
        )
        self.plans = PlanDetection(settings.payment_plans, database, metrics)
        self.sweep = Sweep(
            settings, database, self.escalations, self.announcements, metrics, background
        )
        self.recovery = Recovery(
            database, self.workflows, background, settings.retries_per_minute, 1
        )

    async def drop(self) -> None:
        """Lose what runs beside the requests, and the connections, as a killed process does."""
        running = list(self.announcements._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self.connections.cut()


class Killed(BaseException):
    """The process was killed. No code of the service gets to handle it."""


async def killed_at(work: Coroutine[Any, Any, Any], await_: int) -> Any:
    """Run ``work`` up to its await with this number, from 0, and never on from there.

    What it waits for there has been asked for and may happen or not: a statement, a call. Raises
    Killed; or gives the result, when there are not as many awaits.
    """
    return await _killed_at(work, await_)


@types.coroutine
def _killed_at(work: Coroutine[Any, Any, Any], await_: int) -> Generator[Any, Any, Any]:
    number, killed = 0, False
    answer: Any = None
    error: BaseException | None = None
    while True:
        try:
            waited_for = work.throw(error) if error else work.send(answer)
        except StopIteration as stop:
            return stop.value
        error = None
        if number == await_ and not killed:
            killed = True
            error = Killed()
            continue
        number += 1
        try:
            answer = yield waited_for
        except BaseException as thrown:
            error = thrown


class MovableTime(datetime):
    """The time of the machine, and what the model adds to it."""

    offset = timedelta()

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return datetime.now(tz or UTC) + cls.offset


__all__ = ["Killed", "MovableTime", "Worker", "World", "killed_at"]
