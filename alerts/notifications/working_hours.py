"""The hours in which tickets reach people, as people write them and as Alertmanager reads them."""

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator

Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
WEEK: tuple[Day, ...] = get_args(Day)
MIDNIGHT, END_OF_DAY = "00:00", "24:00"

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(:00)?|24:00")


def _clock(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise ValueError("write it as HH:MM, from 00:00 to 24:00")
    return text.zfill(5)[:5]


Clock = Annotated[str, AfterValidator(_clock)]
"""A time of day, HH:MM; 24:00 is the end of the day."""


def _days(value: object) -> object:
    """``["Monday:Wednesday", "sunday"]`` is monday, tuesday, wednesday, sunday."""
    if not isinstance(value, list):
        return value
    found: list[str] = []
    for part in value:
        first, is_range, last = (name.strip() for name in part.lower().partition(":"))
        if is_range and {first, last} <= {*WEEK}:
            begin, end = WEEK.index(first), WEEK.index(last)
            found += [WEEK[(begin + n) % 7] for n in range((end - begin) % 7 + 1)]
        else:
            found.append(f"{first}{is_range}{last}")
    return list(dict.fromkeys(found))


Days = Annotated[tuple[Day, ...], BeforeValidator(_days)]
"""Days of the week; ``monday:friday`` is all from the first to the last."""


def time_intervals(
    days: tuple[Day, ...], begins: str, ends: str, time_zone: str
) -> list[dict[str, Any]]:
    """The hours as Alertmanager reads them, which knows none that go on after midnight.

    Hours that end before they begin end on the day after: on friday from 22:00 to 06:00 is also
    saturday until 06:00.
    """
    if begins < ends:
        return [_interval(days, begins, ends, time_zone)]
    evening = _interval(days, begins, END_OF_DAY, time_zone)
    if ends == MIDNIGHT:
        return [evening]
    after = tuple(day for day in WEEK if WEEK[WEEK.index(day) - 1] in days)
    return [evening, _interval(after, MIDNIGHT, ends, time_zone)]


def _interval(days: tuple[Day, ...], begins: str, ends: str, time_zone: str) -> dict[str, Any]:
    return {
        "weekdays": list(days),
        "times": [{"start_time": begins, "end_time": ends}],
        "location": time_zone,
    }
