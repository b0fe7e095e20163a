"""Questions about a range of time, from query parameters; what is wrong is said by name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.core.errors import InvalidRequestError
from app.core.nearest import did_you_mean
from app.services.measures import MEASURES, Measure

MINUTE, DAY = 60, 86400
MAX_POINTS = 11_000
"""Points of one series in one answer, as in Prometheus."""

MAX_SERIES = 100_000
"""Values in one answer: points times measures."""

OLDEST = 946_684_800
"""2000-01-01: before it there is nothing, and calendars get strange."""

_DURATION = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": MINUTE, "h": 3600, "d": DAY, "w": 7 * DAY}


@dataclass(frozen=True, slots=True)
class RangeQuery:
    """What is asked for: measures over [start, end), whole minutes in Unix seconds.

    ``step`` is in seconds, None for one total. ``compare`` is how much earlier the range lies that
    is set beside it, seconds.
    """

    measures: tuple[Measure, ...]
    start: int
    end: int
    step: int | None = None
    group_by: tuple[str, ...] = ()
    compare: int | None = None


def duration(text: str, field: str) -> int:
    """Seconds of ``90s``, ``5m``, ``6h``, ``1d`` or ``1w``. Raises InvalidRequestError."""
    match = _DURATION.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise InvalidRequestError(
            f"{field}={text[:40]!r}: use a number and s, m, h, d or w, such as 5m or 1w", field
        )
    return int(match[1]) * _SECONDS[match[2]]


def instant(text: str, field: str, now: int, zone: ZoneInfo) -> int:
    """Unix seconds of ISO 8601, of ``-6h`` before ``now``, or of ``now``.

    ISO times without an offset are in ``zone``. Raises InvalidRequestError.
    """
    if text == "now":
        return now
    if text.startswith("-"):
        return max(OLDEST, now - duration(text[1:], field))
    try:
        # A "+" that nobody has encoded arrives as a space.
        parsed = datetime.fromisoformat(re.sub(r" (?=\d\d:?\d\d$)", "+", text, count=1))
        seconds = int((parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)).timestamp())
    except (ValueError, OverflowError):
        raise InvalidRequestError(
            f"{field}={text[:40]!r}: use ISO 8601 such as 2026-11-23T12:00:00Z, now, "
            "or a time before now such as -6h",
            field,
        ) from None
    if not OLDEST <= seconds <= now + 366 * DAY:
        raise InvalidRequestError(
            f"{field}={text[:40]!r}: use a time from the year 2000 to a year from now", field
        )
    return seconds


def measures(text: str | None, group_by: Sequence[str]) -> tuple[Measure, ...]:
    """The measures named in ``text``; without it all that can be grouped so.

    Raises InvalidRequestError naming what is unknown, and what is like it.
    """
    if text is None:
        return tuple(m for m in MEASURES.values() if set(group_by) <= set(m.group_by))
    found = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        if name not in MEASURES:
            raise InvalidRequestError(unknown("metrics", name, MEASURES), "metrics")
        found.append(MEASURES[name])
    if not found:
        raise InvalidRequestError("metrics: name at least one, such as sms.received", "metrics")
    return tuple(dict.fromkeys(found))


def groups(text: str | None) -> tuple[str, ...]:
    """The labels to group by. Raises InvalidRequestError for one that no measure has."""
    known = sorted({label for measure in MEASURES.values() for label in measure.group_by})
    found = [part.strip() for part in (text or "").split(",") if part.strip()]
    for name in found:
        if name not in known:
            raise InvalidRequestError(unknown("group_by", name, known), "group_by")
    return tuple(dict.fromkeys(found))


def checked(query: RangeQuery, finest_step: int) -> RangeQuery:
    """``query``, if it can be answered with steps of at least ``finest_step`` seconds.

    Raises InvalidRequestError naming the parameter, and the smallest step that works.
    """
    if query.start >= query.end:
        raise InvalidRequestError("from: it must be before to", "from")
    for measure in query.measures:
        if missing := set(query.group_by) - set(measure.group_by):
            can = ", ".join(measure.group_by) or "nothing"
            raise InvalidRequestError(
                f"group_by={missing.pop()}: {measure.name} can be grouped by {can}", "group_by"
            )
    if query.step is None:
        return query
    length = query.end - query.start
    smallest = max(
        finest_step,
        -(-length // MAX_POINTS),
        -(-length * len(query.measures) // MAX_SERIES),
    )
    if query.step < smallest or query.step % MINUTE:
        raise InvalidRequestError(
            f"step={spelled(query.step)}: the smallest that works for this range is "
            f"{spelled(_rounded_up(smallest))}, in whole minutes",
            "step",
        )
    return query


def edges(query: RangeQuery, zone: ZoneInfo) -> list[int]:
    """Where the steps of a query begin, and where the last ends, Unix seconds.

    Steps of whole days begin at midnight in ``zone``, so that a day may have 23 or 25 hours.
    """
    if query.step is None:
        return [query.start, query.end]
    inner: list[int] = []
    if query.step % DAY == 0:
        day = midnight(query.start, zone)
        while day < query.end:
            inner.append(day)
            day = days_later(day, query.step // DAY, zone)
    else:
        inner = list(range(query.start // query.step * query.step, query.end, query.step))
    return [query.start, *(edge for edge in inner if edge > query.start), query.end]


def midnight(timestamp: int, zone: ZoneInfo) -> int:
    """The beginning of the local day, Unix seconds."""
    local = datetime.fromtimestamp(timestamp, zone)
    return int(local.replace(hour=0, minute=0, second=0, fold=0).timestamp())


def days_later(timestamp: int, days: int, zone: ZoneInfo) -> int:
    """The same time of the local day, ``days`` later."""
    local = datetime.fromtimestamp(timestamp, zone)
    return int((local.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=zone).timestamp())


def monday(timestamp: int, zone: ZoneInfo) -> int:
    """The beginning of the local week, Unix seconds."""
    start = midnight(timestamp, zone)
    return days_later(start, -datetime.fromtimestamp(start, zone).weekday(), zone)


def spelled(seconds: int) -> str:
    """Seconds as they are written in a query: 300 is ``5m``."""
    for unit in ("w", "d", "h", "m"):
        if seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"


def unknown(field: str, name: str, known: Sequence[str] | dict[str, Measure]) -> str:
    """What to say about a name that isn't there."""
    hint = did_you_mean(name[:60], known, otherwise=f"there are {', '.join(known)}")
    return f"{field}={name[:60]!r}: unknown name; {hint}"


def _rounded_up(seconds: int) -> int:
    for step in (60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600):
        if seconds <= step:
            return step
    return -(-seconds // DAY) * DAY
