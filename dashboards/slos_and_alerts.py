"""Objectives and alerts: what burns, what fires and fired, and each alert with its limit."""

from collections.abc import Iterable, Sequence

from grafanalib import core

from alerts.model import Dashboard, Group
from alerts.signals import slo
from app.core.config import Links
from app.core.thresholds import Thresholds
from dashboards.board import Row, dashboard
from dashboards.budgets import budget_over_time, burn_rates
from dashboards.firing import firing_alerts, what_fired
from dashboards.signal_table import Place, signal_table


def slos_and_alerts(
    thresholds: Thresholds,
    groups: Iterable[Group],
    links: Links,
    places: Sequence[Place],
) -> core.Dashboard:
    """Promises and the calls that they lead to; ``places`` are the other dashboards' panels."""
    groups = list(groups)
    rows = _rows(thresholds, groups, links)
    own = [Place.of(Dashboard.ALERTS, panel) for row in rows for panel in row.panels]
    return dashboard(
        Dashboard.ALERTS,
        "SLOs and alerts",
        "For people who were called, and for those who tune thresholds: how fast budgets burn, "
        "what fires and fired, and every alert beside its limit.",
        rows=(
            *rows,
            Row("Every alert", (signal_table(groups, [*own, *places]),), height=20, closed=True),
        ),
        last="6h",
    )


def _rows(thresholds: Thresholds, groups: Sequence[Group], links: Links) -> list[Row]:
    return [
        Row("", (firing_alerts(groups, links),)),
        Row("", (what_fired(),), height=10),
        Row(
            "What is left of the budgets, and how fast do they burn?",
            (
                budget_over_time(thresholds),
                *(burn_rates(each, thresholds) for each in slo.BURN_RATES),
            ),
            columns=2,
        ),
    ]
