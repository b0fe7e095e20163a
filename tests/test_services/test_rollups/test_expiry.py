"""Retention: what expires is archived first, once, and can be read back."""

import asyncio
import gzip
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.core import catalogue
from app.core.config import Retention, RollupSettings
from app.core.database import Database
from app.services.rollups import Expiry, tables
from app.services.rollups.__main__ import main
from app.services.rollups.archive import ArchiveError, archives, read
from tests.clock import Clock
from tests.not_empty import not_empty
from tests.project import command_line
from tests.test_services.test_rollups.conftest import NOON, Writer

Made = Callable[..., Writer]
DAY = 86400
SETTINGS = RollupSettings(retention_1m=Retention(counts=2, durations=1, samples=1))


async def minute_rows(database: Database) -> int:
    rows = tables.rows
    query = select(func.count()).select_from(rows).where(rows.c.resolution == 60)
    async with database.reading() as session:
        return await session.scalar(query) or 0


@pytest.fixture
async def aged(writer: Made, clock: Clock) -> Writer:
    """A worker with three minutes of counts and durations, four days ago."""
    clock.now = NOON - 4 * DAY
    worker = writer()
    for minute in range(3):
        worker.receive(minute + 1)
        worker.process(0.5, 1.5)
        clock.now += 60
    await worker.rollups.finish()
    clock.now = NOON
    return worker


async def test_expired_rows_move_to_archives_and_longer_buckets_stay(
    aged: Writer, database: Database, tmp_path: Path
) -> None:
    assert await minute_rows(database) == 6
    written = await Expiry(aged.store, SETTINGS, tmp_path, "w").expire()
    assert await minute_rows(database) == 0
    assert sorted(file.name for file in written) == [
        "rollups-60s-counts-2026-11-19-1.ndjson.gz",
        "rollups-60s-durations-2026-11-19-1.ndjson.gz",
    ]
    assert [archive.path for archive in archives(tmp_path)] == sorted(written)
    counts, durations = ([*read(file)] for file in sorted(written))
    assert sum(line["count"] for line in counts) == 6
    assert {line["metric"] for line in counts} == {catalogue.SMS_RECEIVED.name}
    assert counts[0]["time"] == "2026-11-19T12:00:00Z"
    line = durations[0]
    assert (line["labels"], line["count"], line["sum"]) == ({"route": "auto_sent"}, 2, 2.0)
    assert (line["min"], line["max"], sum(line["bins"].values())) == (0.5, 1.5, 2)
    # The hours still tell.
    assert await aged.received(NOON - 5 * DAY, NOON - 3 * DAY) == 6


async def test_ordinary_tools_read_them(aged: Writer, tmp_path: Path) -> None:
    file, *_ = await Expiry(aged.store, SETTINGS, tmp_path, "w").expire()
    plain = await asyncio.to_thread(subprocess.check_output, ["zcat", str(file)])
    assert [json.loads(line) for line in plain.splitlines()] == not_empty(read(file))


async def test_late_rows_get_a_part_of_their_own(
    aged: Writer, writer: Made, clock: Clock, tmp_path: Path
) -> None:
    expiry = Expiry(aged.store, SETTINGS, tmp_path, "w")
    await expiry.expire()
    clock.now = NOON - 4 * DAY
    late = writer("late")
    late.receive(5)
    await late.rollups.finish()
    clock.now = NOON
    (file,) = await expiry.expire()
    assert file.name == "rollups-60s-counts-2026-11-19-2.ndjson.gz"
    assert len(archives(tmp_path)) == 3
    assert await expiry.expire() == []


async def test_nothing_is_deleted_that_could_not_be_archived(
    aged: Writer, database: Database, tmp_path: Path
) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    with pytest.raises(OSError, match="file"):
        await Expiry(aged.store, SETTINGS, occupied, "w").expire()
    assert await minute_rows(database) == 6


async def test_one_replica_at_a_time(aged: Writer, clock: Clock, tmp_path: Path) -> None:
    first, second = (Expiry(aged.store, SETTINGS, tmp_path, name) for name in ("a", "b"))
    assert await first.expire()
    assert not await aged.store.take_lease("expiry", "b", 600)
    assert await second.expire() == []
    clock.now += 3600
    assert await aged.store.take_lease("expiry", "b", 600)


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    file = tmp_path / "rollups-60s-counts-2026-11-19-1.ndjson.gz"
    file.write_bytes(gzip.compress(b'{"count": 1}\n')[:-9])
    with pytest.raises(ArchiveError, match="2026-11-19"):
        [*read(file)]


async def test_the_command_lists_and_prints(aged: Writer, tmp_path: Path) -> None:
    file, *_ = await Expiry(aged.store, SETTINGS, tmp_path, "w").expire()
    command = ("archives", f"--dir={tmp_path}")
    assert file.name in command_line(main, *command).stdout
    printed = command_line(main, *command, file.name).stdout
    assert [json.loads(line) for line in printed.splitlines()] == not_empty(read(file))
    missing = command_line(main, *command, "none")
    assert missing.returncode == 1
    assert "can't be read" in missing.stderr
