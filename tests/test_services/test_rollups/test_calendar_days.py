"""Days and weeks of a manager's calendar, counted in a real store: right, or refused with words."""

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from app.core.errors import InvalidRequestError
from app.services.measures import MEASURES
from app.services.metrics_ranges import MetricsRanges, Prepared, RangeQuery
from app.services.time_ranges import Duration, Moment, start_of_day
from tests.clock import Clock
from tests.test_services.test_rollups.conftest import NOON, Writer

DAY, HOUR = 86400, 3600
COUNTED, TIMED = MEASURES["sms.received"], MEASURES["sms.processed"]
Made = Callable[..., Writer]

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def hourly(writer: Made, clock: Clock, start: int, end: int) -> Writer:
    """One SMS an hour, received and processed."""
    clock.now = start // HOUR * HOUR
    worker = writer(max_unwritten_minutes=100_000)
    for hour in range(start // HOUR * HOUR, end, HOUR):
        clock.now = hour
        worker.receive()
        worker.process(1.0)
    clock.now = end
    await worker.rollups.finish()
    clock.now = NOON
    return worker


def days(measure: object, zone: str, start: str, end: str, step: Duration) -> RangeQuery:
    named = ZoneInfo(zone)
    first, last = (
        Moment(start_of_day(datetime.fromisoformat(day).date(), named), day, name)
        for day, name in ((start, "from"), (end, "to"))
    )
    return RangeQuery((measure,), first, last, named, step)  # type: ignore[arg-type]


async def values(ranges: MetricsRanges, asked: Prepared) -> list[float | None]:
    return [step.value.value for some in [s async for s in ranges.rows(asked)] for step in some]


async def test_old_days_of_berlin_are_refused_and_never_read_as_nothing(
    writer: Made, clock: Clock
) -> None:
    worker = await hourly(writer, clock, NOON - 125 * DAY, NOON - 90 * DAY)
    ranges = MetricsRanges(worker.rollups)
    asked = days(TIMED, "Europe/Berlin", "2026-07-26", "2026-08-26", Duration(1, "d"))
    with pytest.raises(InvalidRequestError) as refused:
        await ranges.prepared(asked)
    assert refused.value.field == "step"
    assert "from=2026-08-15T22:00Z" in refused.value.message
    assert "timezone=UTC" in refused.value.message
    # What the refusal names works, and is right.
    later = days(TIMED, "Europe/Berlin", "2026-08-16", "2026-08-20", Duration(1, "d"))
    assert await values(ranges, await ranges.prepared(later)) == [24, 24, 24, 24]
    utc = days(TIMED, "UTC", "2026-07-26", "2026-07-28", Duration(1, "d"))
    assert await values(ranges, await ranges.prepared(utc)) == [24, 24]
    total = RangeQuery((TIMED,), asked.start, asked.end, asked.zone)
    with pytest.raises(InvalidRequestError, match="2026-07-25T00:00Z or 2026-07-26T00:00Z"):
        await ranges.prepared(total)


@pytest.mark.parametrize(
    ("zone", "start", "end", "hours"),
    [
        # The clock skips midnight on 6 September: that day has 23 hours, all others 24.
        ("America/Santiago", "2026-09-04", "2026-09-09", [24, 24, 23, 24, 24]),
        ("Europe/Berlin", "2026-10-23", "2026-10-27", [24, 24, 25, 24]),
    ],
)
async def test_days_are_those_of_the_calendar(
    writer: Made, clock: Clock, zone: str, start: str, end: str, hours: list[int]
) -> None:
    began = int(datetime.fromisoformat(start).timestamp()) - 2 * DAY
    worker = await hourly(writer, clock, began, began + 10 * DAY)
    ranges = MetricsRanges(worker.rollups)
    asked = await ranges.prepared(days(COUNTED, zone, start, end, Duration(1, "d")))
    assert await values(ranges, asked) == hours


async def test_a_week_before_is_a_week_of_the_calendar(writer: Made, clock: Clock) -> None:
    began = int(datetime.fromisoformat("2026-10-18T00:00+00:00").timestamp())
    worker = await hourly(writer, clock, began, began + 14 * DAY)
    ranges, zone = MetricsRanges(worker.rollups), ZoneInfo("Europe/Berlin")
    monday, tuesday = (
        Moment(start_of_day(datetime(2026, 10, day).date(), zone), "given", name)
        for day, name in ((26, "from"), (27, "to"))
    )
    asked = RangeQuery((COUNTED,), monday, tuesday, zone, compare=Duration(1, "w"))
    prepared = await ranges.prepared(asked)
    assert prepared.compared == tuple(
        start_of_day(datetime(2026, 10, day).date(), zone) for day in (19, 20)
    )
    (found,) = (await ranges.answer(prepared)).measures
    assert found.compared is not None
    assert (found.values[0].value, found.compared[0].value) == (24, 24)
