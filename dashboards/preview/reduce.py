"""A series reduced to one number, by Grafana's names of the ways to do it."""

import math
from collections.abc import Callable, Mapping, Sequence

Values = Sequence[float | None]
"""None is no value, NaN is one that is no number."""

LAST = "lastNotNull"

TITLES: Mapping[str, str] = {
    LAST: "Last *",
    "last": "Last",
    "firstNotNull": "First *",
    "first": "First",
    "max": "Max",
    "min": "Min",
    "mean": "Mean",
    "median": "Median",
    "sum": "Total",
    "count": "Count",
    "range": "Range",
    "diff": "Difference",
}
"""As legends head them; no other way is done here."""


def reduced(values: Values, way: str) -> float | None:
    """The one number, or None where there is none. Raises KeyError for an unknown way."""
    if way in ("last", "first"):
        return values[-1 if way == "last" else 0] if values else None
    if way in ("sum", "count") and not values:
        return 0.0
    return _WAYS[way]([value for value in values if value is not None])


def _present(do: Callable[[list[float]], float]) -> Callable[[list[float]], float | None]:
    """``do`` with what is a number, of which there must be one."""

    def way(values: list[float]) -> float | None:
        numbers = [value for value in values if not math.isnan(value)]
        return do(numbers) if numbers else None

    return way


def _median(values: list[float]) -> float | None:
    """Not a number where one of the values is none."""
    if not values or any(math.isnan(value) for value in values):
        return math.nan
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _sum(values: list[float]) -> float:
    total = 0.0
    for value in values:
        total += 0 if math.isnan(value) else value
    return total


_WAYS: Mapping[str, Callable[[list[float]], float | None]] = {
    LAST: _present(lambda values: values[-1]),
    "firstNotNull": _present(lambda values: values[0]),
    "max": _present(max),
    "min": _present(min),
    "mean": _present(lambda values: _sum(values) / len(values)),
    "median": _median,
    "sum": _sum,
    "count": lambda values: float(len(values)),
    "range": _present(lambda values: max(values) - min(values)),
    "diff": _present(lambda values: values[-1] - values[0]),
}
