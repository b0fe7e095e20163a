"""The start of a worker's work: not before its database can be used and has the right tables."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from sqlalchemy.exc import SQLAlchemyError

from app.core.database import Database
from app.core.database_errors import database_trouble
from app.core.events import DatabaseAnswered, DatabaseAwaited, StartRefused
from app.migrations import BUSINESS, SchemaError, passing_reason, upgrade, waiting
from asgi_observability.event import FromCode
from asgi_observability.logging import get_logger

log = get_logger(__name__)

REFUSED = 3
"""Exit code of a worker that can't start: its supervisor ends the service instead of trying on."""


class DatabaseStart:
    """Looks at the tables of the business, and waits for a database that does not answer.

    A worker serves while it waits: it can tell its health, its metrics, and why it does no more.
    A worker that ended would be taken for broken, and end the healthy ones too.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._begun = asyncio.Event()
        self._waiting: asyncio.Task[None] | None = None
        self.waits_for: str | None = None
        """What is wrong with the database, as it goes after "the database"; None once begun."""

    async def begin(self) -> None:
        """Look at the database, and go on looking in the background where time may mend it.

        Raises SQLAlchemyError or OSError where it won't.
        """
        try:
            await self._look()
        except (SQLAlchemyError, OSError) as error:
            self.waits_for = passing_reason(error)
            if self.waits_for is None:
                _refused(error)
                raise
            self._waiting = asyncio.create_task(self._wait())
        else:
            self._begun.set()

    async def then(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do ``work`` once the database can be used."""
        await self._begun.wait()
        await work()

    async def stop(self) -> None:
        """Wait no longer."""
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.gather(self._waiting, return_exceptions=True)

    async def _look(self) -> None:
        await upgrade(self._database, BUSINESS)

    async def _wait(self) -> None:
        started = monotonic()
        try:
            await waiting(self._look, self._tell)
        except Exception as error:
            _refused(error)
            raise SystemExit(REFUSED) from None
        self.waits_for = None
        self._begun.set()
        log.event(DatabaseAnswered(waited_seconds=round(monotonic() - started, 1)))

    def _tell(self, reason: str, waited: float) -> None:
        self.waits_for = reason
        log.event(DatabaseAwaited(reason=FromCode(reason), waited_seconds=round(waited, 1)))


def _refused(error: Exception) -> None:
    trouble = database_trouble(error)
    words = trouble.state if trouble else f"can't be used ({type(error).__name__})"
    if isinstance(error, SchemaError):
        words = f"can't be used: {error}"
    log.event(StartRefused(reason=FromCode(words)), error)
