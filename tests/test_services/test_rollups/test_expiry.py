"""Retention: what expires is archived first, once, and can be read back."""

import asyncio
import gzip
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from app.core import catalogue
from app.core.config import Retention, RollupSettings
from app.core.database import Database
from app.services.rollups import Expiry, tables
from app.services.rollups import expiry as expiry_of_rows
from app.services.rollups.archive import ArchiveError, archives, read
from app.services.rollups.command_line import main
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
    written = await Expiry(aged.store, [aged.store], SETTINGS, tmp_path, "w").expire()
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
    file, *_ = await Expiry(aged.store, [aged.store], SETTINGS, tmp_path, "w").expire()
    plain = await asyncio.to_thread(subprocess.check_output, ["zcat", str(file)])
    assert [json.loads(line) for line in plain.splitlines()] == not_empty(read(file))


async def test_late_rows_get_a_part_of_their_own(
    aged: Writer, writer: Made, clock: Clock, tmp_path: Path
) -> None:
    expiry = Expiry(aged.store, [aged.store], SETTINGS, tmp_path, "w")
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


async def test_a_crash_between_archive_and_delete_archives_nothing_twice(
    aged: Writer, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expiry = Expiry(aged.store, [aged.store], SETTINGS, tmp_path, "w")

    async def killed(*_: object) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(aged.store, "delete_rows", killed)
        with pytest.raises(OSError, match="killed"):
            await expiry.expire()
    assert len(archives(tmp_path)) == 1
    await expiry.expire()
    assert await minute_rows(database) == 0
    lines = [line for archive in archives(tmp_path) for line in read(archive.path)]
    received = [line for line in lines if line["metric"] == catalogue.SMS_RECEIVED.name]
    assert sum(line["count"] for line in received) == 6
    assert len(archives(tmp_path)) == 2


async def test_a_row_that_came_after_such_a_crash_is_archived_as_well(
    aged: Writer, writer: Made, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expiry = Expiry(aged.store, [aged.store], SETTINGS, tmp_path, "w")

    async def killed(*_: object) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(aged.store, "delete_rows", killed)
        with pytest.raises(OSError, match="killed"):
            await expiry.expire()
    clock.now = NOON - 4 * DAY
    late = writer("late")
    late.receive(5)
    await late.rollups.finish()
    clock.now = NOON
    await expiry.expire()
    lines = [line for archive in archives(tmp_path) for line in read(archive.path)]
    received = [line for line in lines if line["metric"] == catalogue.SMS_RECEIVED.name]
    assert sum(line["count"] for line in received) == 6 + 5


async def test_expiry_holds_a_page_of_rows_at_a_time(
    writer: Made, clock: Clock, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry_of_rows, "PAGE", 10)
    monkeypatch.setattr(expiry_of_rows, "ROWS_IN_A_FILE", 40)
    clock.now = NOON - 4 * DAY
    worker = writer()
    for _ in range(100):
        worker.receive()
        clock.now += 60
    await worker.rollups.finish()
    clock.now = NOON
    sizes: list[int] = []
    page_of_day = worker.store.page_of_day

    async def watched(*arguments: Any) -> Any:
        rows = await page_of_day(*arguments)
        sizes.append(len(rows))
        return rows

    monkeypatch.setattr(worker.store, "page_of_day", watched)
    written = await Expiry(worker.store, [worker.store], SETTINGS, tmp_path, "w").expire()
    assert max(sizes) <= 10
    assert len(written) == 3
    assert await minute_rows(database) == 0
    assert sum(line["count"] for file in written for line in read(file)) == 100


async def test_expiry_renews_its_lease_and_stops_when_it_has_lost_it(
    writer: Made, clock: Clock, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry_of_rows, "PAGE", 10)
    clock.now = NOON - 4 * DAY
    worker = writer()
    for _ in range(100):
        worker.receive()
        clock.now += 60
    await worker.rollups.finish()
    clock.now = NOON
    page_of_day = worker.store.page_of_day

    async def slow(*arguments: Any) -> Any:
        clock.now += 400
        # It has the lease all the time, though all of it takes longer than one.
        assert not await worker.store.take_lease("expiry", "other", 600)
        return await page_of_day(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(worker.store, "page_of_day", slow)
        (file,) = await Expiry(worker.store, [worker.store], SETTINGS, tmp_path, "w").expire()
    assert sum(line["count"] for line in read(file)) == 100

    clock.now = NOON - 4 * DAY
    late = writer("late")
    late.receive(5)
    await late.rollups.finish()
    clock.now = NOON + DAY // 2

    async def stalled(*arguments: Any) -> Any:
        clock.now += 700
        assert await worker.store.take_lease("expiry", "other", 600)
        return await page_of_day(*arguments)

    monkeypatch.setattr(worker.store, "page_of_day", stalled)
    before = await minute_rows(database)
    assert await Expiry(worker.store, [worker.store], SETTINGS, tmp_path, "w").expire() == []
    assert await minute_rows(database) == before
    assert [archive.path for archive in archives(tmp_path)] == [file]


async def test_nothing_is_deleted_that_could_not_be_archived(
    aged: Writer, database: Database, tmp_path: Path
) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    with pytest.raises(OSError, match="file"):
        await Expiry(aged.store, [aged.store], SETTINGS, occupied, "w").expire()
    assert await minute_rows(database) == 6


async def test_one_replica_at_a_time(aged: Writer, clock: Clock, tmp_path: Path) -> None:
    first, second = (
        Expiry(aged.store, [aged.store], SETTINGS, tmp_path, name) for name in ("a", "b")
    )
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
    file, *_ = await Expiry(aged.store, [aged.store], SETTINGS, tmp_path, "w").expire()
    command = ("archives", f"--dir={tmp_path}")
    assert file.name in command_line(main, *command).stdout
    printed = command_line(main, *command, file.name).stdout
    assert [json.loads(line) for line in printed.splitlines()] == not_empty(read(file))
    missing = command_line(main, *command, "none")
    assert missing.returncode == 1
    assert "can't be read" in missing.stderr
