"""Objectives and alerts: what burns, what fires and fired, and each threshold with its signal."""

from grafanalib import core

from alerts.exporters import ALERTS, ALERTS_FOR_STATE
from alerts.identity import IDENTITY
from alerts.model import Dashboard, Severity, Signal, Team, Unit, records
from alerts.prometheus_config import scrape_seconds
from alerts.semantics import Semantics
from alerts.signals import groups, slo
from app.core.objectives import Objective
from app.core.thresholds import Thresholds
from dashboards.board import Row, dashboard
from dashboards.choices import of
from dashboards.colours import Colour, steps
from dashboards.grafana import Panel
from dashboards.panels import Column, Query, bar_gauge, state_timeline, table, timeseries
from dashboards.signals import signal

_ASKED = f'severity=~"{Severity.PAGE}|{Severity.TICKET}",team=~"{"|".join(Team)}"'
_FIRING = f'{ALERTS}{{alertstate="firing",{_ASKED}}}'


def slos_and_alerts(thresholds: Thresholds) -> core.Dashboard:
    """Promises and the calls that they lead to."""
    return dashboard(
        Dashboard.ALERTS,
        "SLOs and alerts",
        "For people who were called, and for those who tune thresholds: how fast budgets burn, "
        "what fires and fired, and every signal with its thresholds.",
        rows=(
            Row("Error budgets", (budget_left(), _budget_over_time(thresholds), firing_alerts())),
            _burn_rates(thresholds),
            _history(),
            *_signals(thresholds),
        ),
        last="6h",
    )


def firing(severity: Severity) -> str:
    """How many alerts of ``severity`` fire now; some have no job, so none is asked for."""
    return f"count({_of(severity)}) or vector(0)"


def _of(severity: Severity) -> str:
    return f'{ALERTS}{{alertstate="firing",severity="{severity}",team=~"{"|".join(Team)}"}}'


def firing_alerts() -> Panel:
    """The alerts that ask something of people now, with how long they have."""
    named = "max by (alertname, severity, team)"
    return table(
        "Alerts that fire",
        "Alerts that fire now, and for how long. Good is an empty table. Each runbook has the "
        "name of its alert.",
        {"alertname": "alert", "severity": "severity", "team": "team"},
        Column(
            Query(
                f"{named} (time() - {ALERTS_FOR_STATE}{{{_ASKED}}} "
                f"and ignoring (alertstate) {_FIRING})",
                "since it began",
            ),
            Unit.SECONDS,
        ),
        sort_by="since it began",
        links=(Dashboard.ALERTS,),
    )


def budget_left() -> Panel:
    """What is left of each objective's error budget."""
    return bar_gauge(
        "Error budget left",
        "Share of the period's budget, by objective; below 0 the promise is broken. Good is a "
        "larger share than the part of the period that is left.",
        Unit.RATIO,
        Query(f"min by (slo) ({of(slo.BUDGET_LEFT)})", "{{slo}}"),
        steps(Colour.BAD, (0, Colour.WARNING), (0.25, Colour.GOOD)),
        empty="Nothing to promise yet: no requests and no SMS",
        links=(Dashboard.ALERTS,),
        limits=(0, 1),
    )


def _budget_over_time(thresholds: Thresholds) -> Panel:
    return timeseries(
        f"Error budget left of {thresholds.slo_period_days} days",
        "Share of the budget of the period before each moment. Good is a line that does not fall "
        "for long.",
        Unit.RATIO,
        Query(f"min by (slo) ({of(slo.BUDGET_LEFT)})", "{{slo}}"),
        empty="Nothing to promise yet: no requests and no SMS",
    )


def _burn_rates(thresholds: Thresholds) -> Row:
    """The burn rates of each objective over the windows that call somebody."""

    def of_objective(objective: Objective) -> Panel:
        budget, matchers = Unit.RATIO.text(objective.budget), f'slo="{objective.name}"'
        return timeseries(
            f"{objective.name}: how fast its budget burns",
            f"Promised: {Unit.RATIO.text(objective.objective)} of {objective.promise}. At 1, the "
            f"budget of {budget} is used up in exactly the period. Time of which nothing is known "
            "counts as fine. An alert needs both windows of a pair above the rate: "
            + ", ".join(
                f"{burn.factor(thresholds.slo_period_days):g} over {burn.long} and {burn.short} "
                f"({burn.severity})"
                for burn in slo.BURN_RATES
                if burn.limit in objective.limits
            )
            + ". Good is below 1.",
            Unit.COUNT,
            *(
                Query(f"max({of(slo.burn_rate(window), matchers)})", window)
                for window in dict.fromkeys(
                    each for burn in slo.BURN_RATES for each in (burn.short, burn.long)
                )
            ),
            empty="Nothing known of these windows",
        )

    return Row(
        "Burn rates", tuple(of_objective(each.objective) for each in slo.promised(thresholds))
    )


def _history() -> Row:
    return Row(
        "Alerts over time",
        (
            state_timeline(
                "What fired",
                "Each alert that fired within the range, by name and severity. Good is no lane, "
                "or short ones.",
                # 2 for pages and 1 for tickets, so that lanes are coloured by severity.
                Query(
                    f"max by (alertname, severity) ({_of(Severity.PAGE)} * 2 "
                    f"or {_of(Severity.TICKET)})",
                    "{{alertname}} ({{severity}})",
                ),
                states={"1": ("ticket", Colour.WARNING), "2": ("page", Colour.BAD)},
                empty="No alert fired",
            ),
            timeseries(
                "Alerts by severity",
                "How many fire at the same time. Good is none.",
                Unit.COUNT,
                Query(firing(Severity.PAGE), "page", colour=Colour.BAD),
                Query(firing(Severity.TICKET), "ticket", colour=Colour.WARNING),
            ),
        ),
        height=9,
        widths=(16, 8),
    )


def _signals(thresholds: Thresholds) -> list[Row]:
    """Every signal with its thresholds, in closed rows by subject."""
    all_groups = groups(thresholds)
    semantics = Semantics(records(all_groups), scrape_seconds())
    by_subject: dict[str, list[Panel]] = {}
    for group in all_groups:
        panels = [_signal(each, semantics) for each in group.signals]
        by_subject.setdefault(group.source or group.name, []).extend(panels)
    return [
        Row(f"Signals: {subject}", tuple(panels), columns=3, closed=True)
        for subject, panels in by_subject.items()
        if panels
    ]


def _signal(watched: Signal, semantics: Semantics) -> Panel:
    labels = semantics.labels(str(watched.source)) or frozenset()
    # Without those that may be missing: Grafana may show the name of a label that a line lacks.
    varying = sorted(labels - {"job", "slo", "signal", *IDENTITY}) or ["job"]
    return signal(watched, *varying, empty="No data of the chosen jobs")
