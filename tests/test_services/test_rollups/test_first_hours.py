"""After the first start: a rate over a time that was hardly counted is no rate."""

from collections.abc import Callable

import pytest

from app.api.overview_answer import overview_answer
from app.core.config import Settings
from app.schemas.metrics import Throughput
from app.services.backlog import Waiting
from app.services.metrics_report import MetricsReport
from tests.clock import Clock
from tests.test_services.test_rollups.conftest import NOON, Writer

MINUTE, HOUR, WEEK = 60, 3600, 7 * 86400

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def nobody_waits() -> Waiting:
    return Waiting()


async def throughput(writer: Writer) -> Throughput:
    report = MetricsReport(Settings(), writer.rollups, nobody_waits)
    found = (await overview_answer(report, ["throughput"])).throughput
    assert found
    return found


async def test_two_minutes_after_the_first_start_no_manager_reads_a_fraction_of_the_rate(
    writer: Callable[..., Writer], clock: Clock
) -> None:
    start = NOON + 10 * MINUTE
    clock.now = start + 40
    first = writer()
    first.receive(10)
    await first.rollups.flush()
    assert (await throughput(first)).per_minute is None
    for minute in (1, 2):
        clock.now = start + minute * MINUTE + 5
        first.receive(30)
        await first.rollups.flush()
    clock.now = start + 3 * MINUTE + 5
    assert (await throughput(first)).per_minute == 30


async def test_an_hour_that_was_counted_in_part_is_neither_a_rate_nor_what_is_usual(
    writer: Callable[..., Writer], clock: Clock
) -> None:
    clock.now = NOON + 40 * MINUTE
    first = writer()
    first.receive(90)
    await first.rollups.flush()
    clock.now = NOON + HOUR + 5 * MINUTE
    await first.rollups.flush()
    found = await throughput(first)
    assert (found.per_hour, found.per_day, found.deviation) == (None, None, None)
    clock.now += WEEK
    found = await throughput(first)
    assert (found.per_hour, found.baseline_per_hour) == (0, None)
