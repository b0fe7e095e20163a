"""Faults of the store: nothing is raised to who counts, nothing is lost that memory can hold."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import insert, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from app.core import catalogue
from app.core.config import RollupSettings
from app.core.database import Database
from app.core.instrumentation import orchestrator_instruments
from app.migrations import ROLLUPS, SchemaError
from app.services.rollups import Rollups, Store, rollups, tables
from tests.captured_logs import captured_logs
from tests.clock import Clock
from tests.test_services.test_rollups.conftest import METRICS, NOON, Writer, database_at
from tests.waiting import until

Made = Callable[..., Writer]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rollups.db"


@pytest.fixture
async def sqlite(file: Path) -> Database:
    return database_at(f"sqlite:///{file}", busy_seconds=0.05)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Somebody else holds the write lock."""
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.rollback()
        other.close()


async def test_a_locked_store_costs_nothing(sqlite: Database, file: Path, clock: Clock) -> None:
    worker = Writer(sqlite, "w", RollupSettings())
    worker.receive(2)
    await worker.rollups.flush()
    with locked(file):
        worker.receive(3)
        with pytest.raises(SQLAlchemyError):
            await worker.rollups.flush()
        assert not worker.rollups.health.is_up
        assert worker.rollups.health.reason == "database is locked"
        assert worker.rollups.health.unwritten_events == 5
        (totals,) = await worker.rollups.read([(NOON, NOON + 60)], METRICS)
        assert not totals.complete
        # The minute is in memory as a whole.
        assert totals.of(catalogue.SMS_RECEIVED).count == 5
    assert await worker.received(NOON, NOON + 60) == 5
    assert worker.rollups.health.is_up
    assert worker.rollups.health.unwritten_events == 0
    await sqlite.close()


async def test_a_full_disk_costs_nothing_once_there_is_room(sqlite: Database, clock: Clock) -> None:
    worker = Writer(sqlite, "w", RollupSettings())
    await worker.rollups.flush()
    async with sqlite.engine.connect() as connection:
        pages = (await connection.execute(text("PRAGMA page_count"))).scalar_one()
        await connection.execute(text(f"PRAGMA max_page_count = {pages}"))
    for _ in range(200):
        worker.receive()
        worker.process(*(0.001 * number for number in range(1, 300)))
        clock.now += 60
    with pytest.raises(SQLAlchemyError, match="full"):
        await worker.rollups.flush()
    assert worker.rollups.health.unwritten_events > 0
    async with sqlite.engine.connect() as connection:
        await connection.execute(text("PRAGMA max_page_count = 1000000"))
    await worker.rollups.finish()
    assert await worker.received(NOON, NOON + 200 * 60) == 200
    await sqlite.close()


async def test_postgresql_gone_and_back(
    postgresql_url: str, postgresql_server: str, clock: Clock
) -> None:
    database = database_at(postgresql_url)
    worker = Writer(database, "w", RollupSettings())
    worker.receive(2)
    await worker.rollups.flush()
    name = database.engine.url.database
    away = await asyncpg.connect(postgresql_server)
    try:
        await away.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await away.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        worker.receive(3)
        with pytest.raises((SQLAlchemyError, OSError)):
            await worker.rollups.flush()
        assert not worker.rollups.health.is_up
        await away.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    finally:
        await away.close()
    assert await worker.received(NOON, NOON + 60) == 5
    assert worker.rollups.health.is_up
    await database.close()


async def test_a_store_of_another_release_is_not_touched(
    writer: Made, clock: Clock, database: Database
) -> None:
    await writer().rollups.flush()
    async with database.writing() as session:
        await session.execute(text(f"UPDATE {ROLLUPS.version_table} SET version_num = 'later'"))
    worker = writer("older")
    worker.receive()
    with pytest.raises(SchemaError, match="revision later"):
        await worker.rollups.flush()
    assert "revision later" in (worker.rollups.health.reason or "")
    (totals,) = await worker.rollups.read([(NOON, NOON + 60)], METRICS)
    assert (totals.complete, totals.of(catalogue.SMS_RECEIVED).count) == (False, 1)


async def test_memory_is_bounded_and_what_is_given_up_is_counted(
    sqlite: Database, file: Path, clock: Clock
) -> None:
    worker = Writer(sqlite, "w", RollupSettings(max_unwritten_minutes=10))
    await worker.rollups.flush()
    with locked(file):
        for _ in range(25):
            worker.receive(2)
            clock.now += 60
            with pytest.raises(SQLAlchemyError):
                await worker.rollups.flush()
    assert worker.rollups.health.unwritten_events == 20
    assert worker.rollups.health.lost_events == 30
    value = worker.instruments.registry.get_sample_value
    assert value(catalogue.ROLLUP_LOST_EVENTS.name) == 30
    # The longer buckets still have them.
    await worker.rollups.finish()
    assert await worker.received(NOON + 15 * 60, NOON + 25 * 60) == 20
    clock.now += 3600
    assert await worker.received(NOON, NOON + 25 * 60) == 50
    await sqlite.close()


async def test_failures_are_counted_and_logged_once_a_minute(sqlite: Database, file: Path) -> None:
    worker = Writer(sqlite, "w", RollupSettings(flush_seconds=0.01))
    await worker.rollups.flush()
    value = worker.instruments.registry.get_sample_value
    with locked(file), captured_logs() as logged:
        running = asyncio.create_task(worker.rollups.run())
        await until(lambda: (value(catalogue.ROLLUP_FLUSH_FAILURES.name) or 0) >= 3)
        running.cancel()
        await asyncio.wait([running])
    assert [line["event"] for line in logged] == ["rollup_flush_failed"]
    await sqlite.close()


async def test_a_table_locked_in_postgresql_is_not_waited_for(
    postgresql_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = database_at(postgresql_url)
    worker = Writer(database, "w", RollupSettings())
    await worker.rollups.flush()
    other = await asyncpg.connect(postgresql_url)
    worker.receive(3)
    try:
        await other.execute("BEGIN; LOCK TABLE rollup_writers IN ACCESS EXCLUSIVE MODE")
        with monkeypatch.context() as patched:
            patched.setattr(rollups, "STORE_SECONDS", 0.3)
            with pytest.raises(TimeoutError):
                await worker.rollups.flush()
            assert "no answer" in (worker.rollups.health.reason or "")
            (totals,) = await worker.rollups.read([(NOON, NOON + 60)], METRICS)
            assert (totals.complete, totals.of(catalogue.SMS_RECEIVED).count) == (False, 3)
    finally:
        await other.close()
    assert await worker.received(NOON, NOON + 60) == 3
    await database.close()


async def test_a_store_of_another_release_gets_no_tables(empty_database: Database) -> None:
    database = empty_database
    async with database.engine.begin() as connection:
        await connection.run_sync(tables.schema_versions.create)
        await connection.execute(insert(tables.schema_versions).values(id=1, version=99))
    with pytest.raises(SchemaError):
        await Store(database).prepare()
    async with database.engine.connect() as connection:
        found = await connection.run_sync(lambda c: inspect(c).get_table_names())
    assert found == [tables.schema_versions.name]


async def test_an_error_of_ours_does_not_end_the_flushing(sqlite: Database) -> None:
    states = 0

    def state() -> dict[str, int]:
        nonlocal states
        states += 1
        return {"ratio": 1 // (states - 2)}

    metrics = orchestrator_instruments()
    settings = RollupSettings(flush_seconds=0.01)
    worker = Rollups(
        Store(sqlite), settings, instruments=metrics, writer="w", metrics=METRICS, state=state
    )
    with captured_logs() as logged:
        running = asyncio.create_task(worker.run())
        await until(lambda: states > 4)
        running.cancel()
        await asyncio.wait([running])
    assert [(line["event"], line["level"]) for line in logged] == [("rollup_flush_broken", "error")]
    assert metrics.registry.get_sample_value(catalogue.ROLLUP_FLUSH_FAILURES.name) == 1
    await sqlite.close()
