"""What an operator is promised who starts a new release on the database of an old one."""

import asyncio
import re
import shutil
import sqlite3
import sys
import textwrap
from contextlib import closing
from itertools import chain
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from app.__main__ import main
from app.core.database_errors import DatabaseSilentError
from app.migrations import BUSINESS, ROLLUPS, History, SchemaError, upgrade
from tests.length import LONG, only_long
from tests.not_empty import not_empty
from tests.programs import running
from tests.project import ROOT, command_line
from tests.serving_process import serving_process
from tests.sms import SMS
from tests.test_migrations.databases import (
    Content,
    content_of,
    database_at,
    load,
    run,
    tables_of,
)
from tests.upstreams import ScriptedUpstreams
from tests.waiting import until

AT_ONCE = 3
"""Starts that upgrade one database."""
HISTORIES = {"business": BUSINESS, "rollups": ROLLUPS}


async def upgraded(address: str, *histories: History) -> list[str | None]:
    """Upgrade; gives from which revision."""
    database = database_at(address)
    try:
        return [await upgrade(database, history, wait_seconds=60) for history in histories]
    finally:
        await database.close()


def and_then(history: History, folder: Path, body: str) -> History:
    """The history with one more revision, called ``and_then``."""
    copy = folder / history.folder.name
    shutil.copytree(history.folder, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "and_then.py").write_text(
        f'revision = "and_then"\ndown_revision = "{history.newest}"\n\n\n'
        f"def upgrade(op):\n{textwrap.indent(textwrap.dedent(body), '    ')}"
    )
    return History(copy, history.version_table)


def assert_kept(before: Content, after: Content) -> None:
    """Every row and value of before is there; nothing but new columns and tables came."""
    before.pop("rollup_schema", None)
    assert sum(map(len, before.values())) > 10
    for table, rows in not_empty(before.items()):
        kept = [{name: row[name] for name in old} for old, row in zip(rows, after[table])]  # noqa: B905
        assert kept == rows
        assert len(after[table]) == len(rows)


async def test_nothing_of_the_last_release_is_lost(database_url: str) -> None:
    await load(database_url, "business", "rollups")
    before = await content_of(database_url)

    assert await upgraded(database_url, BUSINESS, ROLLUPS) == ["baseline", "baseline"]

    assert_kept(before, await content_of(database_url))


@pytest.mark.parametrize(
    "empty_database_url",
    ["sqlite", pytest.param("postgresql", marks=only_long)],
    indirect=True,
)
async def test_a_tenant_whose_answer_waited_during_the_upgrade_gets_it_after(
    database_url: str, upstreams: ScriptedUpstreams, tmp_path: Path
) -> None:
    """Also where the rollups have a file of their own, as by default on SQLite."""
    await load(database_url, "business")
    if database_url.startswith("sqlite"):
        await load(f"{database_url}.rollups", "rollups")

    log = tmp_path / "app.log"
    archives = {"ROLLUPS__ARCHIVE_DIR": str(tmp_path / "archives")}
    async with serving_process(
        log, upstreams.url, database_url, workers=2 if LONG else 1, **archives
    ) as client:
        decision = {
            "response_queue_id": "response2",
            "action": "approve",
            "manager_id": "manager-3",
        }
        assert (await client.post("/orchestrate/approve-response", json=decision)).is_success
        assert (await client.post("/orchestrate/sms-received", json=SMS)).is_success

    assert "schema upgraded from baseline" in log.read_text()
    assert {"You can pay 200 a week."} <= {sent["content"] for sent in upstreams.sent}


async def test_a_store_of_counts_keeps_them_and_turns_old_releases_away(database_url: str) -> None:
    await load(database_url, "business", "rollups")
    await upgraded(database_url, ROLLUPS)
    # Releases before migrations compare this row with 2, and write to no other store.
    assert (await content_of(database_url))["rollup_schema"] == [{"id": 1, "version": 3}]


async def test_of_an_earlier_release_it_is_known_when_it_counted(database_url: str) -> None:
    await load(database_url, "business", "rollups")
    before = await content_of(database_url)
    minutes = {r["bucket_start"] for r in before["rollup_rows"] if r["resolution"] == 60}
    arrays = "series, counts, sums, minimums, maximums, bin_places, bin_keys, bin_counts"
    an_hour = min(minutes) // 3600 * 3600 - 30 * 86400
    await run(
        database_url,
        "INSERT INTO rollup_rows (resolution, kind, bucket_start, writer, "
        f"{arrays}) SELECT 3600, kind, {an_hour}, writer, {arrays} FROM rollup_rows "
        f"WHERE resolution = 60 AND bucket_start = {min(minutes)}",
    )

    await upgraded(database_url, BUSINESS, ROLLUPS)

    counted = (await content_of(database_url))["rollup_counted"]
    first, *others = [(row["start"], row["until"]) for row in counted]
    assert first == (an_hour, an_hour + 3600)
    # Where minutes are kept, they say it, and not the hour around them.
    assert others[0][0] == min(minutes)
    assert sum(end - start for start, end in others) == 60 * len(minutes)


async def test_an_empty_database_gets_the_same_tables_as_an_upgraded_one(
    database_url: str, tmp_path: Path
) -> None:
    await upgraded(database_url, BUSINESS, ROLLUPS)
    fresh = await tables_of(database_url)
    for table in fresh:
        await run(database_url, f"DROP TABLE {table}{' CASCADE' * ('postgres' in database_url)}")
    await load(database_url, "business", "rollups")
    await upgraded(database_url, BUSINESS, ROLLUPS)
    assert await tables_of(database_url) == fresh


async def test_the_next_start_changes_nothing(database_url: str) -> None:
    await upgraded(database_url, BUSINESS, ROLLUPS)
    assert await upgraded(database_url, BUSINESS, ROLLUPS) == [None, None]


@pytest.mark.parametrize("history", HISTORIES)
async def test_the_schema_of_a_newer_release_is_refused_in_words(
    database_url: str, history: str, tmp_path: Path
) -> None:
    newer = and_then(HISTORIES[history], tmp_path, "op.execute('CREATE TABLE later (id INTEGER)')")
    await upgraded(database_url, newer)
    before = await tables_of(database_url)

    with pytest.raises(SchemaError, match=r"and_then.*newer.*restore the backup"):
        await upgraded(database_url, HISTORIES[history])

    assert await tables_of(database_url) == before


@pytest.mark.parametrize("empty_database_url", ["sqlite"], indirect=True)
def test_the_service_says_why_it_does_not_start(database_url: str, tmp_path: Path) -> None:
    newer = and_then(BUSINESS, tmp_path, "pass")
    asyncio.run(upgraded(database_url, newer))
    ended = command_line(main, variables={"ORCHESTRATOR_DATABASE_URL": database_url})
    assert ended.returncode == 2
    assert "ORCHESTRATOR_DATABASE_URL" in ended.stderr
    assert "Start the newer release, or restore the backup" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("ALTER TABLE workflow_instances DROP COLUMN route", "workflow_instances.route is missing"),
        ("ALTER TABLE workflow_steps ADD COLUMN cost FLOAT", "workflow_steps.cost is unknown"),
        ("DROP TABLE approval_audit_log", "table approval_audit_log is missing"),
        ("DROP INDEX ai_response_queue_by_status", "ai_response_queue_by_status"),
    ],
)
async def test_tables_of_no_known_release_are_refused_in_words_and_left_alone(
    database_url: str, change: str, words: str
) -> None:
    await load(database_url, "business")
    await run(database_url, change)
    before = await tables_of(database_url)

    with pytest.raises(SchemaError, match=rf"{re.escape(words)}.*[Nn]ame an empty database"):
        await upgraded(database_url, BUSINESS)

    assert await tables_of(database_url) == before


async def test_an_index_that_an_operator_added_and_tables_of_others_are_no_obstacle(
    database_url: str,
) -> None:
    await load(database_url, "business")
    await run(database_url, "CREATE INDEX of_the_reports ON workflow_steps (started_at)")
    await run(database_url, "CREATE TABLE of_somebody_else (id INTEGER)")
    assert await upgraded(database_url, BUSINESS) == ["baseline"]
    assert "of_somebody_else" in await tables_of(database_url)


async def test_a_revision_that_fails_half_way_leaves_the_schema_and_the_data_as_they_were(
    database_url: str, tmp_path: Path
) -> None:
    await load(database_url, "business")
    before = await content_of(database_url)
    failing = and_then(
        BUSINESS,
        tmp_path,
        """\
        op.execute("DELETE FROM workflow_steps")
        op.execute("ALTER TABLE workflow_instances ADD COLUMN half INTEGER")
        op.execute("INSERT INTO missing VALUES (1)")
        """,
    )
    with pytest.raises(SchemaError, match=r"and_then failed.*as it was"):
        await upgraded(database_url, failing)
    assert await content_of(database_url) == before
    assert await upgraded(database_url, BUSINESS) == ["baseline"]


# That PostgreSQL forgets what a revision that failed had done is in the test before this one.
@pytest.mark.parametrize(
    "empty_database_url",
    ["sqlite", pytest.param("postgresql", marks=only_long)],
    indirect=True,
)
async def test_a_start_that_is_killed_half_way_leaves_the_schema_and_the_data_as_they_were(
    database_url: str, tmp_path: Path
) -> None:
    await load(database_url, "business")
    before = await content_of(database_url)
    marker = tmp_path / "half way"
    stuck = and_then(
        BUSINESS,
        tmp_path,
        f"""\
        import pathlib, time
        op.execute("DELETE FROM workflow_steps")
        with op.batch_alter_table("workflow_instances") as table:
            table.alter_column("phone_number", nullable=True)
        pathlib.Path({str(marker)!r}).touch()
        time.sleep(600)
        """,
    )
    program = [sys.executable, "-m", "tests.test_migrations.upgrading", database_url]
    log = tmp_path / "log"
    async with running([*program, stuck.folder, stuck.version_table], ROOT, log) as process:
        await until(lambda: marker.exists() or process.returncode is not None)
        assert marker.exists(), log.read_text()
        process.kill()
        await process.wait()

    assert await content_of(database_url) == before
    assert await upgraded(database_url, BUSINESS) == ["baseline"]
    assert_kept(before, await content_of(database_url))


async def test_rows_keep_their_parents_when_a_table_is_made_anew(
    database_url: str, tmp_path: Path
) -> None:
    """As SQLite must for most changes of a column: it would delete or refuse what refers to it."""
    await load(database_url, "business")
    before = await content_of(database_url)
    anew = and_then(
        BUSINESS,
        tmp_path,
        """\
        with op.batch_alter_table("workflow_instances") as table:
            table.alter_column("phone_number", nullable=True)
        """,
    )
    await upgraded(database_url, anew)
    assert_kept(before, await content_of(database_url))


async def test_a_revision_that_loses_parents_is_not_kept(
    tmp_path: Path,
) -> None:
    """PostgreSQL refuses that by itself; SQLite is not asked while tables are made anew."""
    address = f"sqlite:///{tmp_path}/orchestrator.db"
    await load(address, "business")
    before = await content_of(address)
    losing = and_then(BUSINESS, tmp_path, 'op.execute("DELETE FROM workflow_instances")')
    with pytest.raises(SchemaError, match="refer to"):
        await upgraded(address, losing)
    assert await content_of(address) == before


async def test_of_starts_at_once_one_upgrades_and_the_others_wait(database_url: str) -> None:
    await load(database_url, "business")
    said = await asyncio.gather(*(upgraded(database_url, BUSINESS) for _ in range(AT_ONCE)))
    assert sorted(map(str, chain(*said))) == ["None"] * (AT_ONCE - 1) + ["baseline"]


@only_long
async def test_of_workers_that_start_at_once_one_upgrades_and_the_others_wait(
    database_url: str, tmp_path: Path
) -> None:
    await load(database_url, "business")
    program = [sys.executable, "-m", "tests.test_migrations.upgrading", database_url]
    command = [*map(str, program), str(BUSINESS.folder), BUSINESS.version_table]
    processes = [
        await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
        for _ in range(AT_ONCE)
    ]
    said = sorted([(await process.communicate())[0].decode().strip() for process in processes])
    assert [process.returncode for process in processes] == [0] * AT_ONCE
    assert said == ["None"] * (AT_ONCE - 1) + ["baseline"]


async def test_nobody_waits_for_ever_for_a_lock(database_url: str) -> None:
    await load(database_url, "business")
    database = database_at(database_url)
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(make_url(database_url).database or "")) as holder:
            holder.execute("BEGIN IMMEDIATE")
            with pytest.raises(SchemaError, match=r"for 0.5 s.*start again"):
                await upgrade(database, BUSINESS, wait_seconds=0.5)
    else:
        postgresql = await asyncpg.connect(database_url)
        await postgresql.execute("SELECT pg_advisory_lock($1)", 0x0C4A7E)
        with pytest.raises(SchemaError, match=r"for 0.5 s.*start again"):
            await upgrade(database, BUSINESS, wait_seconds=0.5)
        await postgresql.close()
    await database.close()
    assert await upgraded(database_url, BUSINESS) == ["baseline"]


async def test_nobody_waits_for_ever_for_a_server_that_is_stopped() -> None:
    """It takes connections, as a stopped PostgreSQL does, and says nothing."""
    silent = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    database = database_at(f"postgresql://somebody@127.0.0.1:{port}/orchestrator")
    with pytest.raises(DatabaseSilentError, match="no answer in time"):
        await upgrade(database, BUSINESS, wait_seconds=0.5)
    silent.close()
    await database.close()
