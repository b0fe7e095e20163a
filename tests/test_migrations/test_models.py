"""Whoever changes a table writes the revision that leads to it."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, Integer, MetaData, Table

from app.migrations import History, upgrade
from app.models import UtcDateTime
from app.new_revision import TABLES, write_revision
from tests.test_migrations.databases import content_of, database_at
from tests.test_migrations.test_upgrade import and_then

NEW = "write a revision: python -m app.new_revision {} NAME (docs/extending.md)"


async def differences(address: str, history: History, metadata: MetaData) -> list[object]:
    """What a database at the newest revision has other than the code."""
    database = database_at(address)

    def compared(connection: Connection) -> list[object]:
        options = {"version_table": history.version_table, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))

    await upgrade(database, history)
    async with database.engine.connect() as connection:
        found = await connection.run_sync(compared)
    await database.close()
    return found


@pytest.mark.parametrize("name", TABLES)
async def test_the_revisions_lead_to_the_tables_in_the_code(database_url: str, name: str) -> None:
    assert await differences(database_url, *TABLES[name]) == [], NEW.format(name)


@pytest.mark.parametrize("name", TABLES)
def test_the_revisions_are_one_line(name: str) -> None:
    history, _ = TABLES[name]
    heads = history.scripts.get_heads()
    assert len(heads) == 1, (
        f"two branches each added a revision to {history.folder}: {heads}; let the down_revision "
        "of one be the other"
    )
    bases = history.scripts.get_bases()
    assert list(bases) == ["baseline"]


async def test_a_new_revision_leads_to_a_table_and_a_column_that_were_added(
    database_url: str, tmp_path: Path
) -> None:
    history, metadata = TABLES["business"]
    changed = MetaData()
    for table in metadata.sorted_tables:
        table.to_metadata(changed)
    Table("outbox", changed, Column("id", Integer, primary_key=True), Column("at", UtcDateTime()))
    changed.tables["workflow_steps"].append_column(Column("tries", Integer))
    changed.tables["workflow_instances"].columns["phone_number"].nullable = True
    copy = and_then(history, tmp_path, "pass")

    file = await write_revision(copy, changed, "outbox_of_facts")

    assert "UtcDateTime" not in file.read_text()
    fresh = History(copy.folder, copy.version_table)
    assert fresh.newest == "outbox_of_facts"
    assert await differences(database_url, fresh, changed) == []
    assert "outbox" in await content_of(database_url)
