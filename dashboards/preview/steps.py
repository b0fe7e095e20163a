"""How far apart the points of a query are, as Grafana works it out from the range and the width."""

from collections.abc import Mapping
from itertools import pairwise

_STEPS = (
    *(1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800),
    *(3600, 7200, 10800, 21600, 43200, 86400, 7 * 86400, 30 * 86400),
)
MOST_POINTS = 11_000
"""Prometheus refuses more."""


def step_seconds(range_seconds: float, points: float, least: float) -> int:
    """The step between about ``points`` over the range, rounded; ``least`` seconds or more."""
    exact = max(range_seconds / max(points, 1), range_seconds / MOST_POINTS)
    between = pairwise(_STEPS)
    rounded = next((low for low, high in between if exact < (low + high) / 2), _STEPS[-1])
    return max(rounded, round(least), 1)


def time_variables(range_seconds: float, step: int, scrape: float) -> Mapping[str, str]:
    """Grafana's own variables, for targets that are scraped every ``scrape`` seconds."""
    rate = round(max(step + scrape, 4 * scrape))
    length = round(range_seconds)
    return {
        "__interval": f"{step}s",
        "__interval_ms": f"{step * 1000}",
        "__rate_interval": f"{rate}s",
        "__rate_interval_ms": f"{rate * 1000}",
        "__range": f"{length}s",
        "__range_s": f"{length}",
        "__range_ms": f"{length * 1000}",
    }
