"""The database: an async engine that is timed and counted, and its two kinds of session."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from time import perf_counter
from typing import Any

from sqlalchemy import URL, Connection, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection, ExecutionContext
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from app.core import catalogue
from app.core.catalogue import Component, ErrorType, Operation
from app.core.facts import FactCounters, Transaction
from app.core.instrumentation import Instruments

BUSY_TIMEOUT_SECONDS = 30
"""How long a SQLite writer waits for another one."""

_STATEMENTS = {operation.value: operation for operation in Operation}


class Database:
    """One database, SQLite or PostgreSQL."""

    def __init__(
        self,
        url: URL,
        *,
        pool_size: int,
        busy_seconds: float = BUSY_TIMEOUT_SECONDS,
        fact_counters: FactCounters | None = None,
    ) -> None:
        """``fact_counters`` count what transactions tell; without them none can tell anything."""
        self._fact_counters = fact_counters
        self._sqlite = url.get_backend_name() == "sqlite"
        # SQLite's own queue is a sleep of up to 100 ms; this one wakes the next writer at once.
        self._one_writer = asyncio.Lock()
        self.engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=busy_seconds,
            pool_pre_ping=not self._sqlite,
            # Parameters are message texts and phone numbers: they stay out of error messages.
            hide_parameters=True,
            connect_args={"timeout": busy_seconds} if self._sqlite else {},
        )
        if self._sqlite:
            _use_write_ahead_log(self.engine)

    @property
    def connections_used(self) -> int:
        """Connections of the pool that are lent out now."""
        return self._pool.checkedout()

    @property
    def connections_idle(self) -> int:
        """Open connections of the pool that wait to be lent."""
        return self._pool.checkedin()

    @property
    def connections_max(self) -> int:
        """Connections that the pool may open."""
        return self._pool.size()

    @property
    def _pool(self) -> QueuePool:
        pool = self.engine.sync_engine.pool
        if not isinstance(pool, QueuePool):
            raise TypeError(f"expected a pool of bounded size, got {type(pool).__name__}")
        return pool

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for queries: each sees what is committed."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            yield session

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """A session for queries that all see the database as it was at the first of them."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            if self._sqlite:
                await session.execute(text("BEGIN"))
            else:
                level = {"isolation_level": "REPEATABLE READ"}
                await session.connection(execution_options=level)
            yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Transaction]:
        """A session in a transaction that commits at the end, or leaves nothing.

        What it was told is counted with the commit, and noted and logged after it.

        On SQLite it takes the write lock at once: a transaction that reads first and is then
        refused the lock could only be started over.
        """
        counters = self._fact_counters
        async with (
            self._one_writer if self._sqlite else nullcontext(),
            Transaction(self.engine, expire_on_commit=False) as session,
        ):
            session.told = []
            async with session.begin():
                if self._sqlite:
                    await session.execute(text("BEGIN IMMEDIATE"))
                yield session
                if session.told and counters is None:
                    raise TypeError("this database has no fact_counters: nothing can be told")
                if session.told and counters is not None:
                    await session.flush()
                    await counters.store(session, session.told)
            if counters is not None:
                counters.committed(session.told)

    async def lock(self, session: AsyncSession, *keys: str) -> None:
        """Serialise transactions that use the same keys until they end.

        Who needs several names them in one call, and in the same order as everybody else.
        """
        # SQLite has one writer at a time as it is.
        if not self._sqlite:
            locks = ", ".join(
                f"pg_advisory_xact_lock(hashtextextended(:key{index}, 0))"
                for index in range(len(keys))
            )
            named = {f"key{index}": key for index, key in enumerate(keys)}
            await session.execute(text(f"SELECT {locks}"), named)

    async def try_lock(self, session: AsyncSession, key: str) -> bool:
        """`lock` that never waits; False when another transaction has it."""
        if self._sqlite:
            return True
        taken = await session.execute(
            text("SELECT pg_try_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key}
        )
        return bool(taken.scalar_one())

    async def ping(self) -> None:
        """Raise what a query raises when the database does not answer."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def _use_write_ahead_log(engine: AsyncEngine) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        # Transactions are begun by name (see Database.writing), not by the driver.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        # What is erased doesn't stay in the file, in the room that it leaves.
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.close()


def instrument_database(database: Database, instruments: Instruments) -> None:
    """Time every statement and watch the pool of ``database``."""
    sync_engine = database.engine.sync_engine
    connections = catalogue.DB_CLIENT_CONNECTION_COUNT
    instruments.sampled(connections, "used", read=lambda: database.connections_used)
    instruments.sampled(connections, "idle", read=lambda: database.connections_idle)
    instruments.sampled(catalogue.DB_CLIENT_CONNECTION_MAX, read=lambda: database.connections_max)
    operations = instruments.histogram(catalogue.OPERATION_DURATION)
    operations.child(Component.DATABASE, Operation.SELECT, catalogue.Outcome.SUCCESS)

    @event.listens_for(sync_engine, "before_cursor_execute")
    def started(
        _connection: Connection, _cursor: Any, _sql: str, _params: Any, context: Any, _many: bool
    ) -> None:
        context._started = perf_counter()

    @event.listens_for(sync_engine, "after_cursor_execute")
    def ended(
        _connection: Connection, _cursor: Any, sql: str, _params: Any, context: Any, _many: bool
    ) -> None:
        _record(instruments, sql, context, None)

    @event.listens_for(sync_engine, "handle_error")
    def failed(error: ExceptionContext) -> None:
        _record(instruments, error.statement or "", error.execution_context, _StatementError())


class _StatementError(Exception):
    error_type = ErrorType.DATABASE


def _record(
    instruments: Instruments,
    sql: str,
    context: ExecutionContext | None,
    error: Exception | None,
) -> None:
    with instruments.contained():
        verb = sql.lstrip().partition(" ")[0].lower()
        operation = _STATEMENTS.get(verb, Operation.OTHER)
        started = getattr(context, "_started", None)
        if started is None:
            instruments.operation_failed(Component.DATABASE, operation, ErrorType.DATABASE)
            return
        seconds = perf_counter() - started
        instruments.operation_ended(Component.DATABASE, operation, seconds, error)
