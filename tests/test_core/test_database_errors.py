"""What callers and whoever is on call are told of an error of the database."""

import sqlite3
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError, StatementError

from app.assembly import Orchestrator
from app.core import catalogue
from app.core.config import ASYNC_DRIVERS
from app.core.database import Database, instrument_database
from app.core.database_errors import DatabaseTrouble, database_trouble
from app.core.failed_writes import FailedWrites
from app.services.worklists import Worklists
from asgi_observability.instruments import Instruments
from tests.sms import SMS

TEXT = "my rent, please"


def database_at(url: str) -> Database:
    parsed = make_url(url)
    driver = ASYNC_DRIVERS[parsed.get_backend_name()]
    return Database(parsed.set(drivername=driver), pool_size=1, timeout_seconds=5)


async def trouble_of(url: str, *statements: str, **values: object) -> DatabaseTrouble | None:
    database = database_at(url)
    try:
        async with database.writing() as session:
            for statement in statements:
                await session.execute(text(statement), values)
    except (SQLAlchemyError, OverflowError) as error:
        return database_trouble(error)
    finally:
        await database.close()
    raise AssertionError("it went well")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM no_such_table",
        "SELEKT",
        "INSERT INTO t VALUES (1), (1)",
        "INSERT INTO t VALUES (:value)",
    ],
)
async def test_a_wrong_statement_or_value_is_no_trouble_of_the_database(
    database_url: str, statement: str
) -> None:
    values = {"value": 2**70} if ":value" in statement else {}
    table = "CREATE TABLE t (i BIGINT PRIMARY KEY)"
    assert await trouble_of(database_url, table, statement, **values) is None


async def test_a_value_that_no_column_takes_is_not_blamed_on_the_database(
    client: httpx.AsyncClient, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def overflows(*_: object, **__: object) -> None:
        async with orchestrator.database.reading() as session:
            await session.execute(text("SELECT CAST(:i AS BIGINT)"), {"i": 2**70})

    monkeypatch.setattr(Worklists, "waiting_responses", overflows)
    answer = await client.get("/orchestrate/responses/waiting")
    assert answer.status_code == 500, answer.text
    assert answer.json()["error"]["message"] == "an unexpected error; it was logged"
    assert (await client.get("/health/dependencies")).json()["dependencies"]["database"]["up"]


@pytest.mark.parametrize(
    ("url", "state", "passes"),
    [
        (
            "postgresql://u@127.0.0.1:1/o",
            "can't be reached: Connection refused",
            True,
        ),
        (
            "postgresql://u@no-such-host.invalid/o",
            "can't be reached: nobody knows its host's name",
            True,
        ),
        (
            "sqlite:////no/folder/o.db",
            "can't be used: unable to open database file",
            False,
        ),
    ],
)
async def test_what_can_not_be_reached(url: str, state: str, passes: bool) -> None:
    trouble = await trouble_of(url)
    assert trouble is not None
    assert (trouble.state, trouble.passes) == (state, passes)
    database = database_at(url)
    assert await database.health(60) == state
    await database.close()


async def test_a_connection_that_can_not_be_made_is_counted(instruments: Instruments) -> None:
    database = database_at("postgresql://u@127.0.0.1:1/o")
    instrument_database(database, instruments)
    assert await database.health(60) is not None
    instruments.recorder.drain()
    failed = instruments.registry.get_sample_value(
        catalogue.OPERATION_ERRORS.name,
        {"component": "database", "operation": "other", "error_type": "database"},
    )
    assert failed == 1
    await database.close()


async def test_a_statement_that_takes_too_long(postgresql_url: str) -> None:
    trouble = await trouble_of(postgresql_url, "SET statement_timeout = 10", "SELECT pg_sleep(9)")
    assert trouble is not None
    assert trouble.state == "does not answer in time"


async def test_a_database_that_was_made_read_only_can_be_written_again(database_url: str) -> None:
    """As after a failover to a standby."""
    database = database_at(database_url)
    on, off = (
        ("PRAGMA query_only=ON", "PRAGMA query_only=OFF")
        if database_url.startswith("sqlite")
        else (
            "SET default_transaction_read_only = on",
            "SET default_transaction_read_only = off",
        )
    )

    async def switch(statement: str) -> None:
        async with database.engine.connect() as connection:
            await connection.execute(text(statement))
            await connection.commit()

    async with database.writing() as session:
        await session.execute(text("CREATE TABLE t (content TEXT)"))
    assert await database.health(60) is None
    await switch(on)
    with pytest.raises(SQLAlchemyError) as raised:
        async with database.writing() as session:
            await session.execute(text("INSERT INTO t VALUES (:content)"), {"content": TEXT})
    trouble = database_trouble(raised.value)
    assert trouble is not None
    assert trouble.state == "can't be written: it is read-only"
    assert TEXT not in str(trouble)
    for _ in range(3):
        assert await database.health(60) == "it can be read, but not written: it is read-only"
    await switch(off)
    assert await database.health(60) is None
    assert database.failed_writes.reason is None
    await database.close()


async def test_nothing_is_written_to_look_at_a_database_that_is_well(
    client: httpx.AsyncClient, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await client.post("/orchestrate/sms-received", json=SMS)).is_success
    monkeypatch.setattr(Database, "try_to_write", None)
    for _ in range(3):
        assert (await client.get("/health/dependencies")).status_code == 200


def test_the_workers_of_a_machine_tell_each_other(tmp_path: Path) -> None:
    one, other = (FailedWrites(tmp_path / "unwritable") for _ in range(2))
    one.note("database or disk is full")
    assert other.reason == "database or disk is full"
    other.clear_if("database is locked")
    assert one.reason == "database or disk is full"
    other.clear()
    assert one.reason is None
    other.clear()
    one.note("database is locked")
    other.clear_if("database is locked")
    assert one.reason is None


def test_errors_that_are_not_of_a_database() -> None:
    assert database_trouble(StatementError("", "", {}, OverflowError())) is None
    assert database_trouble(sqlite3.OperationalError("no such table: t")) is None
    assert database_trouble(ValueError(TEXT)) is None
