"""Time as it is asked for: durations, moments, calendar days and weeks, steps.

Everything about ranges of time is decided here, by calendar arithmetic in a zone. Which stored
buckets fill a range is `app.services.rollups.coverage`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from zoneinfo import ZoneInfo

from app.core.errors import InvalidRequestError
from app.core.time_zones import time_zones
from asgi_observability.nearest import did_you_mean

MINUTE, HOUR, DAY = 60, 3600, 86400

OLDEST = 946_684_800
"""2000-01-01: before it there is nothing, and calendars get strange."""

_DURATION = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_DAYS = {"d": 1, "w": 7}
_UNIX = re.compile(r"(\d{9,10}|\d{12,13})(\.\d+)?")
_WAYS = "use ISO 8601 such as 2026-11-23T12:00:00Z, Unix time, now, or a time before now such as"


@dataclass(frozen=True, slots=True)
class Duration:
    """A number of seconds, minutes, hours, days or weeks.

    Days and weeks are those of the calendar: where clocks change they have 23 or 25 hours.
    """

    count: int
    unit: str

    @property
    def seconds(self) -> int:
        """Its usual length."""
        return self.count * _SECONDS[self.unit]

    @property
    def is_calendar(self) -> bool:
        """Whether it is in days or weeks."""
        return self.unit in _DAYS

    def before(self, timestamp: int, zone: ZoneInfo) -> int:
        """The moment that is earlier by this: of days and weeks, at the same local time."""
        if not self.is_calendar:
            return timestamp - self.seconds
        return days_earlier(timestamp, self.count * _DAYS[self.unit], zone)

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, Unix seconds.

    ``text`` is how it was asked for and ``field`` in which parameter; None for a default.

    A time relative to now means "about then": it may be moved to where figures are kept. One that
    was given is meant.
    """

    at: int
    text: str | None = None
    field: str | None = None

    @property
    def is_given(self) -> bool:
        """Whether it is a time of day that somebody has named."""
        return self.text is not None and self.text != "now" and not self.text.startswith("-")


def duration(text: str, field: str) -> Duration:
    """What ``90s``, ``5m``, ``6h``, ``1d`` or ``1w`` says. Raises InvalidRequestError."""
    if (found := _duration(text)) is None:
        raise InvalidRequestError(
            f"{field}={text[:40]!r}: use a number and s, m, h, d or w, such as 5m or 1w", field
        )
    return found


def _duration(text: str) -> Duration | None:
    match = _DURATION.fullmatch(text)
    return Duration(int(match[1]), match[2]) if match and int(match[1]) else None


def moment(text: str, field: str, now: int, zone: ZoneInfo) -> Moment:
    """ISO 8601, Unix seconds or milliseconds, ``-6h`` before ``now``, or ``now``.

    ISO times without an offset are in ``zone``. Raises InvalidRequestError.
    """
    if text == "now":
        return Moment(now, text, field)
    if text.startswith("-"):
        if (before := _duration(text[1:])) is None:
            raise InvalidRequestError(
                f"{field}={text[:40]!r}: use a minus, one number and one of s, m, h, d or w, "
                "such as -90m or -6h",
                field,
            )
        return Moment(max(OLDEST, now - before.seconds), text, field)
    seconds = _unix(text) if _UNIX.fullmatch(text) else _iso(text, field, zone)
    if not OLDEST <= seconds <= now + 366 * DAY:
        raise InvalidRequestError(
            f"{field}={text[:40]!r}: use a time from the year 2000 to a year from now", field
        )
    return Moment(seconds, text, field)


def _unix(text: str) -> int:
    whole = text.partition(".")[0]
    return int(whole) // 1000 if len(whole) > 10 else int(whole)


def _iso(text: str, field: str, zone: ZoneInfo) -> int:
    try:
        # A "+" that nobody has encoded arrives as a space.
        parsed = datetime.fromisoformat(re.sub(r" (?=\d\d:?\d\d$)", "+", text, count=1))
        if parsed.tzinfo is None:
            _check_once(parsed, f"{field}={text[:40]!r}", field, zone)
            parsed = parsed.replace(tzinfo=zone)
        return int(parsed.timestamp())
    except (ValueError, OverflowError):
        raise InvalidRequestError(f"{field}={text[:40]!r}: {_WAYS} -6h", field) from None


def _check_once(time: datetime, given: str, field: str, zone: ZoneInfo) -> None:
    """Refuse a local time that the clocks skip or show twice. Raises InvalidRequestError."""
    offsets = [time.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1)]
    if offsets[0] == offsets[1]:
        return
    # With a skipped hour, the first offset is the one before the change.
    skipped = (offsets[0] or timedelta()) < (offsets[1] or timedelta())
    what = "skip this time" if skipped else "show this time twice"
    written = [time.replace(tzinfo=zone, fold=fold).isoformat()[-6:] for fold in (0, 1)]
    raise InvalidRequestError(
        f"{given}: the clocks of {zone} {what}; end it with {written[0]} or {written[1]}", field
    )


def zone_named(name: str, field: str) -> ZoneInfo:
    """The time zone, such as Europe/Berlin. Raises InvalidRequestError with the nearest name."""
    known = time_zones()
    if name not in known:
        hint = did_you_mean(name[:60], known, otherwise="use a name such as Europe/Berlin or UTC")
        raise InvalidRequestError(f"{field}={name[:60]!r}: unknown time zone; {hint}", field)
    return ZoneInfo(name)


# --- calendars; timestamps are Unix seconds ---


def start_of_day(day: date, zone: ZoneInfo) -> int:
    """The first second of a local day: its midnight, or what the clock shows where that is skipped.

    Of a day that a zone leaves out it is the beginning of the next.
    """
    first, second = (
        int(datetime.combine(day, time_of_day(fold=fold), zone).timestamp()) for fold in (0, 1)
    )
    if first <= second:  # Once, or twice: then the earlier.
        return first
    # The clock jumps over midnight: somewhere between the two the day begins.
    low, high = second, first
    while low < high:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).date() < day:
            low = middle + 1
        else:
            high = middle
    return low


def midnight(timestamp: int, zone: ZoneInfo) -> int:
    """The beginning of the local day."""
    return start_of_day(datetime.fromtimestamp(timestamp, zone).date(), zone)


def monday(timestamp: int, zone: ZoneInfo) -> int:
    """The beginning of the local week."""
    day = datetime.fromtimestamp(timestamp, zone).date()
    return start_of_day(day - timedelta(days=day.weekday()), zone)


def days_earlier(timestamp: int, days: int, zone: ZoneInfo) -> int:
    """The same local time, ``days`` earlier; what the clock shows next where that is skipped."""
    local = datetime.fromtimestamp(timestamp, zone)
    earlier = local.replace(tzinfo=None) - timedelta(days=days)
    if local.time() == time_of_day() or timestamp == midnight(timestamp, zone):
        return start_of_day(earlier.date(), zone)
    return int(earlier.replace(tzinfo=zone, fold=local.fold).timestamp())


def clock_hour(timestamp: int, zone: ZoneInfo) -> int:
    """The beginning of the hour that the local clock shows: in some zones at :30 or :45 UTC."""
    local = datetime.fromtimestamp(timestamp, zone)
    return timestamp - local.minute * MINUTE - local.second


def edges(start: int, end: int, step: Duration | None, zone: ZoneInfo) -> list[int]:
    """Where the steps of [start, end) begin, and where the last ends.

    Days begin at local midnight, weeks on Monday; all others at multiples of their length (UTC).
    """
    if step is None:
        inner: Iterator[int] = iter(())
    elif step.is_calendar:
        inner = _calendar_edges(start, end, step, zone)
    else:
        length = step.seconds
        inner = iter(range(start // length * length, end, length))
    return [start, *dict.fromkeys(edge for edge in inner if start < edge < end), end]


def _calendar_edges(start: int, end: int, step: Duration, zone: ZoneInfo) -> Iterator[int]:
    day = datetime.fromtimestamp(start, zone).date()
    if step.unit == "w":
        day -= timedelta(days=day.weekday())
    while (edge := start_of_day(day, zone)) < end:
        yield edge
        day += timedelta(days=step.count * _DAYS[step.unit])


def spelled(seconds: int) -> str:
    """Seconds as they are written in a query: 300 is ``5m``."""
    for unit in ("d", "h", "m"):
        if seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"


def utc(timestamp: int) -> str:
    """A time for a message: 2026-11-23T12:00Z."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%MZ")
