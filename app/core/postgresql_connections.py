"""Connections to PostgreSQL, made so that a pooler may stand between: PgBouncer or another.

Such a pooler in transaction mode lends a connection of the server for one transaction at a time. So
nothing may be left on a connection that the next transaction needs:

- The limits of a step go with each transaction, in the same message as its BEGIN. As parameters of
  the connection, PgBouncer would refuse them.
- A prepared statement that has a name is on one connection of the server, and is looked for on
  another. Behind a pooler, none has a name. Without one they are kept, and sent once.

Whether a pooler stands between is asked of each new connection, so no setting has to say it.
"""

from collections.abc import Callable
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import Dialect, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

from app.core.database_errors import NoServerWritesError

_ANSWER_SECONDS = 0.5
"""What the server's own limit leaves for its error to arrive before the client gives up."""

_IDLE_STEPS = 3
"""Steps for which a transaction may stand still before the server ends it."""

_UNNAMED = {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
"""Where the driver keeps no statement, it gives none a name; nor may SQLAlchemy keep any."""


class _AbortingConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that is cut when a statement takes too long or is given up.

    asyncpg would ask the server to cancel it and wait for that. A server that stands still does
    not answer this either, so every later rollback and close would hang. The server ends the
    statement itself, by its statement_timeout.
    """

    limits = ""
    """Statements with which each transaction begins; without a round trip of their own."""

    async def execute(self, query: str, *args: object, **options: Any) -> str:
        if query.startswith("BEGIN"):
            query += self.limits
        status: str = await super().execute(query, *args, **options)
        return status

    def _cancel_current_command(self, *_waiters: object) -> None:
        # Not at once: the protocol has not finished its own part.
        self._loop.call_soon(self.terminate)


def bounded(seconds: float) -> dict[str, Any]:
    """What asyncpg is told so that no step takes longer than ``seconds`` and a moment."""
    milliseconds = int(seconds * 1000)

    class Bounded(_AbortingConnection):
        limits = (
            f" SET LOCAL statement_timeout = {milliseconds};"
            # A process that stands still in a transaction loses it: others wait for its locks.
            f" SET LOCAL idle_in_transaction_session_timeout = {_IDLE_STEPS * milliseconds};"
        )

    return {
        "timeout": seconds,
        "command_timeout": seconds + _ANSWER_SECONDS,
        "connection_class": Bounded,
    }


def allow_poolers(
    engine: AsyncEngine, when_found: Callable[[bool], None] = lambda _is_pooled: None
) -> None:
    """Have ``engine``, which uses asyncpg, give no statement a name where a pooler stands between.

    ``when_found`` is told at each new connection whether one does.
    """
    expects_pooler = False

    @event.listens_for(engine.sync_engine, "do_connect")
    def connect(
        dialect: Dialect, _record: ConnectionPoolEntry, args: list[Any], options: dict[str, Any]
    ) -> DBAPIConnection:
        nonlocal expects_pooler
        connection = _connected(dialect, args, options | (_UNNAMED if expects_pooler else {}))
        is_pooled = _is_pooled(dialect, connection)
        if is_pooled is not expects_pooler:
            expects_pooler = is_pooled
            connection.run_async(lambda driver: driver.close())
            connection = _connected(dialect, args, options | (_UNNAMED if is_pooled else {}))
        when_found(is_pooled)
        return connection  # type: ignore[no-any-return]


def _connected(dialect: Dialect, args: list[Any], options: dict[str, Any]) -> Any:
    try:
        return dialect.connect(*args, **options)
    except asyncpg.exceptions.TargetServerAttributeNotMatched as error:
        raise NoServerWritesError(str(error)) from error


def _is_pooled(dialect: Any, connection: Any) -> bool:
    """Whether who let us in is not the process that carries out our statements."""
    try:
        return connection.run_async(_works_elsewhere)  # type: ignore[no-any-return]
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # A pooler lets clients in whose server is gone, and says so at their first statement.
        connection.driver_connection.terminate()
        raise dialect.loaded_dbapi.OperationalError(str(error), error) from error
    except BaseException:
        connection.driver_connection.terminate()
        raise


async def _works_elsewhere(driver: asyncpg.Connection) -> bool:
    asked = await driver.prepare("SELECT pg_backend_pid()", name="")
    working: int = await asked.fetchval()
    let_in: int = driver.get_server_pid()
    return working != let_in
