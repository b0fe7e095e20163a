"""Databases as releases before migrations left them, and what is in a database."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import Connection, MetaData, inspect, select
from sqlalchemy.engine import make_url

from app.core.config import ASYNC_DRIVERS
from app.core.database import Database

MAIN = Path(__file__).parent / "main"
"""Dumps of what the last release before migrations wrote, made with that release."""

Content = dict[str, list[dict[str, Any]]]


def database_at(address: str) -> Database:
    """The database at an address as it stands in the settings."""
    url = make_url(address)
    return Database(url.set(drivername=ASYNC_DRIVERS[url.get_backend_name()]), pool_size=2)


async def load(address: str, *sqlite_dumps: str) -> None:
    """Fill an empty database: a SQLite one from these dumps, PostgreSQL with all tables."""
    url = make_url(address)
    if url.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(url.database or "")) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            for dump in sqlite_dumps:
                connection.executescript((MAIN / f"{dump}.sqlite.sql").read_text())
        return
    postgresql = await asyncpg.connect(address)
    await postgresql.execute((MAIN / "both.postgresql.sql").read_text())
    await postgresql.close()


async def run(address: str, statement: str) -> None:
    """Run a statement of an operator."""
    database = database_at(address)
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql(statement)
    await database.close()


async def content_of(address: str) -> Content:
    """Every table with its rows, ordered by their keys."""
    database = database_at(address)
    async with database.engine.connect() as connection:
        found = await connection.run_sync(_content)
    await database.close()
    return found


def _content(connection: Connection) -> Content:
    tables = MetaData()
    tables.reflect(connection)
    return {
        table.name: [
            dict(row)
            for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()
        ]
        for table in tables.sorted_tables
    }


async def tables_of(address: str) -> dict[str, Sequence[str]]:
    """Every table with its columns and indexes, by name."""
    database = database_at(address)
    async with database.engine.connect() as connection:
        found = await connection.run_sync(_tables)
    await database.close()
    return found


def _tables(connection: Connection) -> dict[str, Sequence[str]]:
    inspector = inspect(connection)
    return {
        table: sorted(
            str(each["name"])
            for each in (*inspector.get_columns(table), *inspector.get_indexes(table))
        )
        for table in inspector.get_table_names()
    }
