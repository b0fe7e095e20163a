"""Rollups on both databases, with a clock that the test moves."""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from app.core import catalogue
from app.core.config import ASYNC_DRIVERS, RollupSettings
from app.core.database import Database
from app.core.facts import FactCounters
from app.core.instrumentation import orchestrator_instruments
from app.migrations import BUSINESS, ROLLUPS
from app.services.rollups import Rollups, Store, counted_time, rollups
from asgi_observability import recorder
from tests.clock import Clock
from tests.prepared_databases import SQLiteTemplates

METRICS = [
    catalogue.SMS_RECEIVED,
    catalogue.SMS_PROCESSING_DURATION,
    catalogue.SMS_IN_FLIGHT,
    catalogue.APPROVAL_QUEUE_LENGTH,
]
NOON = 1_795_435_200
"""2026-11-23 12:00 UTC."""


class Writer:
    """One worker: its instruments and its rollups."""

    def __init__(self, database: Database, name: str, settings: RollupSettings) -> None:
        self.instruments = orchestrator_instruments()
        self.store = Store(database)
        self.rollups = Rollups(
            self.store,
            settings,
            instruments=self.instruments,
            writer=name,
            metrics=METRICS,
            state=lambda: {"name": name},
        )

    def receive(self, count: int = 1) -> None:
        """Count SMS."""
        for _ in range(count):
            self.instruments.counter(catalogue.SMS_RECEIVED).series().note()

    def process(self, *seconds: float, route: str = "auto_sent") -> None:
        """Time SMS."""
        series = self.instruments.histogram(catalogue.SMS_PROCESSING_DURATION).series(route)
        for each in seconds:
            series.note(each)

    async def received(self, start: int, end: int) -> int:
        """How many SMS the store knows of in a range."""
        (totals,) = await self.rollups.read([(start, end)], [catalogue.SMS_RECEIVED])
        assert totals.complete
        return totals.of(catalogue.SMS_RECEIVED).count


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(NOON)
    monkeypatch.setattr(recorder, "time", clock)
    monkeypatch.setattr(time, "time", clock)
    monkeypatch.setattr(counted_time, "monotonic", clock.steady)
    # A test moves it in strides, and the worker counts all the while.
    monkeypatch.setattr(counted_time, "STANDS_STILL_SECONDS", float("inf"))
    return clock


def database_at(
    address: str,
    *,
    pool_size: int = 1,
    busy_seconds: float = 20,
    fact_counters: FactCounters | None = None,
) -> Database:
    """The database at an address as it stands in the settings."""
    url = make_url(address)
    url = url.set(drivername=ASYNC_DRIVERS[url.get_backend_name()])
    return Database(
        url, pool_size=pool_size, timeout_seconds=busy_seconds, fact_counters=fact_counters
    )


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_templates: SQLiteTemplates) -> str:
    """A new SQLite database that has all tables, as on PostgreSQL."""
    sqlite_templates.copy(file := tmp_path / "orchestrator.db", BUSINESS, ROLLUPS)
    return f"sqlite:///{file}"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = database_at(database_url, pool_size=2)
    yield database
    await database.close()


@pytest.fixture
async def empty_database(empty_database_url: str) -> AsyncIterator[Database]:
    """A database without tables."""
    database = database_at(empty_database_url, pool_size=2)
    yield database
    await database.close()


@pytest.fixture
def writer(database: Database, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Writer]:
    """Makes writers on the same database, which give it time."""
    monkeypatch.setattr(rollups, "STORE_SECONDS", 60)

    def made(name: str = "first", **settings: object) -> Writer:
        return Writer(database, name, RollupSettings.model_validate(settings))

    return made
