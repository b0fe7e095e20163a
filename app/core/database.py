"""The database: an async engine that is timed and counted, and its two kinds of session."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

from sqlalchemy import URL, Connection, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection, ExecutionContext
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from app.core import catalogue, last_writes
from app.core.catalogue import BackgroundTask, Component, ErrorType, Operation
from app.core.database_errors import (
    LOCKED,
    DatabaseLockedError,
    DatabaseSilentError,
    DatabaseUnreachableError,
    database_trouble,
)
from app.core.events import WriteAheadLogHeld
from app.core.facts import FactCounters, Transaction
from app.core.failed_writes import FailedWrites
from app.core.lent_connections import look_before_lending
from app.core.postgresql_connections import allow_poolers, bounded
from asgi_observability.background import Background
from asgi_observability.catalogue import Outcome
from asgi_observability.instruments import Instruments
from asgi_observability.logging import get_logger

log = get_logger(__name__)

TIMEOUT_SECONDS = 5.0
"""How long one step may take: to get a connection, one statement, a commit, a lock."""

WAL_LIMIT_BYTES = 64 * 1024 * 1024
"""Size to which SQLite's write-ahead log is cut back once nobody reads from it any more."""

CHECKPOINT_SECONDS = 30.0
"""How often it is looked whether it is over that size."""

WRITE_CHECK_SECONDS = 5.0
"""How often a database that could not be written is tried again when nobody else writes."""

_LOCK_WAIT_SECONDS = 1.0
"""How long such a try waits for SQLite's lock: less than a probe may take."""

_PAGES_TRIED = 100
"""Pages that such a try writes: about what one SMS needs."""

_STATEMENTS = {operation.value: operation for operation in Operation}
_ON_DATABASE = (
    *(Operation.SELECT, Operation.INSERT, Operation.UPDATE, Operation.DELETE, Operation.OTHER),
)


_NEW_PAGES = (
    "CREATE TABLE orchestrator_write_check AS "
    f"SELECT repeat('x', 4000) AS filling FROM generate_series(1, {2 * _PAGES_TRIED})"
)


class WriteAheadLogHeldError(Exception):
    """SQLite's write-ahead log is over its limit, and a reader holds it."""


class Database:
    """One database, SQLite or PostgreSQL.

    Nothing waits for ever: each step (a connection, a statement, a commit, a rollback, a lock) has
    the same limit. Beyond it, `SQLAlchemyError` is raised and the connection is dropped.
    """

    def __init__(
        self,
        url: URL,
        *,
        pool_size: int,
        timeout_seconds: float = TIMEOUT_SECONDS,
        wal_limit_bytes: int = WAL_LIMIT_BYTES,
        fact_counters: FactCounters | None = None,
        failed_writes: FailedWrites | None = None,
    ) -> None:
        """``fact_counters`` count what transactions tell; without them none can tell anything.

        ``failed_writes`` is where workers tell each other that the database can't be written.
        """
        self.failed_writes = failed_writes or FailedWrites(None)
        self.when_unreachable: Callable[[], None] = lambda: None
        """Called when no connection could be made."""
        self._is_pooled = False
        self._fact_counters = fact_counters
        self._sqlite = url.get_backend_name() == "sqlite"
        self._timeout = timeout_seconds
        self._wal_limit = wal_limit_bytes
        self._wal = Path(f"{url.database}-wal") if self._sqlite and url.database else None
        # SQLite's own queue is a sleep of up to 100 ms; this one wakes the next writer at once.
        self._one_writer = asyncio.Lock()
        self._probes: set[asyncio.Task[None]] = set()
        self.engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=timeout_seconds,
            # Parameters are message texts and phone numbers: they stay out of error messages.
            hide_parameters=True,
            connect_args=(
                {"timeout": timeout_seconds} if self._sqlite else bounded(timeout_seconds)
            ),
        )
        if self._sqlite:
            _use_write_ahead_log(self.engine, wal_limit_bytes)
        else:
            allow_poolers(self.engine, self._found_pooler)
            look_before_lending(self.engine)

    def _found_pooler(self, is_pooled: bool) -> None:
        self._is_pooled = is_pooled

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
        """A session for queries: each sees what is committed. Raises SQLAlchemyError."""
        with _silence_as_error():
            async with AsyncSession(self.engine, expire_on_commit=False) as session:
                await self._connect(session)
                yield session

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """A session for queries that all see the database as it was at the first of them.

        Raises SQLAlchemyError.
        """
        with _silence_as_error():
            async with AsyncSession(self.engine, expire_on_commit=False) as session:
                if self._sqlite:
                    await self._connect(session)
                    await session.execute(text("BEGIN"))
                else:
                    level = {"isolation_level": "REPEATABLE READ"}
                    await self._connect(session, execution_options=level)
                yield session

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Transaction]:
        """A session in a transaction that commits at the end, or leaves nothing.

        What it was told is counted with the commit, and noted and logged after it.

        On SQLite it takes the write lock at once: a transaction that reads first and is then
        refused the lock could only be started over. Raises SQLAlchemyError.
        """
        counters = self._fact_counters
        with self._noting_failed_writes(), _silence_as_error():
            async with (
                self._writers_turn(),
                Transaction(self.engine, expire_on_commit=False) as session,
            ):
                session.told, session.writes = [], []
                async with session.begin():
                    await self._connect(session)
                    if self._sqlite:
                        await session.execute(text("BEGIN IMMEDIATE"))
                    yield session
                    if session.told and counters is None:
                        raise TypeError("this database has no fact_counters: nothing can be told")
                    counted = counters.counted(session.told) if counters is not None else None
                    writes = [*session.writes, *([] if counted is None else [counted])]
                    if writes:
                        await session.flush()
                        await last_writes.write(await session.connection(), writes)
                if counters is not None:
                    counters.committed(session.told)
        # On a disk that is nearly full, small writes go through between the others.
        self.failed_writes.clear_if(LOCKED.reason)

    @asynccontextmanager
    async def _writers_turn(self) -> AsyncIterator[None]:
        if not self._sqlite:
            yield
            return
        try:
            async with asyncio.timeout(self._timeout):
                await self._one_writer.acquire()
        except TimeoutError:
            raise DatabaseLockedError("other writers hold the database") from None
        try:
            yield
        finally:
            self._one_writer.release()

    @contextmanager
    def _noting_failed_writes(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            trouble = database_trouble(error)
            if trouble and trouble.stops_writing_only:
                self.failed_writes.note(trouble.reason)
            raise

    async def _connect(self, session: AsyncSession, **options: Any) -> None:
        """Take a connection: the wait for one, a new one and the check of an old one together."""
        if self._sqlite:  # no server that could be silent: the pool and each lock have their limits
            await session.connection(**options)
            return
        try:
            async with asyncio.timeout(self._timeout):
                await session.connection(**options)
        except OSError as error:  # TimeoutError is one
            self.when_unreachable()
            if isinstance(error, TimeoutError):
                raise DatabaseSilentError("no connection in time") from None
            raise DatabaseUnreachableError(f"no connection: {type(error).__name__}") from error

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

    async def connections_allowed(self) -> int | None:
        """How many connections this user of PostgreSQL may open in total, all replicas together.

        None behind a pooler: how many of its clients there may be, only its own settings say.
        """
        async with self.reading() as session:
            if self._is_pooled:
                return None
            return int(
                await session.scalar(
                    text(
                        "SELECT least(current_setting('max_connections')::int"
                        " - current_setting('superuser_reserved_connections')::int,"
                        " nullif(rolconnlimit, -1)) FROM pg_roles WHERE rolname = current_user"
                    )
                )
            )

    async def health(self, seconds: float) -> str | None:
        """None if it answers a query within ``seconds``, or else what is wrong.

        If a write failed lately, it must take one too. The answer comes in that time even when the
        query can't be given up as fast.
        """
        ends = monotonic() + seconds
        unread = await self._wrong_within(seconds, self._ping())
        if unread is not None or self.failed_writes.reason is None:
            return unread
        await self._wrong_within(ends - monotonic(), self.try_to_write())
        # Somebody else may have written meanwhile.
        reason = self.failed_writes.reason
        return None if reason is None else f"it can be read, but not written: {reason}"

    async def _wrong_within(self, seconds: float, work: Coroutine[Any, Any, None]) -> str | None:
        probe = asyncio.create_task(work)
        self._probes.add(probe)
        probe.add_done_callback(self._probed)
        done, _ = await asyncio.wait({probe}, timeout=seconds)
        if not done:
            probe.cancel()
            return f"did not answer within {seconds:g} s"
        error = probe.exception()
        if error is None:
            return None
        if isinstance(error, DatabaseSilentError):
            return f"did not answer within {self._timeout:g} s"
        trouble = database_trouble(error)
        return trouble.state if trouble else f"can't be used ({type(error).__name__})"

    async def _ping(self) -> None:
        async with self.reading() as session:
            await session.execute(text("SELECT 1"))

    async def try_to_write(self) -> None:
        """Write something that changes nothing. Raises SQLAlchemyError when it can't be written."""
        with self._noting_failed_writes(), _silence_as_error():
            async with self._writers_turn(), self.engine.connect() as connection:
                if self._sqlite:
                    version = (await connection.execute(text("PRAGMA user_version"))).scalar()
                    async with self._lock_wait(connection, _LOCK_WAIT_SECONDS):
                        # Each adds a page to the log: there must be room for more than one.
                        for _ in range(_PAGES_TRIED):
                            await connection.execute(text("BEGIN IMMEDIATE"))
                            await connection.execute(text(f"PRAGMA user_version={version}"))
                            await connection.commit()
                else:
                    # New pages are what a full disk has no room for; nothing of it is kept.
                    await connection.execute(text(_NEW_PAGES))
                    await connection.rollback()
        self.failed_writes.clear()

    def _probed(self, probe: asyncio.Task[None]) -> None:
        self._probes.discard(probe)
        if not probe.cancelled():
            probe.exception()  # taken note of, by whoever asked

    async def checkpoint(self) -> bool:
        """Cut SQLite's write-ahead log back if it is over its limit; False if a reader holds it.

        SQLite does so by itself only at a moment when nobody reads. Raises SQLAlchemyError.
        """
        if self._wal is None or not self._wal.exists():
            return True
        if self._wal.stat().st_size <= self._wal_limit:
            return True
        with _silence_as_error():
            async with (
                self._writers_turn(),
                self.engine.connect() as connection,
                # A reader is not waited for: writers would wait as long.
                self._lock_wait(connection, 0),
            ):
                result = await connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
                is_busy = bool(result.scalar_one_or_none())
        return not is_busy

    @asynccontextmanager
    async def _lock_wait(self, connection: AsyncConnection, seconds: float) -> AsyncIterator[None]:
        """SQLite waits so long for a lock within the block."""
        await connection.execute(text(f"PRAGMA busy_timeout={int(seconds * 1000)}"))
        try:
            yield
        finally:
            await connection.execute(text(f"PRAGMA busy_timeout={int(self._timeout * 1000)}"))

    async def run(self, background: Background) -> None:
        """Look after SQLite's write-ahead log, and after failed writes, until cancelled."""
        checks = background.every(BackgroundTask.WRITE_CHECK, WRITE_CHECK_SECONDS, self._check)
        if self._wal is None:
            await checks
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(checks)
            group.create_task(
                background.every(
                    BackgroundTask.CHECKPOINT, CHECKPOINT_SECONDS, self._keep_log_short
                )
            )

    async def _check(self) -> None:
        """Without this, nobody would see that it can be written again until somebody writes."""
        if self.failed_writes.reason is not None:
            await self.try_to_write()

    async def _keep_log_short(self) -> None:
        """What can't be cut back is a failure of the task, so that an alert sees it."""
        if not await self.checkpoint():
            log.event(WriteAheadLogHeld())
            raise WriteAheadLogHeldError

    async def close(self) -> None:
        """Close every connection, within the limit of one step."""
        try:
            async with asyncio.timeout(self._timeout):
                await self.engine.dispose()
        except (TimeoutError, SQLAlchemyError):
            await self.engine.dispose(close=False)


@contextmanager
def _silence_as_error() -> Iterator[None]:
    """What the driver raises when time is up, as an error of the database."""
    try:
        yield
    except TimeoutError:
        raise DatabaseSilentError("the database did not answer in time") from None


def _use_write_ahead_log(engine: AsyncEngine, limit_bytes: int) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        # Transactions are begun by name (see Database.writing), not by the driver.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute(f"PRAGMA journal_size_limit={limit_bytes}")
        cursor.execute("PRAGMA foreign_keys=ON")
        # What is erased doesn't stay in the file, in the room that it leaves.
        cursor.execute("PRAGMA secure_delete=ON")
        cursor.close()


def instrument_database(database: Database, instruments: Instruments) -> None:
    """Time every statement and watch the pool of ``database``."""
    sync_engine = database.engine.sync_engine
    connections = catalogue.DB_CLIENT_CONNECTIONS
    instruments.sampled(connections, "used", read=lambda: database.connections_used)
    instruments.sampled(connections, "idle", read=lambda: database.connections_idle)
    instruments.sampled(catalogue.DB_CLIENT_CONNECTION_MAX, read=lambda: database.connections_max)
    operations = instruments.histogram(catalogue.OPERATION_DURATION)
    operations.expose(Component.DATABASE, Operation.SELECT, Outcome.SUCCESS)
    # A first burst of failures is an increase only where there was a zero before.
    errors = instruments.counter(catalogue.OPERATION_ERRORS)
    for operation in _ON_DATABASE:
        errors.expose(Component.DATABASE, operation, ErrorType.DATABASE)

    def unreachable() -> None:
        with instruments.contained():
            instruments.operation_failed(Component.DATABASE, Operation.OTHER, ErrorType.DATABASE)

    database.when_unreachable = unreachable

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
