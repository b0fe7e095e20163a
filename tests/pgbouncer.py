"""PgBouncer in transaction mode, before a PostgreSQL server."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
from sqlalchemy.engine import URL, make_url

from tests.debian_programs import debian_program
from tests.free_port import free_port
from tests.programs import running
from tests.project import ROOT
from tests.waiting import eventually

_SETTINGS = """\
[databases]
* = host={host} port={port} user={user}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 500
server_login_retry = 1
"""


@asynccontextmanager
async def pooled(folder: Path, database_url: str, pool_size: int) -> AsyncIterator[str]:
    """The URL of the same database through a pooler with ``pool_size`` connections to it."""
    program, server, port = debian_program("pgbouncer"), make_url(database_url), free_port()
    command = _command(program.path, folder / "pgbouncer.ini", server, port, pool_size)
    url = f"postgresql://{server.username}@127.0.0.1:{port}/{server.database}"

    async def answers() -> bool:
        try:
            connection = await asyncpg.connect(url, statement_cache_size=0)
        except (OSError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True

    async with running(command, ROOT, folder / "pgbouncer.log", program.variables):
        await eventually(answers)
        yield url


def _command(
    program: Path, settings: Path, server: URL, port: int, pool_size: int
) -> list[str | Path]:
    host = str(server.query.get("host", server.host))
    text = _SETTINGS.format(
        host=host,
        port=server.port or 5432,
        user=server.username,
        own_port=port,
        pool_size=pool_size,
    )
    settings.write_text(text, encoding="utf-8")
    if os.geteuid():
        return [program, settings]
    # It refuses to run as root, and gives that up once it has read its settings.
    owner = Path(host).owner() if host.startswith("/") else "nobody"
    return [program, settings, "--user", owner]
