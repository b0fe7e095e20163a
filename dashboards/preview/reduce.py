"""A series reduced to one number, by Grafana's names of the ways to do it."""

from collections.abc import Callable, Mapping

import numpy as np

from dashboards.preview.answers import Numbers

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
    "stdDev": "StdDev",
}
"""As legends head them."""

_WAYS: Mapping[str, Callable[[Numbers], float]] = {
    LAST: lambda values: values[-1],
    "firstNotNull": lambda values: values[0],
    "max": np.max,
    "min": np.min,
    "mean": np.mean,
    "median": np.median,
    "sum": np.sum,
    "count": len,
    "range": lambda values: values.max() - values.min(),
    "diff": lambda values: values[-1] - values[0],
    "stdDev": np.std,
}


def reduced(values: Numbers, way: str) -> float:
    """The one number; NaN where there is none. A way that is not known here is the last value."""
    if way in ("last", "first"):
        return float(values[-1 if way == "last" else 0]) if len(values) else float("nan")
    present = values[~np.isnan(values)]
    return float(_WAYS.get(way, _WAYS[LAST])(present)) if len(present) else float("nan")
