"""Writing: exact over writers, repeated flushes, restarts, killed writers and moved clocks."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, text

from app.core import catalogue
from app.core.config import RollupSettings
from app.core.database import Database
from app.migrations import ROLLUPS
from app.services.rollups import rollups, tables
from app.services.rollups.buckets import unpacked
from app.services.rollups.rollups import COARSE, SETTLED_WITHIN_SECONDS
from tests.clock import Clock
from tests.test_services.test_rollups.conftest import METRICS, NOON, Writer

Made = Callable[..., Writer]
HOUR, DAY = 3600, 86400


async def stored(database: Database, resolution: int) -> int:
    """How many SMS the rows of one resolution hold, over all writers and buckets."""
    rows, names = tables.rows, tables.series_names
    async with database.reading() as session:
        number = await session.scalar(
            select(names.c.id).where(names.c.name == catalogue.SMS_RECEIVED.name)
        )
        found = await session.execute(select(rows).where(rows.c.resolution == resolution))
        return sum(
            cell.count for row in found.mappings() for n, cell in unpacked(row) if n == number
        )


async def test_writers_are_added_up_and_a_repeated_flush_counts_once(
    writer: Made, clock: Clock
) -> None:
    first, second = writer("first"), writer("second")
    for _ in range(3):
        first.receive()
        second.receive(2)
        await first.rollups.flush()
        await second.rollups.flush()
    await first.rollups.flush()
    assert await first.received(NOON, NOON + 60) == 9


async def test_workers_that_start_together_create_the_tables_once(
    empty_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "STORE_SECONDS", 60)
    workers = [Writer(empty_database, str(number), RollupSettings()) for number in range(5)]
    await asyncio.gather(*(worker.rollups.flush() for worker in workers))
    async with empty_database.reading() as session:
        (await session.execute(text(f"SELECT * FROM {ROLLUPS.version_table}"))).one()
        assert len((await session.scalars(select(tables.writers.c.id))).all()) == 5


async def test_every_resolution_holds_the_same(
    writer: Made, clock: Clock, database: Database
) -> None:
    worker = writer()
    for _ in range(3 * 60):
        worker.receive(7)
        clock.now += 60
        if clock.now % 300 == 0:
            await worker.rollups.flush()
    await worker.rollups.finish()
    assert {await stored(database, r) for r in tables.RESOLUTIONS} == {3 * 60 * 7}
    assert await worker.received(NOON, NOON + 3 * HOUR) == 3 * 60 * 7
    assert await worker.received(NOON + HOUR, NOON + 2 * HOUR) == 60 * 7


async def test_a_range_cuts_exactly_at_its_minutes(writer: Made, clock: Clock) -> None:
    start = NOON - 2 * DAY
    clock.now = start
    worker = writer(max_unwritten_minutes=2 * 24 * 60)
    for _ in range(2 * 24 * 60):
        worker.receive()
        clock.now += 60
    await worker.rollups.finish()
    for begin, end in ((0, 2880), (7, 2873), (59, 61), (1433, 1447), (61, 62)):
        assert await worker.received(start + begin * 60, start + end * 60) == end - begin


async def test_a_restart_goes_on(writer: Made, clock: Clock, database: Database) -> None:
    before = writer("before")
    before.receive(4)
    await before.rollups.finish()
    clock.now += 10
    after = writer("after")
    after.receive(5)
    await after.rollups.finish()
    assert await after.received(NOON, NOON + 60) == 9
    assert {await stored(database, r) for r in tables.RESOLUTIONS} == {9}


async def test_a_killed_writer_is_settled_and_counts_once(
    writer: Made, clock: Clock, database: Database
) -> None:
    killed, other = writer("killed"), writer("other")
    killed.receive(4)
    clock.now += 60
    killed.receive(5)
    await killed.rollups.flush()
    # Its last minute is in no coarse row; then it is gone.
    assert await stored(database, HOUR) == 4
    clock.now += SETTLED_WITHIN_SECONDS
    assert await other.received(NOON, NOON + 300) == 9
    for expected in (1, 0):
        assert await other.store.settle(clock.now - 30, COARSE) == expected
    assert {await stored(database, r) for r in tables.RESOLUTIONS} == {9}
    # It was only slow after all.
    killed.receive(6)
    await killed.rollups.finish()
    assert {await stored(database, r) for r in tables.RESOLUTIONS} == {15}


async def test_a_worker_that_resumes_after_it_was_settled_and_is_killed_counts_once(
    writer: Made, clock: Clock, database: Database
) -> None:
    stalled, other = writer("stalled"), writer("other")
    stalled.receive(10)
    await stalled.rollups.flush()
    # It says nothing for so long that another one ends it, and goes on in the same minute.
    clock.now += 40
    assert await other.store.settle(clock.now - 30, COARSE) == 1
    stalled.receive(1)
    await stalled.rollups.flush()
    clock.now += 40
    for expected in (1, 0):
        assert await other.store.settle(clock.now - 30, COARSE) == expected
    assert {await stored(database, r) for r in tables.RESOLUTIONS} == {11}


@pytest.mark.parametrize("back", [1.0, 60.0, 3600.0])
async def test_a_clock_set_back_loses_and_repeats_nothing(
    writer: Made, clock: Clock, database: Database, back: float
) -> None:
    worker = writer()
    for _ in range(3):
        worker.receive(5)
        clock.now += 60
        await worker.rollups.flush()
    clock.now -= back
    for _ in range(3):
        worker.receive(5)
        clock.now += 60
        await worker.rollups.flush()
    await worker.rollups.finish()
    assert {await stored(database, r) for r in tables.RESOLUTIONS} == {30}


async def test_a_gauge_is_added_over_workers_and_averaged_over_time(
    writer: Made, clock: Clock
) -> None:
    workers = [writer("first"), writer("second")]
    for second in range(120):
        clock.now = NOON + second
        for worker, in_flight in zip(workers, (2, 6), strict=True):
            worker.instruments.gauge(catalogue.SMS_IN_FLIGHT).series().note(in_flight)
            worker.instruments.gauge(catalogue.APPROVAL_QUEUE_LENGTH).series().note(in_flight)
    for worker in workers:
        await worker.rollups.finish()
    (totals,) = await workers[0].rollups.read([(NOON, NOON + 120)], METRICS)
    in_flight, queue = (
        totals.of(metric) for metric in (catalogue.SMS_IN_FLIGHT, catalogue.APPROVAL_QUEUE_LENGTH)
    )
    assert (in_flight.mean, in_flight.maximum, in_flight.count) == (8, 8, 120)
    # Every worker sees the same queue: it is not added up.
    assert (queue.mean, queue.maximum) == (4, 6)


async def test_labels_are_told_apart_and_added_up(writer: Made, clock: Clock) -> None:
    worker = writer()
    worker.process(1.0, 2.0, route="auto_sent")
    worker.process(5.0, route="failed")
    (totals,) = await worker.rollups.read([(NOON, NOON + 60)], METRICS)
    metric = catalogue.SMS_PROCESSING_DURATION
    assert totals.of(metric).count == 3
    assert totals.of(metric).sum == 8
    assert totals.of(metric, route="failed").mean == 5
    assert {route: total.count for route, total in totals.by(metric, "route").items()} == {
        "auto_sent": 2,
        "failed": 1,
    }
    assert totals.of(metric, route="queued").mean is None


async def test_live_writers_tell_their_state(writer: Made, clock: Clock) -> None:
    first, second = writer("first"), writer("second")
    await first.rollups.flush()
    clock.now += 100
    await second.rollups.flush()
    (alive,) = await second.rollups.writers()
    assert alive.state == {"name": "second"}
    assert alive.last_seen == clock.now


async def test_many_ranges_are_answered_at_once(writer: Made, clock: Clock) -> None:
    worker = writer()
    for minute in range(10):
        worker.receive(minute)
        clock.now += 60
    answers = await worker.rollups.read(
        [(NOON + m * 60, NOON + (m + 1) * 60) for m in range(10)] + [(NOON, NOON + 600)], METRICS
    )
    counts = [totals.of(catalogue.SMS_RECEIVED).count for totals in answers]
    assert counts == [*range(10), 45]


async def test_a_clock_set_back_in_a_running_minute_counts_it_once(
    writer: Made, clock: Clock, database: Database
) -> None:
    worker, other = writer("worker"), writer("other")
    worker.receive(5)
    await worker.rollups.flush()
    worker.receive(2)
    clock.now -= HOUR
    worker.instruments.recorder.drain()
    worker.receive(3)
    await worker.rollups.finish()
    clock.now += 2 * HOUR
    await other.store.settle(clock.now - 30, COARSE)
    assert {await stored(database, r) for r in tables.RESOLUTIONS} == {10}


async def test_a_series_first_counted_while_a_flush_runs_is_in_the_next(
    writer: Made, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = writer()
    worker.process(1.0, route="auto_sent")
    write = worker.store.write

    async def scraped(*args: Any) -> None:
        worker.process(2.0, route="queued")
        worker.instruments.recorder.drain()
        await write(*args)

    with monkeypatch.context() as patched:
        patched.setattr(worker.store, "write", scraped)
        await worker.rollups.flush()
    (totals,) = await worker.rollups.read([(NOON, NOON + 60)], METRICS)
    found = totals.by(catalogue.SMS_PROCESSING_DURATION, "route")
    assert {route: total.sum for route, total in found.items()} == {"auto_sent": 1, "queued": 2}


async def test_what_is_no_number_costs_nothing_else(writer: Made, clock: Clock) -> None:
    worker = writer()
    worker.process(float("nan"), route="failed")
    worker.receive(3)
    worker.process(1.0, route="queued")
    (totals,) = await worker.rollups.read([(NOON, NOON + 60)], METRICS)
    assert totals.of(catalogue.SMS_RECEIVED).count == 3
    assert totals.of(catalogue.SMS_PROCESSING_DURATION).count == 1


async def test_a_gauge_keeps_its_level_over_a_restart(writer: Made, clock: Clock) -> None:
    metric = catalogue.SMS_IN_FLIGHT
    for name in ("before", "after"):
        worker = writer(name)
        for _ in range(HOUR // 2):
            worker.instruments.gauge(metric).series().note(4.0)
            clock.now += 1
        await worker.rollups.finish()
    clock.now += HOUR
    (totals,) = await worker.rollups.read([(NOON, NOON + HOUR)], METRICS)
    assert (totals.of(metric).mean, totals.of(metric).count) == (4.0, HOUR)


async def test_a_writer_that_ended_is_not_alive(writer: Made, clock: Clock) -> None:
    first, second = writer("first"), writer("second")
    await first.rollups.flush()
    await second.rollups.flush()
    await first.rollups.finish()
    assert [alive.state for alive in await second.rollups.writers()] == [{"name": "second"}]


async def test_writers_that_are_gone_are_forgotten(
    writer: Made, clock: Clock, database: Database
) -> None:
    for number in range(5):
        await writer(str(number)).rollups.flush()
    clock.now += HOUR
    assert await writer("other").store.settle(clock.now - 30, COARSE) == 5
    async with database.reading() as session:
        assert (await session.scalars(select(tables.writers.c.id))).all() == []
