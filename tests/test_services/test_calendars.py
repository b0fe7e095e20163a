"""Calendars in every zone whose clocks have changed within ten years, at every one of the changes.

The reference is the zone itself, asked minute by minute around each change: nothing here is worked
out the way the service does it.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest

from app.services.time_ranges import (
    Duration,
    clock_hour,
    days_earlier,
    edges,
    midnight,
    monday,
    start_of_day,
)
from tests.not_empty import not_empty

HOUR, DAY, WEEK = 3600, 86400, 7 * 86400
SINCE, UNTIL = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2016, 2027))


def local(timestamp: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(timestamp, zone)


@cache
def changes(name: str) -> tuple[int, ...]:
    """When the clocks of a zone changed, Unix seconds."""
    zone, found = ZoneInfo(name), []
    weeks = range(SINCE, UNTIL, WEEK)
    offsets = [local(week, zone).utcoffset() for week in weeks]
    for (low, high), (before, after) in zip(pairwise(weeks), pairwise(offsets), strict=True):
        if before == after:
            continue
        while high - low > 60:
            middle = (low + high) // 120 * 60
            if local(middle, zone).utcoffset() == before:
                low = middle
            else:
                high = middle
        found.append(high)
    return tuple(found)


@cache
def zones() -> tuple[str, ...]:
    """One name for each history of changes: most names are aliases of another."""
    by_history: dict[tuple[object, ...], str] = {}
    for name in sorted(available_timezones()):
        if changes(name):
            history = (changes(name), local(SINCE, ZoneInfo(name)).utcoffset())
            by_history.setdefault(history, name)
    return tuple(by_history.values())


def around(name: str) -> Iterator[tuple[ZoneInfo, int]]:
    for change in changes(name):
        yield ZoneInfo(name), change


def test_there_are_zones_to_look_at() -> None:
    assert len(zones()) > 60
    named = {"America/Santiago", "Australia/Lord_Howe", "Europe/Berlin"}
    assert all(changes(name) for name in named)


def test_every_local_day_begins_with_its_first_minute() -> None:
    for name in not_empty(zones()):
        for zone, change in not_empty(around(name)):
            first: dict[date, int] = {}
            for minute in range((change - DAY) // 900 * 900, change + DAY, 900):
                first.setdefault(local(minute, zone).date(), minute)
            days = sorted(first)[1:]
            for day in not_empty(days):
                start = start_of_day(day, zone)
                assert start == first[day], (name, day)
                assert local(start, zone).date() == day
                assert local(start - 1, zone).date() < day
                assert midnight(start, zone) == midnight(start + 7 * HOUR, zone) == start


def test_days_follow_one_another_without_a_gap_or_a_shift() -> None:
    for name in not_empty(zones()):
        for zone, change in not_empty(around(name)):
            start = midnight(change - 3 * DAY, zone)
            bounds = edges(start, start + 7 * DAY, Duration(1, "d"), zone)
            for begin, end in not_empty(pairwise(bounds[:-1])):
                assert local(begin, zone).date() + timedelta(days=1) == local(end, zone).date()
                assert local(end - 1, zone).date() == local(begin, zone).date(), name


def test_weeks_begin_on_monday_at_the_first_minute_of_it() -> None:
    for name in not_empty(zones()):
        for zone, change in not_empty(around(name)):
            bounds = edges(change - 10 * DAY, change + 17 * DAY, Duration(1, "w"), zone)
            assert len(bounds) >= 5
            for begin in not_empty(bounds[1:-1]):
                assert local(begin, zone).weekday() == 0, name
                assert local(begin - 1, zone).weekday() == 6
                assert monday(begin + 3 * DAY, zone) == begin


def test_a_week_ago_is_the_same_hour_of_the_local_clock() -> None:
    for name in not_empty(zones()):
        for zone, change in not_empty(around(name)):
            for hours in (-30, -5, 30, 100, 160):
                hour = clock_hour(change + hours * HOUR, zone)
                assert (local(hour, zone).minute, local(hour, zone).second) == (0, 0), name
                earlier = days_earlier(hour, 7, zone)
                if abs(earlier - change) > 2 * HOUR and abs(hour - change) > 2 * HOUR:
                    then, now = local(earlier, zone), local(hour, zone)
                    assert then.replace(tzinfo=None) == (now - timedelta(days=7)).replace(
                        tzinfo=None
                    ), name


@pytest.mark.parametrize(
    ("zone", "now", "hours"),
    [
        # The clock went back on 25 October: the same hour a week before is 169 hours ago.
        ("Europe/Berlin", "2026-10-27T12:00+01:00", 169),
        ("Europe/Berlin", "2026-10-20T12:00+02:00", 168),
        ("Asia/Kolkata", "2026-11-23T12:30+05:30", 168),
    ],
)
def test_how_long_a_week_is(zone: str, now: str, hours: int) -> None:
    timestamp = int(datetime.fromisoformat(now).timestamp())
    assert (timestamp - days_earlier(timestamp, 7, ZoneInfo(zone))) / HOUR == hours
