"""A minute in which nobody counted is told apart from one in which nothing happened."""

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from app.api.overview_answer import overview_answer
from app.core import catalogue
from app.core.config import Settings
from app.core.database import Database
from app.schemas.metrics import MetricsAnswer
from app.services.metrics_report import MetricsReport
from app.services.rollups import counted_time
from app.services.rollups.tables import counted
from tests.clock import Clock
from tests.not_empty import not_empty
from tests.test_services.test_rollups.conftest import NOON, Writer
from tests.test_services.test_rollups.test_first_hours import nobody_waits

MINUTE, HOUR, DAY = 60, 3600, 86400

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def minutes_of(worker: Writer, start: int, minutes: int) -> list[int | None]:
    """What a chart shows: the SMS of each minute; None where it isn't known."""
    asked = [(start + n * MINUTE, start + (n + 1) * MINUTE) for n in range(minutes)]
    found = await worker.rollups.stored(asked, [catalogue.SMS_RECEIVED])
    return [
        totals.of(catalogue.SMS_RECEIVED).count if totals.complete else None for totals in found
    ]


async def overview(worker: Writer) -> MetricsAnswer:
    return await overview_answer(MetricsReport(Settings(), worker.rollups, nobody_waits))


async def run_for(worker: Writer, clock: Clock, minutes: int, *, texts: int) -> None:
    """Let it count for whole minutes, with so many SMS in each."""
    await worker.rollups.flush()
    for _ in range(minutes):
        worker.receive(texts)
        await worker.rollups.flush()
        clock.now += MINUTE
    await worker.rollups.flush()


async def test_a_clock_set_an_hour_ahead_leaves_an_hour_that_nobody_knows(
    writer: Callable[..., Writer], clock: Clock
) -> None:
    worker = writer()
    await run_for(worker, clock, 3, texts=30)
    clock.set(by=HOUR)
    await run_for(worker, clock, 2, texts=30)
    clock.now += 5

    found = await overview(worker)

    assert found.throughput
    assert found.throughput.per_hour is None
    assert found.throughput.per_day is None
    assert found.throughput.per_minute == 30
    assert found.last_hour
    assert found.last_hour.sms_received == 60
    assert found.coverage
    assert found.coverage.last_hour == pytest.approx(125 / (59 * 60 + 5), abs=0.001)
    shown = await minutes_of(worker, int(clock.now) - 5 - HOUR, 61)
    assert shown[:-3] == [None] * 58
    assert shown[-3:] == [30, 30, 0]


async def test_while_the_service_is_down_nobody_reads_that_nobody_texts(
    writer: Callable[..., Writer], clock: Clock
) -> None:
    first = writer()
    await run_for(first, clock, 10, texts=12)
    await run_for(first, clock, 10, texts=0)
    await first.rollups.finish()
    clock.now += 20 * MINUTE
    await run_for(again := writer("again"), clock, 25, texts=12)

    shown = await minutes_of(again, NOON, 65)
    assert shown == [*[12] * 10, *[0] * 10, *[None] * 20, *[12] * 25]
    found = await overview(again)
    assert found.throughput
    assert found.throughput.per_hour is None
    assert found.coverage
    assert found.coverage.last_hour == pytest.approx(39 / 59, abs=0.01)


async def test_a_killed_service_has_counted_until_its_last_word(
    writer: Callable[..., Writer], clock: Clock
) -> None:
    await run_for(writer(), clock, 3, texts=1)
    clock.now += 5 * MINUTE
    await run_for(again := writer("again"), clock, 2, texts=1)
    expected = [1, 1, 1, *[None] * 5, 1, 1]
    assert await minutes_of(again, NOON, 10) == expected
    await again.store.settle(clock.now - 30, [300])
    assert await minutes_of(again, NOON, 10) == expected


async def test_a_short_restart_leaves_the_hour_known(
    writer: Callable[..., Writer], clock: Clock
) -> None:
    await run_for(writer(), clock, 30, texts=1)
    clock.now += 6
    await run_for(again := writer("again"), clock, 34, texts=1)
    found = await overview(again)
    assert found.throughput
    assert found.throughput.per_hour == 60


async def test_a_process_that_stood_still_has_not_counted(
    writer: Callable[..., Writer], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted_time, "STANDS_STILL_SECONDS", 90.0)
    await run_for(worker := writer(), clock, 2, texts=1)
    clock.now += 5 * MINUTE
    await run_for(worker, clock, 2, texts=1)
    assert await minutes_of(worker, NOON, 9) == [1, 1, *[None] * 5, 1, 1]


async def test_a_process_that_waits_for_its_store_has_counted(
    writer: Callable[..., Writer], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted_time, "STANDS_STILL_SECONDS", 90.0)
    await run_for(worker := writer(), clock, 2, texts=1)
    for _ in not_empty(range(5)):
        worker.receive()
        clock.now += MINUTE
    worker.receive()
    await worker.rollups.flush()
    assert await minutes_of(worker, NOON, 8) == [1] * 8


async def test_minutes_that_the_clock_passes_twice_are_told_as_neither(
    writer: Callable[..., Writer], clock: Clock
) -> None:
    await run_for(worker := writer(), clock, 20, texts=3)
    clock.set(by=-5 * MINUTE)
    await run_for(worker, clock, 2, texts=3)
    found = await overview(worker)
    assert found.last_hour is None
    assert found.complete is False
    assert found.health
    assert found.health.status == "unknown"

    await run_for(worker, clock, 13, texts=3)

    shown = await minutes_of(worker, NOON, 30)
    assert shown == [*[3] * 15, *[None] * 5, *[3] * 10]
    # The whole of it is known: 35 minutes were counted within 30.
    (whole,) = await worker.rollups.stored([(NOON, NOON + 30 * MINUTE)], [catalogue.SMS_RECEIVED])
    assert whole.complete
    assert whole.of(catalogue.SMS_RECEIVED).count == 105
    assert whole.counted_seconds == 35 * MINUTE


async def test_a_clock_that_was_wrong_for_some_minutes_hides_these_only(
    writer: Callable[..., Writer], clock: Clock
) -> None:
    await run_for(worker := writer(), clock, 5, texts=3)
    clock.set(by=HOUR)
    await run_for(worker, clock, 2, texts=3)
    clock.set(by=-HOUR)
    await run_for(worker, clock, 3, texts=3)
    found = await overview(worker)
    assert found.complete
    assert found.last_hour
    assert found.last_hour.sms_received == 24
    await run_for(worker, clock, 60, texts=3)
    assert await minutes_of(worker, NOON + HOUR, 10) == [*[3] * 5, None, None, *[3] * 3]


async def test_a_service_that_starts_before_what_was_counted_doesn_t_count_it_twice(
    writer: Callable[..., Writer], clock: Clock
) -> None:
    first = writer()
    await run_for(first, clock, 10, texts=3)
    await first.rollups.finish()
    clock.set(by=-5 * MINUTE)
    await run_for(again := writer("again"), clock, 10, texts=3)
    assert await minutes_of(again, NOON, 15) == [*[3] * 5, *[None] * 5, *[3] * 5]


async def test_workers_that_follow_one_another_leave_nothing_unknown(
    writer: Callable[..., Writer], clock: Clock
) -> None:
    first, second = writer(), writer("second")
    await run_for(first, clock, 5, texts=1)
    await run_for(second, clock, 1, texts=1)
    await first.rollups.finish()
    await run_for(second, clock, 5, texts=1)
    assert None not in await minutes_of(second, NOON, 11)


async def test_minutes_that_were_lost_are_not_told_as_quiet_ones(
    writer: Callable[..., Writer], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = writer(max_unwritten_minutes=3)
    await run_for(worker, clock, 2, texts=1)
    write = worker.store.write

    async def refuse(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(worker.store, "write", refuse)
    for _ in not_empty(range(8)):
        worker.receive()
        clock.now += MINUTE
        with pytest.raises(OSError, match="gone"):
            await worker.rollups.flush()
    monkeypatch.setattr(worker.store, "write", write)
    await run_for(worker, clock, 1, texts=1)
    shown = await minutes_of(worker, NOON, 11)
    assert shown == [1, 1, *[None] * 5, 1, 1, 1, 1]


async def test_a_rate_is_over_the_time_that_was_counted(
    writer: Callable[..., Writer], clock: Clock
) -> None:
    clock.now += 30
    worker = writer()
    worker.receive(10)
    await worker.rollups.flush()
    clock.now += 20
    (totals,) = await worker.rollups.stored([(NOON, NOON + MINUTE)], [catalogue.SMS_RECEIVED])
    assert totals.counted_seconds == 20
    assert totals.coverage == pytest.approx(20 / 50)


async def test_what_was_counted_by_many_is_kept_as_one_stretch(
    writer: Callable[..., Writer], clock: Clock, database: Database
) -> None:
    for number in not_empty(range(6)):
        await run_for(each := writer(f"w{number}"), clock, 10, texts=1)
        await each.rollups.finish()
        clock.now += 5 * MINUTE * (number == 3)
    shown = await minutes_of(reader := writer("reader"), NOON, 65)
    clock.now += 2 * HOUR
    await asyncio.gather(*(reader.store.join_counted(kept_since=0) for _ in range(2)))
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(counted)) == 2
    assert await minutes_of(reader, NOON, 65) == shown
    assert shown.count(None) == 5
    await reader.store.join_counted(kept_since=clock.now)
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(counted)) == 0
