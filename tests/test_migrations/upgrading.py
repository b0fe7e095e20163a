"""A process that upgrades: `python -m tests.test_migrations.upgrading URL FOLDER VERSION_TABLE`.

It prints the revision that it came from.
"""

import asyncio
import sys
from pathlib import Path

from app.migrations import History, upgrade
from tests.test_migrations.databases import database_at


async def main(url: str, folder: str, version_table: str) -> None:
    """Do it once."""
    database = database_at(url)
    print(await upgrade(database, History(Path(folder), version_table), wait_seconds=120))
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
