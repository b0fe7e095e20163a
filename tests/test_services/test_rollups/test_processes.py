"""Exact over processes: read while they count, restarted gracefully, killed."""

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.core import catalogue
from app.core.config import RollupSettings
from app.core.database import Database
from app.services.rollups import RESOLUTIONS
from app.services.rollups.rollups import COARSE
from app.services.rollups.totals import Totals
from tests.length import LONG, only_long
from tests.not_empty import not_empty
from tests.project import ROOT, environment
from tests.test_services.test_rollups.conftest import METRICS, Writer
from tests.test_services.test_rollups.test_writing import stored
from tests.waiting import eventually, until

WORKERS, EVENTS = ((4, 4), 12_500) if LONG else ((2, 1), 400)
"""How many count before a restart and after it, and how much each of them."""
DAY = 86400
pytestmark = pytest.mark.parametrize(
    "database_url",
    # Processes that count on PostgreSQL, and are killed: test_exactness.py, test_killed.py.
    ["sqlite", pytest.param("postgresql", marks=only_long)],
    indirect=True,
)


def started(url: str, name: str, events: int, output: Path) -> subprocess.Popen[bytes]:
    module = "tests.test_services.test_rollups.counting_worker"
    with output.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", module, url, name, str(events)],
            cwd=ROOT,
            env=environment(),
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def last(output: Path, word: str) -> int:
    """The last number that a worker said with ``word``."""
    lines = output.read_text().splitlines(keepends=True)
    # The last one may be half written.
    said = [line.split() for line in lines if line.endswith("\n")]
    return max((int(number) for first, number in said if first == word), default=0)


async def everything(reader: Writer) -> int:
    """All that is stored; a store that is busy for too long says so, and is asked again."""
    found: list[Totals] = []
    # What is older than all that is kept would not be known.
    since = (int(time.time()) // DAY - 2) * DAY

    async def complete() -> bool:
        found[:] = await reader.rollups.read([(since, 2**33 // 60 * 60)], METRICS)
        return found[0].complete

    await eventually(complete)
    return found[0].of(catalogue.SMS_RECEIVED).count


async def test_events_are_counted_exactly_while_they_are_read(
    database_url: str, database: Database, tmp_path: Path
) -> None:
    reader = Writer(database, "reader", RollupSettings())
    await reader.rollups.flush()
    expected = 0
    for restart, workers in not_empty(enumerate(WORKERS)):
        expected += workers * EVENTS
        outputs = [tmp_path / f"{restart}-{number}" for number in range(workers)]
        processes = [
            started(database_url, f"{restart}-{n}", EVENTS, output)
            for n, output in enumerate(outputs)
        ]
        seen = 0
        while any(process.poll() is None for process in processes):
            now = await everything(reader)
            assert seen <= now <= expected
            seen = now
            await asyncio.sleep(0.3 if LONG else 0.6)
        assert [process.returncode for process in processes] == [0] * workers, [
            output.read_text()[-500:] for output in outputs
        ]
        assert await everything(reader) == expected
        assert {await stored(database, r) for r in RESOLUTIONS} == {expected}


async def test_a_killed_worker_loses_at_most_one_flush_interval(
    database_url: str, database: Database, tmp_path: Path
) -> None:
    reader = Writer(database, "reader", RollupSettings())
    await reader.rollups.flush()
    output = tmp_path / "worker"
    process = started(database_url, "killed", 0, output)
    await until(lambda: last(output, "flushed") > 500)
    process.send_signal(signal.SIGKILL)
    await asyncio.to_thread(process.wait, 30)
    flushed, noted = last(output, "flushed"), last(output, "noted")
    found = await everything(reader)
    assert flushed <= found <= noted
    # Settled as soon as it counts as dead, in any order with other settlements, once.
    await asyncio.gather(*(reader.store.settle(2**33, COARSE) for _ in range(3)))
    assert {await stored(database, r) for r in RESOLUTIONS} == {found}
    assert await everything(reader) == found
