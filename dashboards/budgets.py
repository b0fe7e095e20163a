"""What is left of each error budget, and how fast it is used up."""

from alerts.model import Dashboard, Unit
from alerts.signals import slo
from app.core.thresholds import Thresholds
from dashboards.choices import of
from dashboards.colours import Colour, steps
from dashboards.deployments import BY, in_legend, legend_with_where
from dashboards.grafana import Panel
from dashboards.known import now
from dashboards.panels import Query, bar_gauge, timeseries
from dashboards.sources import Source

_NOT_KNOWN = "Not known"


def budget_left(thresholds: Thresholds, links: tuple[Dashboard, ...] = ()) -> Panel:
    """What is left of each objective's error budget, each by its name: known or not."""
    each = " or ".join(
        f'label_replace(vector(NaN), "slo", "{promised.objective.name}", "", "")'
        for promised in slo.promised(thresholds)
    )
    # Of the period, not of a moment: what an outage leaves of it is known in the outage.
    by = f"{BY}, slo"
    known = f"min by ({by}) ({_left_now(thresholds)})"
    # The objective is there of each deployment.
    left = now(f"{known} or NaN * max by ({by}) ({of(slo.OBJECTIVE)})", Source.RULES)
    return bar_gauge(
        "Error budget left",
        "Share of the period's budget, by objective; below 0 the promise is broken. What fails "
        "counts up to two minutes late, and at first as if the whole period had as much traffic "
        "as the last hour. Good is a larger share than the part of the period that is left.",
        Unit.RATIO,
        # The worst first.
        Query(f"sort({in_legend(left)} or on (slo) ({each}))", legend_with_where("{{slo}}")),
        steps=steps(Colour.WARNING, (0.25, Colour.GOOD)),
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
        Query(now(f"min by ({BY}, slo) ({of(slo.BUDGET_LEFT)})", Source.RULES), "{{slo}}"),
        empty=_NOT_KNOWN,
    )


def burn_rates(burn: slo.BurnRate, thresholds: Thresholds) -> Panel:
    """How fast each budget burns, over the window by which ``burn`` calls somebody."""
    period, rate = thresholds.slo_period_days, of(slo.burn_rate(burn.long))
    told = tuple(
        slo.burning(one, burn, None, thresholds)
        for one in slo.promised(thresholds)
        if burn.limit in one.objective.limits
    )
    # Of the period, as above: what an outage burns is known in the outage.
    return timeseries(
        f"Burn rate over {burn.long}",
        f"At 1, a budget is used up in exactly {period} days. Above {burn.factor(period):g}, here "
        f"and over {burn.short}, it is a {burn.severity}. Good is below 1.",
        Unit.COUNT,
        Query(now(f"max by ({BY}, slo) ({rate})", Source.RULES), "{{slo}}"),
        signals=told,
        empty=_NOT_KNOWN,
    )
