"""Questions about time: zones, days that are longer or shorter, relative times, steps."""

import itertools
import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from app.core.errors import InvalidRequestError
from app.services.time_ranges import Duration, duration, edges, midnight, moment, monday, zone_named
from tests.not_empty import not_empty

HOUR = 3600
SEVEN, WEEK = Duration(7, "d"), Duration(1, "w")
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
    bounds = edges(at(start), at(end), Duration(1, "d"), BERLIN)
    assert [(b - a) / HOUR for a, b in itertools.pairwise(bounds)] == hours


def test_other_steps_begin_at_their_multiples() -> None:
    assert edges(3660, 4500, Duration(5, "m"), UTC) == [3660, 3900, 4200, 4500]
    assert edges(60, 300, None, UTC) == [60, 300]


def test_a_week_of_seven_days_begins_with_the_range_and_a_week_on_monday() -> None:
    start, end = at("2026-11-26T00:00+01:00"), at("2026-12-09T00:00+01:00")
    days = [datetime.fromtimestamp(e, BERLIN).day for e in edges(start, end, SEVEN, BERLIN)]
    assert days == [26, 3, 9]
    weeks = [datetime.fromtimestamp(e, BERLIN).day for e in edges(start, end, WEEK, BERLIN)]
    assert weeks == [26, 30, 7, 9]


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
        ("1795435200", "2026-11-23T12:00:00+00:00"),
        ("1795435200.5", "2026-11-23T12:00:00+00:00"),
        ("1795435200999", "2026-11-23T12:00:00+00:00"),
        # A plus that nobody has encoded arrives as a space.
        ("2026-11-23T10:00:00 02:00", "2026-11-23T08:00:00+00:00"),
    ],
)
def test_instants(text: str, expected: str) -> None:
    found = moment(text, "from", at("2026-11-23T12:00:00+00:00"), BERLIN)
    assert found.at == at(expected)
    assert found.is_given == (text != "now" and not text.startswith("-"))


@pytest.mark.parametrize(
    "text", ["", "6h", "-6", "-6y", "-0m", "soon", "2026-13-01", "1e9", "-9999999h"]
)
def test_what_is_no_instant_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        moment(text, "from", 10**9, UTC)
    assert refused.value.field == "from"


@pytest.mark.parametrize("text", ["-1h30m", "-6H", "-1y", "-5", "-0m", "-9999999h", "-"])
def test_a_time_before_now_is_refused_as_it_was_sent_with_advice_that_is_taken(text: str) -> None:
    now = at("2026-11-23T12:00:00+00:00")
    with pytest.raises(InvalidRequestError, match=re.escape(f"from={text!r}: ")) as refused:
        moment(text, "from", now, UTC)
    advised = not_empty(re.findall(r"-\d+[a-z]\b", str(refused.value).partition(": ")[2]))
    assert {moment(each, "from", now, UTC).at < now for each in advised} == {True}


@pytest.mark.parametrize("name", ["localtime", "Factory"])
def test_what_names_no_place_is_no_time_zone(name: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"use a name such as Europe/Berlin or UTC"):
        zone_named(name, "timezone")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-03-29T02:30", "skip this time; end it with +01:00 or +02:00"),
        ("2026-10-25T02:30", "show this time twice; end it with +02:00 or +01:00"),
    ],
)
def test_a_time_that_comes_twice_or_never_is_not_guessed(text: str, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=re.escape(said)) as refused:
        moment(text, "from", at("2026-11-23T12:00:00+00:00"), BERLIN)
    assert refused.value.field == "from"
    offset = said[-6:]
    assert moment(text + offset, "from", at("2026-11-23T12:00:00+00:00"), BERLIN).at > 0


def test_a_zone_has_its_name() -> None:
    assert zone_named("Europe/Berlin", "timezone") == BERLIN
    with pytest.raises(InvalidRequestError, match="did you mean Europe/Berlin") as refused:
        zone_named("Europe/Berlni", "timezone")
    assert refused.value.field == "timezone"
    assert str(duration("90m", "step")) == "90m"
