"""Many writers: what they measured is read as cheaply as that of one, and stays exact."""

import random
from collections.abc import Callable
from contextlib import suppress

import pytest
from sqlalchemy import delete, event, insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from app.core import catalogue
from app.core.config import RollupSettings
from app.core.database import Database
from app.services.rollups import Consolidation, consolidation, tables
from app.services.rollups.consolidation import LOCK
from app.services.rollups.rollups import COARSE, DEAD_AFTER_SECONDS
from app.services.rollups.tables import MINUTE
from app.services.rollups.totals import Total
from tests.clock import Clock
from tests.length import LONG
from tests.test_services.test_rollups.conftest import METRICS, NOON, Writer, database_at
from tests.test_services.test_rollups.test_writing import stored
from tests.waiting import eventually

Made = Callable[..., Writer]
HOUR, DAY = 3600, 86400


def consolidating(database: Database, worker: Writer) -> Consolidation:
    return Consolidation(database, worker.store, RollupSettings())


async def everything(reader: Writer, start: int, end: int) -> dict[str, tuple[object, ...]]:
    """All that can be known of a range, by series."""
    (totals,) = await reader.rollups.read([(start, end)], METRICS)
    assert totals.complete

    def told(total: Total) -> tuple[object, ...]:
        return (
            total.count,
            round(total.sum, 6),
            total.minimum,
            total.maximum,
            total.keys.tolist(),
            total.bin_counts.tolist(),
        )

    return {
        f"{metric.name}{sorted(labels.items())}": told(total)
        for metric in METRICS
        for labels, total in totals.series(metric)
    }


async def worked(clock: Clock, workers: list[Writer], minutes: int) -> None:
    """The workers count for as long, each something else, and flush now and then."""
    for minute in range(minutes):
        for number, worker in enumerate(workers):
            worker.receive(number + minute % 3)
            worker.process(0.1 * (number + 1), 2.0 + minute, route="auto_sent")
            for _ in range(3):
                worker.instruments.gauge(catalogue.SMS_IN_FLIGHT).series().note(number + 1)
            worker.instruments.gauge(catalogue.APPROVAL_QUEUE_LENGTH).series().note(minute)
            if (minute + number) % 3 == 0:
                await worker.rollups.flush()
        clock.now += 60
    for worker in workers:
        await worker.rollups.flush()


async def test_a_manager_reads_the_same_once_it_is_consolidated_from_a_row_for_each_bucket(
    writer: Made, clock: Clock, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody writes meanwhile who would have to wait.
    monkeypatch.setattr(consolidation, "AT_ONCE", 20)
    workers = [writer(f"worker-{number}") for number in range(3)]
    await worked(clock, workers, 70)
    clock.now += 300
    asked = [(NOON, NOON + 70 * 60), (NOON + 7 * 60, NOON + 66 * 60), (NOON, NOON + HOUR)]
    before = [await everything(workers[0], *each) for each in asked]
    read: list[int] = []

    @event.listens_for(database.engine.sync_engine, "after_cursor_execute")
    def executed(_c: object, cursor: object, sql: str, *_: object) -> None:
        if "FROM rollup_rows" in sql:
            read.append(1)

    task = consolidating(database, workers[0])
    while await task.consolidate():
        pass
    read.clear()
    assert [await everything(workers[0], *each) for each in asked] == before
    assert not read
    assert len(before[0]) == 4


async def test_a_worker_that_stood_still_writes_late_and_is_counted_once(
    writer: Made, clock: Clock, database: Database
) -> None:
    stalled, other = writer("stalled"), writer("other")
    stalled.receive(10)
    await stalled.rollups.flush()
    other.receive(1)
    stalled.receive(5)
    clock.now += 2 * HOUR
    await other.rollups.flush()
    assert await other.store.settle(clock.now - DEAD_AFTER_SECONDS, COARSE) == 1
    task = consolidating(database, other)
    while await task.consolidate():
        pass
    assert await other.received(NOON, NOON + HOUR) == 11
    # It goes on where it stood.
    await stalled.rollups.flush()
    assert await other.received(NOON, NOON + HOUR) == 16
    assert await task.consolidate() > 0
    assert await other.received(NOON, NOON + HOUR) == 16
    assert await other.received(NOON, NOON + 60) == 16
    assert {await stored(database, r) for r in tables.RESOLUTIONS} == {16}


async def test_what_a_killed_worker_counted_in_its_last_minute_is_kept_by_any_release(
    writer: Made, clock: Clock, database: Database
) -> None:
    killed, other = writer("killed"), writer("other")
    await killed.rollups.flush()
    clock.now += 60
    killed.receive(3)
    await killed.rollups.flush()
    assert await other.received(NOON, NOON + HOUR) == 3
    # An earlier release knows of no minute that is not in a row, and ends the writer.
    async with database.writing() as session:
        await session.execute(delete(tables.writers).where(tables.writers.c.id.like("killed%")))
    assert await other.received(NOON, NOON + HOUR) == 3
    clock.now += DEAD_AFTER_SECONDS + 1
    await other.rollups.flush()
    assert await other.store.settle(clock.now - DEAD_AFTER_SECONDS, COARSE) == 1
    assert await other.received(NOON, NOON + HOUR) == 3
    assert {await stored(database, r) for r in tables.RESOLUTIONS} == {3}


async def test_a_consolidation_that_is_killed_has_done_nothing(
    writer: Made, clock: Clock, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = [writer(f"worker-{number}") for number in range(2)]
    await worked(clock, workers, 3)
    clock.now += 300
    before = await everything(workers[0], NOON, NOON + 300)

    async def killed(*_: object) -> None:
        raise OSError("killed")

    task = consolidating(database, workers[0])
    with monkeypatch.context() as patched:
        patched.setattr(consolidation, "upsert", killed)
        with pytest.raises(OSError, match="killed"):
            await task.consolidate()
    async with database.reading() as session:
        assert not (await session.execute(select(tables.consolidated))).all()
    assert await everything(workers[0], NOON, NOON + 300) == before
    assert await task.consolidate() > 0
    assert await everything(workers[0], NOON, NOON + 300) == before


async def test_a_row_of_any_origin_is_read_also_after_its_bucket_was_consolidated(
    writer: Made, clock: Clock, database: Database
) -> None:
    """A worker of an earlier release writes rows and knows of nothing else."""
    workers = [writer(f"worker-{number}") for number in range(2)]
    await worked(clock, workers, 2)
    clock.now += 60
    await consolidating(database, workers[0]).consolidate()
    counted = await workers[0].received(NOON, NOON + 60)
    rows = tables.rows
    async with database.writing() as session:
        its = (rows.c.resolution == MINUTE, rows.c.bucket_start == NOON, rows.c.kind == "counts")
        found = await session.execute(select(rows).where(*its))
        row = dict(found.mappings().first() or {})
        await session.execute(insert(rows).values(row | {"writer": "earlier"}))
    assert await workers[0].received(NOON, NOON + 60) > counted


async def test_consolidated_rows_expire_with_the_rows_they_are_made_of(
    writer: Made, clock: Clock, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Five days of empty minutes need not be caught up with.
    monkeypatch.setattr(consolidation, "BUCKETS_IN_A_ROUND", 10)
    workers = [writer(f"worker-{number}") for number in range(2)]
    await worked(clock, workers, 3)
    clock.now += 60
    task = consolidating(database, workers[0])
    await task.consolidate()
    clock.now += 5 * DAY
    for _ in range(2):
        await task.consolidate()
    table = tables.consolidated
    async with database.reading() as session:
        starts = (
            await session.scalars(select(table.c.bucket_start).where(table.c.resolution == MINUTE))
        ).all()
    assert starts
    assert min(starts) >= (clock.now - 3 * DAY) // DAY * DAY


async def test_one_worker_alone_is_not_stored_twice(
    writer: Made, clock: Clock, database: Database
) -> None:
    worker = writer()
    await worked(clock, [worker], 10)
    await consolidating(database, worker).consolidate_many_writers()
    async with database.reading() as session:
        assert not (await session.execute(select(tables.consolidated))).all()


async def test_who_stands_still_in_the_middle_of_it_holds_nobody_up_for_long(
    postgresql_url: str, clock: Clock
) -> None:
    database = database_at(postgresql_url, pool_size=3, busy_seconds=2)
    worker = Writer(database, "worker", RollupSettings())
    await worker.rollups.flush()
    async with database.engine.connect() as stopped:
        taken = "SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"
        await stopped.execute(text(taken), {"key": LOCK})
        # Minutes that run are written meanwhile; consolidating is left to it.
        worker.receive()
        await worker.rollups.flush()
        assert await consolidating(database, worker).consolidate() == 0
        # Its transaction is ended by the server, and a minute that ends is written after all.
        clock.now += 60

        async def is_written() -> bool:
            with suppress(SQLAlchemyError, OSError):
                await worker.rollups.flush()
            return worker.rollups.health.is_up

        await eventually(is_written)
        await stopped.invalidate()
    assert await worker.received(NOON, NOON + 60) == 1
    await database.close()


async def test_nothing_is_consolidated_while_a_writer_is_in_the_middle_of_its_rows(
    postgresql_url: str, clock: Clock
) -> None:
    database = database_at(postgresql_url, pool_size=3, busy_seconds=60)
    workers = [Writer(database, name, RollupSettings()) for name in ("first", "second")]
    await worked(clock, workers, 2)
    clock.now += 60
    task = consolidating(database, workers[0])
    rows = tables.rows
    counted = await workers[0].received(NOON, NOON + 60)
    async with database.writing() as session:
        its = (rows.c.resolution == MINUTE, rows.c.bucket_start == NOON, rows.c.kind == "counts")
        found = (await session.execute(select(rows).where(*its))).mappings().first() or {}
        await session.execute(insert(rows).values(dict(found) | {"writer": "third"}))
        assert await task.consolidate() == 0
    assert await task.consolidate() > 0
    assert await workers[0].received(NOON, NOON + 60) > counted
    await database.close()


@pytest.mark.parametrize("seed", range(30 if LONG else 1))
async def test_whatever_happens_in_whatever_order_each_sms_is_counted_once(
    writer: Made, clock: Clock, database: Database, seed: int
) -> None:
    """Workers count, flush, stand still, are killed, settled and consolidated, and go on."""
    rng = random.Random(seed)
    reader = writer("reader")
    task = consolidating(database, reader)
    workers: list[tuple[Writer, list[int]]] = []
    flushed = 0
    for step in range(120 if LONG else 60):
        if len(workers) < 3:
            workers.append((writer(f"w{step}"), [0]))
        worker, unwritten = rng.choice(workers)
        match rng.randrange(8):
            case 0 | 1:
                count = rng.randrange(1, 5)
                worker.receive(count)
                worker.instruments.recorder.drain()
                unwritten[0] += count
            case 2 | 3:
                await worker.rollups.flush()
                flushed += unwritten[0]
                unwritten[0] = 0
            case 4:
                clock.now += rng.choice((1, 20, 60, 400))
                # As all workers do in turns; what is old is read from longer buckets.
                await reader.rollups.flush()
                await reader.store.settle(clock.now - DEAD_AFTER_SECONDS, COARSE)
            case 5 | 6:
                await task.consolidate()
            case _ if rng.random() < 0.3:
                # Killed: what it had not written is lost.
                workers.remove((worker, unwritten))
        found = await reader.received(NOON // DAY * DAY, NOON + 2 * DAY)
        assert found == flushed, f"step {step}"
    clock.now += HOUR
    await reader.rollups.flush()
    await reader.store.settle(clock.now - DEAD_AFTER_SECONDS, COARSE)
    assert {await stored(database, r) for r in tables.RESOLUTIONS} == {flushed}
    while await task.consolidate():
        pass
    for length in (60, 300, HOUR):
        end = int(clock.now) // length * length
        ranges = [(start, start + length) for start in range(NOON, end, length)]
        answers = await reader.rollups.read(ranges, METRICS)
        assert sum(totals.of(catalogue.SMS_RECEIVED).count for totals in answers) == flushed
