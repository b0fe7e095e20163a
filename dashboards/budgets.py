"""What is left of each error budget, and how fast it is used up."""

from alerts.model import Dashboard, Unit
from alerts.signals import slo
from app.core.objectives import Objective
from app.core.thresholds import Thresholds
from dashboards.choices import of
from dashboards.colours import WINDOWS, Colour, steps
from dashboards.grafana import Panel
from dashboards.panels import Query, bar_gauge, timeseries

_NOT_KNOWN = "Not known"


def budget_left(thresholds: Thresholds, links: tuple[Dashboard, ...] = ()) -> Panel:
    """What is left of each objective's error budget, each by its name: known or not."""
    each = " or ".join(
        f'label_replace(vector(NaN), "slo", "{promised.objective.name}", "", "")'
        for promised in slo.promised(thresholds)
    )
    return bar_gauge(
        "Error budget left",
        "Share of the period's budget, by objective; below 0 the promise is broken. What fails "
        "counts up to two minutes late, and at first as if the whole period had as much traffic "
        "as the last hour. Good is a larger share than the part of the period that is left.",
        Unit.RATIO,
        Query(f"min by (slo) ({_left_now(thresholds)}) or on (slo) ({each})", "{{slo}}"),
        steps(Colour.WARNING, (0.25, Colour.GOOD)),
        empty=_NOT_KNOWN,
        links=links,
        limits=(0, 1),
        decimals=1,
    )


def _left_now(thresholds: Thresholds) -> str:
    """PromQL of the budgets that are left, with the errors that are in no slice yet.

    The period is added up from slices of 5 minutes, the last of which may have ended ten minutes
    ago. What the hour's records have beyond the same hour in slices has come since then.
    """
    of_slices = (
        f"sum_over_time({of(slo.SLICE_ERRORS)}[1h:{slo.SLICE}]) / 12 "
        f"/ avg_over_time({of(slo.SLICE_TOTAL)}[1h:{slo.SLICE}]) / (1 - {of(slo.OBJECTIVE)})"
    )
    hours = 24 * thresholds.slo_period_days
    later = f"clamp_min({of(slo.burn_rate('1h'))} - ({of_slices}), 0) / {hours:g}"
    left = of(slo.BUDGET_LEFT)
    # A slice is seen here up to a minute before the record of the period has it.
    return f"min_over_time(({left} - ({later} or 0 * {left}))[1m:15s])"


def budget_over_time(thresholds: Thresholds) -> Panel:
    """How each budget was used up."""
    return timeseries(
        f"Error budget left of {thresholds.slo_period_days} days",
        "Share of the budget of the period before each moment. Good is a line that does not fall "
        "for long.",
        Unit.RATIO,
        Query(f"min by (slo) ({of(slo.BUDGET_LEFT)})", "{{slo}}"),
        empty=_NOT_KNOWN,
    )


def burn_rates_of(objective: Objective, thresholds: Thresholds) -> Panel:
    """The burn rates of an objective over the windows that call somebody."""
    budget, matchers = Unit.RATIO.text(objective.budget), f'slo="{objective.name}"'
    windows = dict.fromkeys(each for burn in slo.BURN_RATES for each in (burn.short, burn.long))
    pairs = ", ".join(
        f"{burn.factor(thresholds.slo_period_days):g} over {burn.long} and {burn.short} "
        f"({burn.severity})"
        for burn in slo.BURN_RATES
        if burn.limit in objective.limits
    )
    return timeseries(
        f"Burn rate: {objective.name}",
        f"Promised: {Unit.RATIO.text(objective.objective)} of {objective.promise}. At 1, the "
        f"budget of {budget} is used up in exactly the period. An alert needs both windows of a "
        f"pair above the rate: {pairs}. Good is below 1.",
        Unit.COUNT,
        *(
            Query(f"max({of(slo.burn_rate(window), matchers)})", window, colour=colour)
            for window, colour in zip(windows, WINDOWS, strict=False)
        ),
        empty=_NOT_KNOWN,
    )
