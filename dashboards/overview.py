"""The overview: is it well, where not, since when, what next."""

from collections.abc import Iterable

from grafanalib import core

from alerts.exporters import UP
from alerts.model import Dashboard, Group, Unit
from alerts.signals import arrivals, release, runtime, slo, sms
from app.core.config import Links
from app.core.thresholds import Thresholds
from dashboards.board import Row, dashboard
from dashboards.budgets import budget_left
from dashboards.choices import TARGETS, of
from dashboards.colours import FURTHEST_TAIL, MEDIAN, TAIL, Colour, steps
from dashboards.components import component_states
from dashboards.deployments import BY, beside_release
from dashboards.firing import firing_alerts, pages, tickets
from dashboards.grafana import Panel
from dashboards.known import DOWN, NO_TARGET, REACHABLE_NOW
from dashboards.panels import Column, Query, stacked, stat, table, timeseries
from dashboards.panels.tables import lowest
from dashboards.signals import signal


def overview(thresholds: Thresholds, groups: Iterable[Group], links: Links) -> core.Dashboard:
    """The dashboard to begin with."""
    return dashboard(
        Dashboard.OVERVIEW,
        "overview",
        "For people on call: is it well, where not, since when, and where to look next.",
        rows=(
            Row(
                "",
                (
                    pages(Dashboard.ALERTS),
                    tickets(Dashboard.ALERTS),
                    _availability(thresholds),
                    _in_time(thresholds),
                    _traffic(thresholds),
                ),
                height=4,
                widths=(4, 5, 5, 5, 5),
            ),
            Row("", (component_states(thresholds),), height=9),
            Row("What next?", (firing_alerts(groups, links),)),
            Row("", (_instances_down(), _running()), height=4, widths=(6, 18)),
            Row("Promises and traffic", (budget_left(thresholds, (Dashboard.ALERTS,)),), height=9),
            Row("", (_traffic_over_time(), _routes())),
            Row(
                "Latency, errors, saturation",
                (
                    _latency(thresholds),
                    signal(release.failing(thresholds), "version"),
                    signal(sms.concurrency(thresholds)),
                ),
            ),
        ),
    )


def _availability(thresholds: Thresholds) -> Panel:
    ratio = f"1 - max({of(slo.error_ratio('1h'), _slo('availability'))})"
    # Of several deployments the worst: one that works hides none that doesn't.
    reachable = f"min({REACHABLE_NOW})"
    return stat(
        "API availability",
        "Share of the requests of an hour that were not answered 5xx, without probes. Good is at "
        f"or above the objective of {Unit.RATIO.text(thresholds.availability_objective)}. "
        "What can't be reached is down, whatever was answered before. No targets: Prometheus is "
        "told of nothing to scrape, so that nobody knows whether it answers.",
        Unit.RATIO,
        Query(
            f"({ratio}) and on () ({reachable} == 1) or min({DOWN}) - 1 or min({NO_TARGET}) - 2",
            "availability",
        ),
        steps(
            Colour.BAD,
            (1 - thresholds.rollback_error_ratio, Colour.WARNING),
            (thresholds.availability_objective, Colour.GOOD),
        ),
        texts={"-1": ("Down", Colour.BAD), "-2": ("No targets", Colour.BAD)},
        empty="Not known",
        links=(Dashboard.SERVICES,),
        decimals=2,
    )


def _in_time(thresholds: Thresholds) -> Panel:
    promised = Unit.SECONDS.text(thresholds.sms_latency_seconds)
    in_time = f"1 - max({of(slo.error_ratio('5m'), _slo('sms_latency'))})"
    return stat(
        f"SMS within {promised}",
        f"Of the last 5 minutes. Promised: {Unit.RATIO.text(thresholds.sms_latency_objective)} of "
        "all SMS.",
        Unit.RATIO,
        Query(in_time, "in time"),
        steps(Colour.WARNING, (thresholds.sms_latency_objective, Colour.GOOD)),
        empty="Not known",
        links=(Dashboard.SERVICES,),
        decimals=1,
    )


def _traffic(thresholds: Thresholds) -> Panel:
    missing = arrivals.silence(thresholds)
    few = Unit.RATIO.text(thresholds.sms_missing_ticket_ratio)
    return stat(
        "SMS vs usual",
        "SMS as a share of the quietest of the hours around this one in past weeks. "
        f"{missing.meaning} Below {few} some are missing.",
        Unit.RATIO,
        # By what pages: over an hour it would be green for most of a silent one.
        Query(f"min({of(missing.source)})", "of usual"),
        steps(
            Colour.BAD,
            (thresholds.sms_missing_page_ratio, Colour.WARNING),
            (thresholds.sms_missing_ticket_ratio, Colour.GOOD),
        ),
        empty="Not known",
        links=(Dashboard.TRENDS,),
        decimals=0,
    )


def _instances_down() -> Panel:
    up, any_up = of(UP), f"max({REACHABLE_NOW})"
    some = f"count({up}) - sum({up}) and min({REACHABLE_NOW}) > 0"
    # Of one deployment all are, of another perhaps none.
    all_of_any = f"2 * ({any_up} == bool 0) - 3 and min({DOWN}) == 0"
    return stat(
        "Down",
        "Instances of the orchestrator that Prometheus can't reach. Good is 0. Where all are down, "
        "or all of one deployment, somebody is called. No targets: Prometheus is told of none.",
        Unit.COUNT,
        Query(f"{some} or {all_of_any} or min({NO_TARGET}) - 2", "down"),
        steps(Colour.GOOD, (1, Colour.WARNING)),
        texts={
            "-1": ("All", Colour.BAD),
            "-2": ("No targets", Colour.BAD),
            "-3": ("All of one deployment", Colour.BAD),
        },
        empty="Not known",
        links=(Dashboard.MONITORING,),
    )


def _running() -> Panel:
    age = of(runtime.UPTIME, among=TARGETS)
    runs_for = beside_release(age, TARGETS)
    by = f"{BY}, version"
    return table(
        "Releases",
        "What runs, since when its youngest instance runs, and how many instances. Good is one "
        "release.",
        {"version": "release"},
        Column(Query(f"min by ({by}) ({runs_for})", "runs for"), Unit.SECONDS),
        Column(Query(f"count by ({by}) ({runs_for})", "instances"), Unit.COUNT),
        sort=lowest("runs for"),
    )


def _traffic_over_time() -> Panel:
    usual = of(arrivals.USUAL)
    return timeseries(
        "SMS a minute",
        "SMS accepted, without repeated deliveries, and the quietest of the hours around this one "
        "in past weeks. Good is above.",
        Unit.COUNT,
        Query(f"60 * sum({of(sms.RECEIVED)})", "now", colour=Colour.NEUTRAL),
        Query(f"60 * sum({usual})", "usual at least", colour=Colour.MUTED),
        links=(Dashboard.TRENDS,),
    )


def _latency(thresholds: Thresholds) -> Panel:
    return timeseries(
        "Time to process an SMS",
        "From accepting an SMS until it is sent, queued or escalated. Good is a p99 below "
        f"{Unit.SECONDS.text(thresholds.sms_latency_seconds)}, the promise.",
        Unit.SECONDS,
        Query(f"max({of(sms.P50)})", "median", colour=MEDIAN),
        Query(f"max({of(sms.P90)})", "p90", colour=TAIL),
        Query(f"max({of(sms.P99)})", "p99", colour=FURTHEST_TAIL),
        links=(Dashboard.SERVICES,),
    )


def _routes() -> Panel:
    return stacked(
        "Where SMS end, a minute",
        "failed: an upstream's failure ended the workflow; it can be run again. Good is no failed "
        "ones.",
        Unit.COUNT,
        Query(f"60 * sum by (route) ({of(sms.BY_ROUTE)})", "{{route}}"),
        links=(Dashboard.BUSINESS,),
    )


def _slo(name: str) -> str:
    return f'slo="{name}"'
