"""Looks at each connection to PostgreSQL before the pool lends it: a dead one is replaced.

SQLAlchemy's own check sends a transaction each time, which is three round trips for every
transaction of ours. Here the socket says whether the server has closed it, which sends nothing;
only a connection that has been idle is asked, with one round trip, because a network can lose it
without a word.
"""

from time import monotonic
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

ASKED_AFTER_SECONDS = 1.0
"""Idle for longer than this, a connection is asked."""

_USED_AT = "used_at"


def look_before_lending(engine: AsyncEngine) -> None:
    """Have the pool of ``engine`` replace a connection that is dead; the engine uses asyncpg."""

    @event.listens_for(engine.sync_engine, "connect")
    @event.listens_for(engine.sync_engine, "checkin")
    def used(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info[_USED_AT] = monotonic()

    @event.listens_for(engine.sync_engine, "checkout")
    def lend(connection: Any, record: ConnectionPoolEntry, _lent: Any) -> None:
        if connection.driver_connection.is_closed():
            raise InvalidatePoolError
        if monotonic() - record.info[_USED_AT] > ASKED_AFTER_SECONDS:
            try:
                # No prepared statement: a pooler between the two may know none of another session.
                connection.run_async(lambda driver: driver.execute("SELECT 1"))
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                raise InvalidatePoolError from error
