"""Values with their units, as Grafana writes them."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from dashboards.preview.numbers import fixed, rounded, written


class Formatted(NamedTuple):
    """A number, and what stands before and behind it."""

    text: str
    prefix: str = ""
    suffix: str = ""

    def __str__(self) -> str:
        """All of it."""
        return f"{self.prefix}{self.text}{self.suffix}"


Way = Callable[[float, int | None], Formatted]


def formatted(value: float, unit: str, decimals: int | None = None) -> Formatted:
    """``value`` with its ``unit``, one of Grafana's; an unknown one stands behind the number."""
    if way := _WAYS.get(unit):
        return way(value, decimals)
    kind, colon, sub = unit.partition(":")
    if colon and (made := _MADE.get(kind)):
        return made(sub)(value, decimals)
    return _behind(f" {unit}")(value, decimals) if unit else Formatted(fixed(value, decimals))


def text(value: float, unit: str, decimals: int | None = None) -> str:
    """The same in one."""
    return str(formatted(value, unit, decimals))


def is_known(unit: str) -> bool:
    """Whether it is written here by a rule of its own."""
    return not unit or unit in _WAYS or unit.partition(":")[0] in _MADE


_MINUTE, _HOUR, _DAY, _WEEK, _YEAR = 60, 3600, 86400, 604800, 31536000
_COUNTED = ("", "K", "M", "B", "T")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_DECIMAL = ("f", "p", "n", "µ", "m", "", "k", "M", "G", "T", "P", "E", "Z", "Y")
_SHORT = ("", " K", " Mil", " Bil", " Tri", " Quadr", " Quint", " Sext", " Sept")
_EVENTS = {
    "cps": "c/s",
    "ops": "ops/s",
    "reqps": "req/s",
    "rps": "rd/s",
    "wps": "wr/s",
    "iops": "io/s",
    "eps": "evt/s",
    "mps": "msg/s",
    "recps": "rec/s",
    "rowsps": "rows/s",
    "cpm": "c/m",
    "opm": "ops/m",
    "reqpm": "req/m",
    "rpm": "rd/m",
    "wpm": "wr/m",
    "epm": "evts/m",
    "mpm": "msgs/m",
    "recpm": "rec/m",
    "rowspm": "rows/m",
}
_BYTES = {"bytes": "B", "bits": "b", "binBps": "B/s", "binbps": "b/s"}
_DECIMAL_BYTES = {"decbytes": "B", "decbits": "b", "Bps": "B/s", "bps": "b/s", "pps": "p/s"}
_CURRENCIES = {"currencyUSD": "$", "currencyEUR": "€", "currencyGBP": "£"}
# For each unit of time: up to which size (in itself) it is shown in which other one, which is so
# long, and the one beyond the last.
_Step = tuple[float, float, str]
_TIMES: Mapping[str, tuple[Sequence[_Step], tuple[float, str]]] = {
    "ns": (
        (
            (1e3, 1, "ns"),
            (1e6, 1e3, "µs"),
            (1e9, 1e6, "ms"),
            (6e10, 1e9, "s"),
            (3.6e12, 6e10, "min"),
            (8.64e13, 3.6e12, "hour"),
        ),
        (8.64e13, "day"),
    ),
    "µs": (((1e3, 1, "µs"), (1e6, 1e3, "ms")), (1e6, "s")),
    "ms": (
        (
            (1e3, 1, "ms"),
            (6e4, 1e3, "s"),
            (3.6e6, 6e4, "min"),
            (8.64e7, 3.6e6, "hour"),
            (3.1536e10, 8.64e7, "day"),
        ),
        (3.1536e10, "year"),
    ),
    "s": (
        (
            (_MINUTE, 1, "s"),
            (_HOUR, _MINUTE, "min"),
            (_DAY, _HOUR, "hour"),
            (_WEEK, _DAY, "day"),
            (_YEAR, _WEEK, "week"),
        ),
        (3.15569e7, "year"),
    ),
    "m": (
        ((60, 1, "min"), (1440, 60, "hour"), (10080, 1440, "day"), (604800, 10080, "week")),
        (5.25948e5, "year"),
    ),
    "h": (((24, 1, "hour"), (168, 24, "day"), (8760, 168, "week")), (8760, "year")),
    "d": (((7, 1, "day"), (365, 7, "week")), (365, "year")),
}
_UNCOUNTED = frozenset(("min", "hour"))
"""The units of time that stay singular where the value is measured in them already."""
_LENGTHS = (
    (_YEAR, "year"),
    (2592000, "month"),
    (_WEEK, "week"),
    (_DAY, "day"),
    (_HOUR, "hour"),
    (_MINUTE, "minute"),
    (1, "second"),
    (0.001, "millisecond"),
)


def _plain(value: float, decimals: int | None) -> Formatted:
    return Formatted(fixed(value, decimals))


def _raw(value: float, _decimals: int | None) -> Formatted:
    return Formatted(written(value))


def _behind(suffix: str) -> Way:
    return lambda value, decimals: Formatted(fixed(value, decimals), suffix=suffix)


def _before(prefix: str) -> Way:
    return lambda value, decimals: Formatted(fixed(value, decimals), prefix=prefix)


def _percent_of_one(value: float, decimals: int | None) -> Formatted:
    return Formatted(fixed(100 * value, decimals), suffix="%")


def _scaled(factor: int, names: Sequence[str], offset: int = 0) -> Way:
    """In the unit of ``names`` that suits the size; that at ``offset`` is the value's own."""

    def way(value: float, decimals: int | None) -> Formatted:
        if math.isinf(value):
            return Formatted(fixed(value, decimals))
        power = math.floor(math.log10(abs(value)) / math.log10(factor)) if value else 0
        name = names[min(max(offset + power, 0), len(names) - 1)]
        power = min(max(power, -offset), len(names) - 1 - offset)
        return Formatted(fixed(value / float(factor) ** power, decimals), suffix=name)

    return way


def _binary(unit: str) -> Way:
    return _scaled(1024, [f" {prefix}{unit}" for prefix in _BINARY])


def _si(unit: str) -> Way:
    names = [f" {prefix}{unit}" for prefix in _DECIMAL]
    return _scaled(1000, names, _DECIMAL.index(""))


def _events(name: str) -> Way:
    scaled = _scaled(1000, [f"{prefix} {name}" for prefix in _COUNTED])

    def way(value: float, decimals: int | None) -> Formatted:
        found = scaled(value, decimals)
        # A slip of Grafana's, which is seen where a rate is infinite.
        return found._replace(suffix=f"undefined {name}") if math.isinf(value) else found

    return way


def _money(symbol: str) -> Way:
    scaled = _scaled(1000, _COUNTED)

    def way(value: float, decimals: int | None) -> Formatted:
        shown, _, suffix = scaled(abs(value), decimals)
        return Formatted(shown, f"-{symbol}" if value < 0 else symbol, suffix)

    return way


def _time(unit: str) -> Way:
    steps, (longest, longest_name) = _TIMES[unit]

    def way(value: float, decimals: int | None) -> Formatted:
        size = abs(value)
        if unit == "s" and value == 0:
            return Formatted("0", suffix=" s")
        if unit == "s" and size < 1:
            small = next(
                each
                for each in ((1e-6, 1e9, "ns"), (1e-3, 1e6, "µs"), (1, 1e3, "ms"))
                if size < each[0]
            )
            return Formatted(fixed(value * small[1], decimals), suffix=f" {small[2]}")
        for most, length, name in steps:
            if size < most:
                if length == 1 and name in _UNCOUNTED:
                    return Formatted(fixed(value, decimals), suffix=f" {name}")
                return _counted(value / length, name, decimals)
        return _counted(value / longest, longest_name, decimals)

    return way


def _counted(value: float, name: str, decimals: int | None) -> Formatted:
    many = abs(value) > 1 and name in ("min", "hour", "day", "week", "year")
    return Formatted(fixed(value, decimals), suffix=f" {name}{'s' if many else ''}")


def _duration(unit: str, length: float) -> Way:
    """The largest unit, and as many smaller ones as there are ``decimals``."""

    def way(value: float, decimals: int | None) -> Formatted:
        if value == 0:
            return Formatted("0", suffix=f" {unit}s")
        if value < 0:
            shown = way(-value, decimals)
            return shown._replace(suffix=f"{shown.suffix} ago")
        if math.isinf(value):
            smaller = (f"NaN {name}s" for _, name in _LENGTHS[1 : (decimals or 0) + 1])
            return Formatted(", ".join(("Infinity years", *smaller)))
        rest = value * length * 1000
        parts: list[str] = []
        for seconds, name in _LENGTHS:
            count = rest / (seconds * 1000)
            if (count >= 1 or parts) and len(parts) <= (decimals or 0):
                parts.append(f"{math.floor(count)} {name}{'' if math.floor(count) == 1 else 's'}")
                rest = math.fmod(rest, seconds * 1000)
        return Formatted(", ".join(parts))

    return way


def _moment(form: str) -> Way:
    def way(value: float, _decimals: int | None) -> Formatted:
        try:
            return Formatted(f"{datetime.fromtimestamp(math.floor(value) / 1000, UTC):{form}}")
        except (OverflowError, ValueError):
            return Formatted("Invalid date")

    return way


def _unless_today(form: str) -> Way:
    def way(value: float, decimals: int | None) -> Formatted:
        today = now().date() == datetime.fromtimestamp(value / 1000, UTC).date()
        return _moment("%H:%M:%S" if today else form)(value, decimals)

    return way


def _from_now(value: float, _decimals: int | None) -> Formatted:
    """About how long ago, in words."""
    seconds = value / 1000 - now().timestamp()
    length = _in_words(abs(seconds))
    return Formatted(f"in {length}" if seconds > 0 else f"{length} ago")


# How moment.js calls lengths: below so many of a unit, which is so many seconds long, by this name.
_WORDS: Sequence[tuple[float, float, str, str]] = (
    (45, 1, "", "a few seconds"),
    (45, 60, "minutes", "a minute"),
    (22, 3600, "hours", "an hour"),
    (26, 86400, "days", "a day"),
    (11, 86400 * 146097 / 4800, "months", "a month"),
    (math.inf, 86400 * 146097 / 400, "years", "a year"),
)


def _in_words(seconds: float) -> str:
    for most, length, many, one in _WORDS:
        count = rounded(seconds / length)
        if not many and count < most:
            return one
        if many and count <= 1:
            return one
        if many and count < most:
            return f"{count:.0f} {many}"
    raise AssertionError


def now() -> datetime:
    """The time by which "ago" is told."""
    return datetime.now(UTC)


def _word(no: str, yes: str) -> Way:
    return lambda value, _decimals: Formatted(yes if value else no)


_MADE: Mapping[str, Callable[[str], Way]] = {
    "prefix": _before,
    "suffix": lambda sub: _behind(f" {sub}"),
    "count": _events,
    "currency": _money,
    "si": _si,
}
_WAYS: Mapping[str, Way] = {
    "none": _plain,
    "string": _raw,
    "short": _scaled(1000, _SHORT),
    "sishort": _si(""),
    "percent": _behind("%"),
    "percentunit": _percent_of_one,
    **{unit: _binary(name) for unit, name in _BYTES.items()},
    **{unit: _si(name) for unit, name in _DECIMAL_BYTES.items()},
    **{unit: _events(name) for unit, name in _EVENTS.items()},
    **{unit: _money(symbol) for unit, symbol in _CURRENCIES.items()},
    **{unit: _time(unit) for unit in _TIMES},
    "dtdurations": _duration("second", 1),
    "dtdurationms": _duration("millisecond", 0.001),
    "dateTimeAsIso": _moment("%Y-%m-%d %H:%M:%S"),
    "dateTimeAsSystem": _moment("%Y-%m-%d %H:%M:%S"),
    "dateTimeAsIsoNoDateIfToday": _unless_today("%Y-%m-%d %H:%M:%S"),
    "dateTimeFromNow": _from_now,
    "bool": _word("False", "True"),
    "bool_yes_no": _word("No", "Yes"),
    "bool_on_off": _word("Off", "On"),
}
