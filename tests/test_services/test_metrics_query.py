"""Questions about time: zones, days that are longer or shorter, relative times, steps."""

import itertools
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from app.core.errors import InvalidRequestError
from app.services import metrics_query as module
from app.services.measures import MEASURES
from app.services.metrics_query import RangeQuery, checked, edges, instant, midnight, monday

HOUR, DAY = 3600, 86400
RECEIVED = (MEASURES["sms.received"],)
UTC, BERLIN = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("zone", "now", "expected"),
    [
        ("UTC", "2026-11-23T13:37:42+00:00", "2026-11-23T00:00:00+00:00"),
        ("Europe/Berlin", "2026-11-22T23:30:00+00:00", "2026-11-22T23:00:00+00:00"),
        # The clock goes back in Berlin: the day has 25 hours.
        ("Europe/Berlin", "2026-10-25T22:59:00+00:00", "2026-10-24T22:00:00+00:00"),
        # Forward: 23 hours.
        ("Europe/Berlin", "2026-03-29T21:59:00+00:00", "2026-03-28T23:00:00+00:00"),
        # A day that begins at one o'clock, because the clock goes forward at midnight.
        ("America/Santiago", "2026-09-06T12:00:00+00:00", "2026-09-06T04:00:00+00:00"),
    ],
)
def test_a_day_begins_at_midnight_of_the_zone(zone: str, now: str, expected: str) -> None:
    assert midnight(at(now), ZoneInfo(zone)) == at(expected)


@pytest.mark.parametrize("day", range(23, 30))
def test_a_week_begins_on_monday(day: int) -> None:
    assert monday(at(f"2026-11-{day}T15:00:00+01:00"), BERLIN) == at("2026-11-23T00:00:00+01:00")


def test_the_week_of_a_time_change_begins_on_monday_too() -> None:
    assert monday(at("2026-10-25T20:00:00+01:00"), BERLIN) == at("2026-10-19T00:00:00+02:00")


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2026-10-24T00:00+02:00", "2026-10-27T00:00+01:00", [24, 25, 24]),
        ("2026-03-28T00:00+01:00", "2026-03-31T00:00+02:00", [24, 23, 24]),
        # Days that are cut by the range.
        ("2026-11-22T18:00+01:00", "2026-11-24T06:00+01:00", [6, 24, 6]),
    ],
)
def test_steps_of_days_are_local_days(start: str, end: str, hours: list[int]) -> None:
    bounds = edges(RangeQuery(RECEIVED, at(start), at(end), DAY), BERLIN)
    assert [(b - a) / HOUR for a, b in itertools.pairwise(bounds)] == hours


def test_other_steps_begin_at_their_multiples() -> None:
    bounds = edges(RangeQuery(RECEIVED, 3660, 4500, 300), UTC)
    assert bounds == [3660, 3900, 4200, 4500]
    assert edges(RangeQuery(RECEIVED, 60, 300), UTC) == [60, 300]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-11-23T12:00:00+00:00"),
        ("-6h", "2026-11-23T06:00:00+00:00"),
        ("-1w", "2026-11-16T12:00:00+00:00"),
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00+00:00"),
        # Without an offset it is the zone's.
        ("2026-11-23T10:00:00", "2026-11-23T09:00:00+00:00"),
        ("2026-11-23 10:00", "2026-11-23T09:00:00+00:00"),
        ("2026-11-23", "2026-11-22T23:00:00+00:00"),
        # A plus that nobody has encoded arrives as a space.
        ("2026-11-23T10:00:00 02:00", "2026-11-23T08:00:00+00:00"),
    ],
)
def test_instants(text: str, expected: str) -> None:
    assert instant(text, "from", at("2026-11-23T12:00:00+00:00"), BERLIN) == at(expected)


@pytest.mark.parametrize(
    "text", ["", "6h", "-6", "-6y", "-0m", "soon", "2026-13-01", "1e9", "-9999999h"]
)
def test_what_is_no_instant_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        instant(text, "from", 10**9, UTC)
    assert refused.value.field == "from"


def test_a_step_that_works_is_taken() -> None:
    query = RangeQuery(RECEIVED, 0, DAY, 60)
    assert checked(query, 60) is query


@pytest.mark.parametrize(
    ("days", "step", "finest", "measures", "smallest"),
    [
        (30, 60, 60, 1, "5m"),
        (90, 300, 3600, 1, "1h"),
        (400, 3600, 86400, 1, "1d"),
        # Many measures at once are many values.
        (7, 60, 60, len(MEASURES), "5m"),
    ],
)
def test_a_step_that_is_too_fine_is_refused_with_one_that_works(
    days: int, step: int, finest: int, measures: int, smallest: str
) -> None:
    several = tuple(MEASURES.values())[:measures]
    query = RangeQuery(several, 0, days * DAY, step)
    with pytest.raises(InvalidRequestError) as refused:
        checked(query, finest)
    assert refused.value.field == "step"
    assert f" is {smallest}," in refused.value.message
    seconds = module.duration(smallest, "step")
    assert checked(RangeQuery(several, 0, days * DAY, seconds), finest).step == seconds
