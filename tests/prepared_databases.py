"""Databases that have their tables already: to copy them takes a tenth of making them."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import asyncpg
from sqlalchemy.engine import make_url

from app.core.config import ASYNC_DRIVERS
from app.core.database import Database
from app.migrations import BUSINESS, ROLLUPS, History, upgrade

T = TypeVar("T")


async def prepared(address: str, *histories: History) -> None:
    """Give the empty database at ``address`` the tables of ``histories``, as a start would."""
    url = make_url(address)
    url = url.set(drivername=ASYNC_DRIVERS[url.get_backend_name()])
    database = Database(url, pool_size=1, timeout_seconds=60)
    for history in histories:
        await upgrade(database, history, wait_seconds=60)
    await database.close()


def in_a_loop_of_its_own(work: Coroutine[None, None, T]) -> T:
    """What ``work`` gives, also where this thread has a loop already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


class SQLiteTemplates:
    """Files with tables and no rows, made in ``folder`` when they are first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def copy(self, to: Path, *histories: History) -> None:
        """Make ``to`` a database with the tables of ``histories``."""
        template = self._folder / "-".join(history.version_table for history in histories)
        if not template.exists():
            in_a_loop_of_its_own(prepared(f"sqlite:///{template}", *histories))
        shutil.copyfile(template, to)


async def postgresql_template(server: str) -> str:
    """The name of a new database with all tables; ``server`` is its maintenance database's URL."""
    name = f"template_{uuid4().hex}"
    connection = await asyncpg.connect(server)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    await prepared(_url(server, name), BUSINESS, ROLLUPS)
    return name


@asynccontextmanager
async def postgresql_copy(server: str, template: str) -> AsyncIterator[str]:
    """The URL of a database that is a copy of ``template``, as long as it is needed."""
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(server)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _url(server, name)
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


def _url(server: str, name: str) -> str:
    return server.replace("/postgres?", f"/{name}?")
