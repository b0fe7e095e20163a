"""Rollups: exact over writers, repeated flushes, failures and restarts."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from app.core import catalogue
from app.core.config import ASYNC_DRIVERS
from app.core.database import Database
from app.core.instrumentation import Instruments
from app.services import rollups as module
from app.services.rollups import Rollups, Total
from tests.waiting import until


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    url = make_url(database_url)
    url = url.set(drivername=ASYNC_DRIVERS[url.get_backend_name()])
    database = Database(url, pool_size=2)
    yield database
    await database.close()


async def writer(database: Database, name: str, instruments: Instruments | None = None) -> Rollups:
    await database.create_tables(module.metadata)
    return Rollups(database, name, instruments or Instruments(), flush_seconds=0.01)


class Clock:
    """A clock that stands where the test puts it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def time(self) -> float:
        return self.seconds


async def test_writers_are_added_up_and_a_repeated_flush_counts_once(database: Database) -> None:
    first, second = await writer(database, "first"), await writer(database, "second")
    for _ in range(3):
        first.add("sms", 0.5)
        second.add("sms", 1.0)
        await first.flush()
        await second.flush()
    totals = await first.totals(0, 2**40)
    assert totals == {"sms": Total(6, 4.5)}


async def test_workers_that_start_together_create_the_table_once(database: Database) -> None:
    await asyncio.gather(*(writer(database, str(number)) for number in range(5)))


async def test_a_restart_goes_on(database: Database) -> None:
    before = await writer(database, "before")
    before.add("sms")
    await before.flush()
    after = await writer(database, "after")
    after.add("sms")
    assert (await after.totals(0, 2**40))["sms"].count == 2


async def test_the_range_is_half_open_by_minute(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(0)
    monkeypatch.setattr(module, "time", clock)
    rollups = await writer(database, "w")
    for clock.seconds in (59.9, 60, 119.9, 120):
        rollups.add("sms")
    assert (await rollups.totals(60, 120))["sms"].count == 2
    assert (await rollups.totals(0, 121))["sms"].count == 4


async def test_a_clock_set_back_an_hour_counts_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(100_000)
    monkeypatch.setattr(module, "time", clock)
    rollups = await writer(database, "w")
    rollups.add("sms")
    await rollups.flush()
    clock.seconds += 3600
    rollups.add("sms")
    await rollups.flush()
    clock.seconds -= 3600
    rollups.add("sms")
    assert (await rollups.totals(0, 2**40))["sms"].count == 3


async def test_complete_minutes_leave_the_memory(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(0)
    monkeypatch.setattr(module, "time", clock)
    rollups = await writer(database, "w")
    for minute in range(1000):
        clock.seconds = minute * 60
        rollups.add("sms")
        if minute % 100 == 0:
            await rollups.flush()
    await rollups.flush()
    assert len(rollups._buckets) <= 121
    assert (await rollups.totals(0, 2**40))["sms"].count == 1000


async def test_a_flush_that_fails_loses_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    instruments = Instruments()
    rollups = await writer(database, "w", instruments)
    rollups.add("sms")
    writing = database.writing

    def refused() -> None:
        raise OperationalError("INSERT", {}, Exception("database is locked"))

    monkeypatch.setattr(database, "writing", refused)
    running = asyncio.create_task(rollups.run())
    name = catalogue.ROLLUP_FLUSH_FAILURES.name
    await until(lambda: instruments.registry.get_sample_value(name))
    rollups.add("sms")
    monkeypatch.setattr(database, "writing", writing)
    assert (await rollups.totals(0, 2**40))["sms"].count == 2
    running.cancel()
