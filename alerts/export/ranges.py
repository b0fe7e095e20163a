"""Ranges for slower scrapes: each has to hold some scrapes, or rates have no value at all."""

import re

from alerts.promql import seconds
from alerts.semantics import SAMPLES_PER_RANGE

_SHORTEST_SECONDS = 60
"""The shortest range of the bundle's own rules."""

_RANGE = re.compile(r"\[(\d+[smhdw])(?P<step>:\w*)?\]")


def stretched(expr: str, scrape_seconds: int) -> str:
    """``expr`` with each range of fewer than four scrapes made as long as four.

    Subqueries keep theirs: they read records, not scrapes.
    """
    shortest = SAMPLES_PER_RANGE * scrape_seconds

    def long_enough(match: re.Match[str]) -> str:
        if match["step"] is not None or seconds(match[1]) >= shortest:
            return match[0]
        return f"[{_written(shortest)}]"

    return _RANGE.sub(long_enough, expr)


def later(pending: str, scrape_seconds: int) -> str:
    """The ``for`` of an alert, longer by as much as the shortest range became."""
    more = SAMPLES_PER_RANGE * scrape_seconds - _SHORTEST_SECONDS
    return _written(seconds(pending) + more) if more > 0 else pending


def _written(length: int) -> str:
    return f"{length // 60}m" if length % 60 == 0 else f"{length}s"
