"""Numbers as Grafana writes them: three significant digits, and the unit that suits the size."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY, _WEEK, _YEAR = 60, 3600, 86400, 604800, 31536000
_LENGTHS = (
    (_YEAR, "year"),
    (2592000, "month"),
    (_WEEK, "week"),
    (_DAY, "day"),
    (_HOUR, "hour"),
    (_MINUTE, "minute"),
    (1, "second"),
)
_IN_SECONDS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": _MINUTE, "h": _HOUR, "d": _DAY}
_SHORT = ("", " K", " Mil", " Bil", " Tri", " Quadr")
_COUNTED = ("", "K", "M", "B", "T")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi")
_DECIMAL = ("", "k", "M", "G", "T", "P")
_EVENTS = {
    "cps": "c/s",
    "ops": "ops/s",
    "reqps": "req/s",
    "rps": "rd/s",
    "wps": "wr/s",
    "iops": "io/s",
    "eps": "evt/s",
    "mps": "msg/s",
    "cpm": "c/m",
    "opm": "ops/m",
    "reqpm": "req/m",
    "mpm": "msgs/m",
}
_BYTES = {
    "bytes": (_BINARY, 1024, "B"),
    "decbytes": (_DECIMAL, 1000, "B"),
    "binBps": (_BINARY, 1024, "B/s"),
    "Bps": (_DECIMAL, 1000, "B/s"),
    "bits": (_BINARY, 1024, "b"),
    "decbits": (_DECIMAL, 1000, "b"),
    "bps": (_DECIMAL, 1000, "b/s"),
}
_WORDS = {"bool": ("false", "true"), "bool_yes_no": ("No", "Yes"), "bool_on_off": ("Off", "On")}


def text(value: float, unit: str, decimals: int | None = None) -> str:
    """``value`` with its ``unit``, one of Grafana's; an unknown unit stands behind the number."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    for known, written in _WAYS:
        if unit in known:
            return written(value, unit, decimals)
    kind, colon, affix = unit.partition(":")
    if colon and kind == "prefix":
        return affix + number(value, decimals)
    return f"{number(value, decimals)} {affix if colon and kind == 'suffix' else unit}"


def number(value: float, decimals: int | None = None) -> str:
    """``value`` without a unit; without ``decimals``, three significant digits."""
    if decimals is None:
        whole = value == round(value) or not value
        decimals = 0 if whole else max(0, 2 - math.floor(math.log10(abs(value))))
    if decimals > 12:
        return f"{value:.3g}"
    written = f"{value:.{decimals}f}"
    return written.removeprefix("-") if float(written) == 0 else written


def _plain(value: float, _unit: str, decimals: int | None) -> str:
    return number(value, decimals)


def _short(value: float, _unit: str, decimals: int | None) -> str:
    return _scaled(value, _SHORT, 1000, decimals)


def _percent(value: float, unit: str, decimals: int | None) -> str:
    # The multiplication must not bring digits of its own: 0.07 is 7%.
    return f"{number(round(value * 100, 9) if unit == 'percentunit' else value, decimals)}%"


def _time(value: float, unit: str, decimals: int | None) -> str:
    seconds = value * _IN_SECONDS[unit]
    size = abs(seconds)
    # No unit is smaller than the one that was measured in.
    small = [name for name in ("ns", "µs", "ms") if _IN_SECONDS[name] >= _IN_SECONDS[unit]]
    if unit == "s":
        small = ["ns", "µs", "ms"]
    if size == 0:
        return f"{number(0, decimals)} {unit}"
    if size < _MINUTE and unit in ("ns", "µs", "ms", "s"):
        for name in small:
            if size < 1000 * _IN_SECONDS[name] * (1 - 1e-12):
                return f"{number(_clean(seconds / _IN_SECONDS[name]), decimals)} {name}"
        return f"{number(_clean(seconds), decimals)} s"
    for name, length in (("min", _MINUTE), ("hour", _HOUR), ("day", _DAY), ("week", _WEEK)):
        above = {"min": _HOUR, "hour": _DAY, "day": _WEEK, "week": _YEAR}[name]
        if size < above:
            return _counted(seconds / length, name, decimals)
    return _counted(seconds / _YEAR, "year", decimals)


def _counted(value: float, name: str, decimals: int | None) -> str:
    written = number(_clean(value), decimals)
    return f"{written} {name}{'' if float(written) == 1 else 's'}"


def _duration(value: float, _unit: str, decimals: int | None) -> str:
    """The largest unit, and as many smaller ones as there are ``decimals``."""
    rest = abs(value)
    parts: list[str] = []
    for length, name in _LENGTHS:
        if (rest >= length or parts) and len(parts) <= (decimals or 0):
            count = int(rest // length)
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
            rest -= count * length
    sign = "-" if value < 0 else ""
    return sign + (", ".join(parts) or _time(abs(value), "s", None))


def _clock(value: float, _unit: str, _decimals: int | None) -> str:
    minutes, seconds = divmod(int(abs(value)), 60)
    return f"{'-' if value < 0 else ''}{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


def _moment(value: float, _unit: str, _decimals: int | None) -> str:
    return f"{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%d %H:%M:%S}"


def _bytes(value: float, unit: str, decimals: int | None) -> str:
    prefixes, base, name = _BYTES[unit]
    return _scaled(value, [f" {prefix}{name}" for prefix in prefixes], base, decimals)


def _events(value: float, unit: str, decimals: int | None) -> str:
    return _scaled(value, [f"{prefix} {_EVENTS[unit]}" for prefix in _COUNTED], 1000, decimals)


def _word(value: float, unit: str, _decimals: int | None) -> str:
    return _WORDS[unit][bool(value)]


def _scaled(value: float, names: Sequence[str], base: int, decimals: int | None) -> str:
    power = 0
    while abs(value) >= base and power < len(names) - 1:
        value /= base
        power += 1
    return number(_clean(value), decimals) + names[power]


def _clean(value: float) -> float:
    """Without the last digits, which a division may have brought."""
    return float(f"{value:.10g}")


_Way = Callable[[float, str, int | None], str]
_WAYS: Sequence[tuple[frozenset[str], _Way]] = (
    (frozenset(("", "none", "string", "sishort", "locale")), _plain),
    (frozenset(("short",)), _short),
    (frozenset(("percent", "percentunit")), _percent),
    (frozenset(_IN_SECONDS), _time),
    (frozenset(("dtdurations",)), _duration),
    (frozenset(("dthms", "dtdhms", "clocks")), _clock),
    (frozenset(("dateTimeAsIso", "dateTimeAsLocal", "dateTimeAsSystem")), _moment),
    (frozenset(_BYTES), _bytes),
    (frozenset(_EVENTS), _events),
    (frozenset(_WORDS), _word),
)
