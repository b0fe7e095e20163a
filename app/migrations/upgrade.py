"""Bringing a database to the newest revision: one process at a time, all of it or nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import URL, Connection, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from app.core.database import Database
from app.core.database_errors import DatabaseSilentError
from app.core.postgresql_connections import allow_poolers
from app.migrations.history import BASELINE, History

WAIT_SECONDS = 30.0
"""How long to wait for another process that upgrades the same database."""

NOTHING = "nothing"
"""What an empty database was at before the upgrade."""

_TABLE_WAIT_SECONDS = 10
"""How long to wait for a table that others use: whoever wants it next waits behind us."""

_STATEMENT_SECONDS = 600
"""How long one statement may take on PostgreSQL: filling a column of a large table."""

# The key under which releases before migrations created their tables.
_LOCK = 0x0C4A7E

_GOING_BACK = "docs/operations.md says how to go back"


class SchemaError(OSError):
    """The database's schema can't be used; the message says why, and what to do.

    Nothing was changed. It is an OSError, as is a disk that fails, so that what goes on without a
    store goes on without this one.
    """


class SchemaLockedError(SchemaError):
    """Another process upgrades the database, or holds it locked, for too long."""


async def upgrade(
    database: Database, history: History, *, wait_seconds: float = WAIT_SECONDS
) -> str | None:
    """Bring the tables of ``history`` to its newest revision, or leave them as they are.

    An empty database gets all tables; one of a release before migrations is recognised. Gives the
    revision it was at when something was changed (NOTHING for an empty one), else None.

    Raises SchemaError when a newer release has upgraded the database, its tables are of no known
    release, another process upgrades it for longer than ``wait_seconds``, or a revision fails.
    Of these, SchemaLockedError is about the other process. Raises SQLAlchemyError or another
    OSError when the database doesn't answer.
    """
    try:
        async with asyncio.timeout(wait_seconds), database.engine.connect() as connection:
            # Nearly always so: then there's no lock to wait for.
            if await connection.run_sync(history.revision_of) == history.newest:
                return None
    except TimeoutError as error:
        raise DatabaseSilentError("the database gave no answer in time") from error
    async with _alone(database.engine.url, wait_seconds) as connection:
        return await connection.run_sync(_upgrade, history)


def _upgrade(connection: Connection, history: History) -> str | None:
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext

    before = history.revision_of(connection)
    if before == history.newest:
        return None
    context = MigrationContext.configure(connection, opts={"version_table": history.version_table})
    if before is None:
        before = _recognised(connection, history)
        if before:
            context.stamp(history.scripts, before)
    elif not history.knows(before):
        raise SchemaError(
            f"the schema is at revision {before}, which this release doesn't know: a newer one has "
            f"upgraded it. Start the newer release, or restore the backup from before that "
            f"upgrade; {_GOING_BACK}"
        )
    missing = list(history.scripts.iterate_revisions("head", before or "base"))
    violations = _violations(connection)
    for revision in reversed(missing):
        try:
            # Alembic's global `op` would be shared by upgrades that take turns in one loop.
            revision.module.upgrade(Operations(context))
        except (SQLAlchemyError, OSError) as error:
            raise SchemaError(
                f"the upgrade to revision {revision.revision} failed ({reason_of(error)}); "
                "the schema is as it was"
            ) from error
        context.stamp(history.scripts, revision.revision)
    if _violations(connection) > violations:
        raise SchemaError(
            f"the upgrade to revision {history.newest} left rows without the rows that they "
            "refer to; the schema is as it was"
        )
    return before or NOTHING


def reason_of(error: Exception) -> str:
    """The first line of what the database says, or the kind of the error if it says nothing."""
    lines = str(getattr(error, "orig", error)).splitlines()
    return lines[0] if lines else type(error).__name__


def _recognised(connection: Connection, history: History) -> str | None:
    """The baseline, or None for an empty database. Raises SchemaError for anything else."""
    from app.migrations.recognition import differences, is_empty

    baseline = history.scripts.get_revision(BASELINE).module.metadata
    if is_empty(connection, baseline):
        return None
    found = differences(connection, baseline)
    if not found:
        return BASELINE
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    raise SchemaError(
        f"the tables are of no release that can be upgraded: {'; '.join(found[:5])}{more}. Name "
        "an empty database, restore a backup, or bring the tables by hand to what the last "
        f"release before migrations has; {_GOING_BACK}"
    )


def _violations(connection: Connection) -> int:
    """Rows of a SQLite database that refer to nothing: their tables are replaced unchecked."""
    if connection.dialect.name != "sqlite":
        return 0
    return len(connection.exec_driver_sql("PRAGMA foreign_key_check").all())


@asynccontextmanager
async def _alone(url: URL, wait_seconds: float) -> AsyncIterator[AsyncConnection]:
    """A connection in a transaction that no other upgrade is in; it commits at the end.

    It is a connection of its own: those of the pool have time-outs that are meant for requests, and
    on SQLite they check references, which a table that is being replaced would break.
    """
    is_sqlite = url.get_backend_name() == "sqlite"
    engine = create_async_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        connect_args={"timeout": wait_seconds}
        | ({} if is_sqlite else {"command_timeout": max(_STATEMENT_SECONDS, wait_seconds) + 5}),
    )
    if is_sqlite:
        event.listen(engine.sync_engine, "connect", _begun_by_name)
    else:
        allow_poolers(engine)
    try:
        async with engine.connect() as connection:
            try:
                await (_lock_sqlite(connection) if is_sqlite else _lock(connection, wait_seconds))
            except DBAPIError as error:
                if not _is_taken(error):
                    raise
                raise SchemaLockedError(
                    f"another process has been upgrading this database for {wait_seconds:g} s, or "
                    "somebody holds it locked; start again when it is done"
                ) from error
            yield connection
            await connection.commit()
    finally:
        await engine.dispose()


def _begun_by_name(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    # Python's driver would commit before a statement that changes the schema.
    connection.isolation_level = None


async def _lock_sqlite(connection: AsyncConnection) -> None:
    # Without effect once a transaction has begun.
    await connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    # A table that is made anew holds what is in it once: see app/core/database.py.
    await connection.exec_driver_sql("PRAGMA secure_delete=ON")
    await connection.exec_driver_sql("BEGIN IMMEDIATE")


async def _lock(connection: AsyncConnection, wait_seconds: float) -> None:
    await _set(connection, "statement_timeout", 0)
    await _set(connection, "lock_timeout", wait_seconds)
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    await _set(connection, "lock_timeout", _TABLE_WAIT_SECONDS)
    await _set(connection, "statement_timeout", _STATEMENT_SECONDS)


async def _set(connection: AsyncConnection, name: str, seconds: float) -> None:
    """For the transaction only."""
    await connection.execute(
        text("SELECT set_config(:name, :value, true)"),
        {"name": name, "value": f"{int(seconds * 1000)}ms"},
    )


def _is_taken(error: DBAPIError) -> bool:
    lock_not_available = "55P03"
    return getattr(error.orig, "sqlstate", None) == lock_not_available or "is locked" in str(
        error.orig
    )
