"""What colours mean, the same on every dashboard, and the steps at which a number changes colour.

Red is for what pages somebody, orange for what is outside an objective or a ticket, grey for what
is not known. Components have colours of their own, which are none of these.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import cycle
from typing import Any

from alerts.model import Comparison, Severity, Signal, Threshold
from alerts.signals import slo
from app.core.catalogue import (
    ApprovalAction,
    BreakerState,
    Component,
    PlanResult,
    Route,
    StepStatus,
)
from app.core.catalogue import Severity as Urgency
from app.core.thresholds import Thresholds
from asgi_observability.catalogue import Outcome


class Colour(StrEnum):
    """What a colour means. The values are Grafana's names of colours, or codes."""

    GOOD = "green"
    WARNING = "orange"
    BAD = "red"
    NEUTRAL = "blue"
    OTHER = "purple"
    MUTED = "text"
    UNKNOWN = "#7b7f87"


MEDIAN, TAIL, FURTHEST_TAIL = "#c7b3ff", "#9f7bff", "#6a3fd6"
"""The percentiles of one quantity: p50, p90 and p99 are one hue, the further out the darker."""

DISTINCT = (
    *("#5794f2", "#b877d9", "#56c7c2", "#d9a8e8", "#8f9bb3", "#8ab8ff"),
    *("#7c6bd6", "#2f8f9d", "#c8d0e0", "#1f60c4", "#a0d8ef", "#8f3bb8"),
)
"""For what is neither good nor bad: Grafana's own palette begins with green, yellow and red."""

WINDOWS = ("#c8d0e0", "#a0d8ef", "#8ab8ff", "#5794f2", "#1f60c4")
"""The same quantity over longer and longer windows: one hue, the longer the darker."""

MEANING: Mapping[str, str] = {
    Outcome.SUCCESS: Colour.GOOD,
    Outcome.ERROR: Colour.BAD,
    Outcome.CANCELLED: Colour.WARNING,
    Route.AUTO_SENT: Colour.GOOD,
    Route.QUEUED: Colour.NEUTRAL,
    Route.ESCALATED: Colour.WARNING,
    Route.FAILED: Colour.BAD,
    StepStatus.COMPLETED: Colour.GOOD,
    StepStatus.SKIPPED: Colour.NEUTRAL,
    ApprovalAction.APPROVE: Colour.GOOD,
    ApprovalAction.MODIFY: Colour.NEUTRAL,
    ApprovalAction.ESCALATE: Colour.WARNING,
    PlanResult.VALID: Colour.GOOD,
    PlanResult.NEEDS_REVIEW: Colour.NEUTRAL,
    PlanResult.INVALID: Colour.WARNING,
    BreakerState.CLOSED: Colour.GOOD,
    BreakerState.HALF_OPEN: Colour.WARNING,
    BreakerState.OPEN: Colour.BAD,
    Urgency.LOW: Colour.GOOD,
    Urgency.MEDIUM: Colour.NEUTRAL,
    Urgency.HIGH: Colour.WARNING,
    Urgency.CRITICAL: Colour.BAD,
    "info": Colour.NEUTRAL,
    "warning": Colour.WARNING,
    **dict(
        zip(
            (promised.objective.name for promised in slo.promised(Thresholds())),
            cycle(DISTINCT),
            strict=False,
        )
    ),
    Component.AI_PROVIDER: "#5794f2",
    Component.SMS_AGENT: "#b877d9",
    Component.COLLECTIONS_MONITOR: "#56c7c2",
    Component.NOTIFICATION_SERVICE: "#d9a8e8",
    Component.DATABASE: "#8f9bb3",
}
"""The colours of label values, wherever a series is called by one of them alone."""


def of_values(values: Sequence[str]) -> dict[str, str]:
    """The colour of each of a label's ``values``: its meaning's, else one that says nothing."""
    taken = {MEANING[value] for value in values if value in MEANING}
    taken |= {DISTINCT[0]} if Colour.NEUTRAL in taken else set()
    others = cycle(colour for colour in DISTINCT if colour not in taken)
    return {value: MEANING.get(value) or next(others) for value in values}


def by_last_value() -> dict[str, str]:
    """From blue to purple, by the last value of each series: for names that nobody knows.

    The highest stands out among instances or releases; none is red or green.
    """
    return {"mode": "continuous-BlPu", "seriesBy": "last"}


SEVERITY: Mapping[Severity, Colour] = {
    Severity.INFO: Colour.NEUTRAL,
    Severity.TICKET: Colour.WARNING,
    Severity.PAGE: Colour.BAD,
}
"""From the least severe to the most severe."""

_RANK = list(SEVERITY)
_FALLING = (Comparison.BELOW, Comparison.AT_MOST)


def steps(first: Colour, *further: tuple[float, Colour]) -> list[dict[str, Any]]:
    """Threshold steps: the ``first`` colour, and each further one from its value on."""
    return [_step(first, None), *(_step(colour, value) for value, colour in further)]


def neutral() -> list[dict[str, Any]]:
    """Threshold steps of a number that is neither good nor bad."""
    return steps(Colour.NEUTRAL)


def signal_steps(watched: Signal, matchers: str = "") -> list[dict[str, Any]]:
    """Threshold steps of a number that shows ``watched``: the colour of the worst alert there.

    ``matchers`` choose among its thresholds, where those of different series differ. Where no alert
    looks, nobody has said what is good, and the colour says neither.
    """
    chosen = [t for t in watched.thresholds if t.matchers == matchers]
    if not chosen:
        return neutral()
    above = [t for t in chosen if t.comparison not in _FALLING]
    below = [t for t in chosen if t.comparison in _FALLING]
    falling = sorted(below, key=lambda t: t.value)
    colours = [SEVERITY[t.severity] for t in falling] + [Colour.GOOD]
    limits = [None, *(_begins(t) for t in falling)]
    rising = sorted(above, key=lambda t: t.value)
    colours += [SEVERITY[t.severity] for t in rising]
    limits += [_begins(t) for t in rising]
    return [_step(colour, limit) for colour, limit in zip(colours, limits, strict=True)]


def lines_of(signals: Sequence[Signal]) -> list[dict[str, Any]]:
    """A line at each threshold, in the colour of its severity; of equal ones, the worst."""
    lines: dict[float, Severity] = {}
    for each in signals:
        for threshold in each.thresholds:
            known = lines.get(threshold.value, threshold.severity)
            lines[threshold.value] = max(known, threshold.severity, key=_RANK.index)
    return steps(Colour.GOOD, *((limit, SEVERITY[lines[limit]]) for limit in sorted(lines)))


def falls(watched: Signal) -> bool:
    """Whether ``watched`` is bad where it is low."""
    return all(threshold.comparison in _FALLING for threshold in watched.thresholds)


def thresholds(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """``steps`` as a field's setting."""
    return {"mode": "absolute", "steps": list(steps)}


def fixed(colour: str) -> dict[str, str]:
    """``colour``, whatever the value is."""
    return {"mode": "fixed", "fixedColor": str(colour)}


def shaded(colour: str) -> dict[str, str]:
    """Shades of ``colour``, one for each series."""
    return {"mode": "shades", "fixedColor": str(colour)}


def _step(colour: Colour, value: float | None) -> dict[str, Any]:
    # The first step has no value; Grafana wants it there all the same, as null.
    return {"color": colour.value, "value": value}


def _begins(threshold: Threshold) -> float:
    """The value at which a step begins: Grafana's steps are ">=", so more than 0 begins after."""
    after = threshold.comparison in (Comparison.ABOVE, Comparison.AT_MOST)
    return threshold.value + 1e-6 if after and not threshold.value else threshold.value
