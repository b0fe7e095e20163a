"""`python -m app.new_revision business NAME`: write the revision that the tables need now.

It compares the tables in the code with those that the revisions so far make, and writes the
difference into a new file of app/migrations/. What can't be seen in tables, such as filling a new
column, is added there by hand.
"""

import argparse
import asyncio
import re
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import UpgradeOps
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, make_url

from app.core.database import Database
from app.migrations import BUSINESS, ROLLUPS, History, upgrade
from app.migrations.history import LONGEST_NAME
from app.models import Base, UtcDateTime
from app.services import rollups
from asgi_observability.nearest import did_you_mean

TABLES: dict[str, tuple[History, MetaData]] = {
    "business": (BUSINESS, Base.metadata),
    "rollups": (ROLLUPS, rollups.metadata),
}
"""Each history with the tables that it has to lead to."""


def main() -> int:
    """Write the file; alembic says where it is. 2 when the name can't be used."""
    parser = argparse.ArgumentParser(prog="python -m app.new_revision", description=__doc__)
    parser.add_argument("history", help="business (app/models.py) or rollups")
    parser.add_argument("name", help="what changes, such as outbox_of_facts; also the file's name")
    given = parser.parse_args()
    if given.history not in TABLES:
        hint = did_you_mean(given.history, [*TABLES], otherwise=f"use {' or '.join(TABLES)}")
        parser.error(f"{given.history} is no history; {hint}")
    history, metadata = TABLES[given.history]
    if not re.fullmatch(rf"[a-z][a-z0-9_]{{0,{LONGEST_NAME - 1}}}", given.name):
        parser.error(
            f"{given.name} is no name: use up to {LONGEST_NAME} lower-case letters, digits and _"
        )
    if history.knows(given.name):
        parser.error(f"there is a revision {given.name} already; choose another name")
    asyncio.run(write_revision(history, metadata, given.name))
    return 0


async def write_revision(history: History, metadata: MetaData, name: str) -> Path:
    """Write what ``metadata`` has more or less than ``history`` so far; gives the file."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(make_url(f"sqlite+aiosqlite:///{folder}/newest.db"), pool_size=1)
        try:
            await upgrade(database, history)
            async with database.engine.connect() as connection:
                changes = await connection.run_sync(_changes, history, metadata)
        finally:
            await database.close()
    script = history.scripts.generate_revision(
        name,
        name.replace("_", " ").capitalize(),
        version_path=str(history.folder),
        upgrades=changes,
    )
    if script is None:
        raise FileNotFoundError(f"{history.folder} holds no {name} after it was written there")
    return Path(script.path)


def _changes(connection: Connection, history: History, metadata: MetaData) -> str:
    context = MigrationContext.configure(
        connection, opts={"version_table": history.version_table, "target_metadata": metadata}
    )
    upgrades = produce_migrations(context, metadata).upgrade_ops
    if not isinstance(upgrades, UpgradeOps):
        raise TypeError(f"expected the operations of one upgrade, got {upgrades!r}")
    # In batches: SQLite can change a column only by making the table anew.
    code = render_python_code(
        upgrades, render_as_batch=True, render_item=_as_plain_type, migration_context=context
    )
    return "\n".join(line for line in code.splitlines() if "# ###" not in line).strip()


def _as_plain_type(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    # A revision outlives our types; their columns are these.
    if isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and getattr(item, "native_enum", True) is False:
        return f"sa.String({item.length})"
    return False


if __name__ == "__main__":
    sys.exit(main())
