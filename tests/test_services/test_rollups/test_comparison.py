"""A range beside the same range earlier: both exact, whatever is still kept of the earlier one."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

import pytest

from app.core.errors import InvalidRequestError
from app.services.measures import MEASURES
from app.services.range_figures import RangeFigures
from app.services.range_queries import RangePlanner, RangeQuery
from app.services.rollups import Rollups
from app.services.time_ranges import Duration, Moment
from tests.clock import Clock
from tests.test_services.test_rollups.conftest import NOON, Writer

HOUR, WEEK = 3600, 7 * 86400
RECEIVED = (MEASURES["sms.received"],)


@pytest.fixture
async def rollups(writer: Callable[..., Writer], clock: Clock) -> Rollups:
    """One SMS a minute for three hours around noon a week ago, two a minute until now."""
    clock.now = NOON - WEEK - 2 * HOUR
    worker = writer(max_unwritten_minutes=1000)
    for _ in range(180):
        worker.receive()
        clock.now += 60
    await worker.rollups.flush()
    clock.now = NOON - 2 * HOUR
    for _ in range(137):
        worker.receive(2)
        clock.now += 60
    await worker.rollups.finish()
    # An odd minute: of a week ago only buckets of five are kept.
    return worker.rollups


def query(start: int, compare: Duration) -> RangeQuery:
    now = NOON + 17 * 60
    return RangeQuery(RECEIVED, Moment(start), Moment(now), ZoneInfo("UTC"), compare=compare)


@pytest.mark.parametrize("length", [HOUR, 90 * 60, 2 * HOUR])
async def test_both_are_exact_and_of_one_length(rollups: Rollups, length: int) -> None:
    asked = await RangePlanner(rollups).prepared(query(NOON + 17 * 60 - length, Duration(1, "w")))
    assert asked.start % 300 == asked.end % 300 == 0
    found = await RangeFigures(rollups).read(asked)
    minutes = (asked.end - asked.start) // 60
    assert length // 60 - 5 < minutes < length // 60 + 5
    (metric,) = asked.metrics
    assert found.whole.of(metric).count == 2 * minutes
    assert found.compared is not None
    assert found.compared.of(metric).count == minutes


async def test_too_little_to_compare_with_is_said(rollups: Rollups) -> None:
    with pytest.raises(InvalidRequestError, match="compare=1000d") as refused:
        await RangePlanner(rollups).prepared(query(NOON - HOUR, Duration(1000, "d")))
    assert refused.value.field == "compare"
