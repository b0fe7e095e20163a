"""Services: each operation's rate, errors and duration, and what it waits for."""

from grafanalib import core

from alerts.model import Dashboard, Record, Unit
from alerts.signals import http, operations, release, sms
from app.core import catalogue
from app.core.catalogue import BreakerState, Component, StepStatus
from app.core.thresholds import Thresholds
from asgi_observability.catalogue import Outcome
from asgi_observability.metric import Metric
from dashboards.board import Row, dashboard
from dashboards.choices import INSTANCES, of
from dashboards.colours import Colour, neutral, steps
from dashboards.grafana import Panel
from dashboards.panels import (
    Column,
    Query,
    heatmap,
    stacked,
    stat,
    state_timeline,
    table,
    timeseries,
)
from dashboards.panels.tables import highest
from dashboards.signals import signal, signal_stat

BREAKER_STATES = {
    "0": ("closed", Colour.GOOD),
    "1": ("half open", Colour.WARNING),
    "2": ("open", Colour.BAD),
}
_DATABASE = f'component="{Component.DATABASE}"'
_WINDOW = "$__rate_interval"


def services(thresholds: Thresholds) -> core.Dashboard:
    """What is slow or fails, from the request down to the statement."""
    return dashboard(
        Dashboard.SERVICES,
        "services",
        "For people who look for the part that is slow or fails: requests, releases, the steps of "
        "an SMS, calls to upstreams, the database.",
        rows=(
            _is_it_well(thresholds),
            _requests(thresholds),
            _releases(thresholds),
            _steps(),
            _calls(thresholds),
            _database(thresholds),
            Row("Slowest operations", (_slowest(),), height=9),
            _spread(thresholds),
        ),
    )


def breakers_timeline(links: tuple[Dashboard, ...] = ()) -> Panel:
    """The state that each upstream's breakers are in; the worst, where workers differ."""

    def in_state(state: BreakerState) -> str:
        matchers = f'state="{state}"'
        return f"(max by (component) ({of(catalogue.CIRCUIT_BREAKER_STATE, matchers)}) > bool 0)"

    return state_timeline(
        "Breakers",
        "Open: calls are refused without being tried; half open: one is tried, after 60 s. Good is "
        "closed.",
        Query(
            f"clamp_max({in_state(BreakerState.OPEN)} * 2 + {in_state(BreakerState.HALF_OPEN)}, 2)",
            "{{component}}",
        ),
        states=BREAKER_STATES,
        links=links,
    )


def _is_it_well(thresholds: Thresholds) -> Row:
    return Row(
        "Does it work well?",
        height=5,
        panels=(
            stat(
                "Requests a second",
                "Without probes and scrapes. Usual follows the hour of the week: see the trends.",
                Unit.PER_SECOND,
                Query(f"sum({of(http.SERVED_RATE)})", "requests"),
                neutral(),
                links=(Dashboard.TRENDS,),
            ),
            signal_stat("Answered 5xx", release.failing(thresholds), "No requests"),
            signal_stat("Slow requests", http.slow(thresholds), "No requests"),
            signal_stat("Workflows failed", sms.failing(thresholds), "No SMS"),
            signal_stat("Capacity in use", sms.concurrency(thresholds), links=(Dashboard.TRENDS,)),
            stat(
                "Calls failing, worst component",
                "Share of calls or statements that failed over 5 minutes. Good is 0; it is "
                "orange from the limit of the alert for upstreams.",
                Unit.RATIO,
                Query(f"max({of(operations.COMPONENT_ERROR_RATIO_5M)})", "worst component"),
                steps(Colour.GOOD, (thresholds.upstream_error_ratio, Colour.WARNING)),
                empty="No calls",
            ),
            signal_stat("Breakers not closed", operations.breakers_not_closed()),
            signal_stat(
                "Fullest database pool",
                operations.pool(thresholds),
                among=INSTANCES,
                links=(Dashboard.RUNTIME,),
            ),
        ),
    )


def _requests(thresholds: Thresholds) -> Row:
    promised = Unit.SECONDS.text(thresholds.sms_latency_seconds)
    return Row(
        "Requests",
        (
            stacked(
                "Requests a second by route",
                "Without probes and scrapes. Good follows the hour. If a route disappears, it "
                "has lost its callers.",
                Unit.PER_SECOND,
                Query(_by("http_route", http.RATE, http.SERVED, "sum"), "{{http_route}}"),
                empty="No requests",
            ),
            timeseries(
                "5xx by route",
                "Share of a route's requests answered 5xx, over 5 minutes. Good is 0.",
                Unit.RATIO,
                Query(_by("http_route", http.ROUTE_ERROR_RATIO, http.SERVED), "{{http_route}}"),
                empty="No requests",
                links=(Dashboard.LOGS,),
            ),
            timeseries(
                "Slowest 1% of requests by route",
                "99th percentile over 5 minutes. A request that delivers an SMS takes as long as "
                f"its workflow; good is below {promised} for it, and much less for others.",
                Unit.SECONDS,
                Query(_by("http_route", http.P99, http.SERVED), "{{http_route}}"),
                empty="No requests",
            ),
            signal(http.route_failing(thresholds), "http_route", empty="No requests"),
            signal(http.intake_refused(thresholds), "job", empty="No SMS was brought"),
            signal(http.slow(thresholds), "job", empty="No requests"),
        ),
        columns=3,
    )


def _releases(thresholds: Thresholds) -> Row:
    return Row(
        "Releases",
        (
            signal(release.failing(thresholds), "version", empty="No requests"),
            signal(release.slow(thresholds), "version", empty="No requests"),
            signal(
                release.worse(thresholds),
                "version",
                empty="No requests, or less than two hours are known",
            ),
        ),
    )


def _steps() -> Row:
    duration = catalogue.WORKFLOW_STEP_DURATION
    done = f'status!="{StepStatus.SKIPPED}"'
    failed = f'status="{StepStatus.FAILED}"'
    processed = f"sum({_rate(catalogue.SMS_PROCESSING_DURATION.count)}) > 0"
    seconds, count = _rate(duration.sum, done), _rate(duration.count, done)
    return Row(
        "Steps of an SMS",
        (
            stacked(
                "Where the time of an SMS goes",
                "Seconds of an average SMS in each step, retries included. Good is most of it in "
                "the AI's answer. Look at a step that grows.",
                Unit.SECONDS,
                Query(f"sum by (step) ({seconds}) / on () group_left () ({processed})", "{{step}}"),
                empty="No SMS",
            ),
            timeseries(
                "Mean time of a step",
                "Steps that completed, retries included. Good is flat; a step that waits for "
                "retries takes 1 to 7 s more.",
                Unit.SECONDS,
                Query(f"sum by (step) ({seconds}) / (sum by (step) ({count}) > 0)", "{{step}}"),
                empty="No SMS",
            ),
            timeseries(
                "Steps that failed, a minute",
                "After all their retries; most of them end the workflow. Good is 0.",
                Unit.COUNT,
                Query(f"60 * sum by (step) ({_rate(duration.count, failed)})", "{{step}}"),
                empty="No step failed",
                links=(Dashboard.LOGS,),
            ),
        ),
    )


def _calls(thresholds: Thresholds) -> Row:
    upstreams = f'component!="{Component.DATABASE}"'
    return Row(
        "Calls to upstreams",
        (
            stacked(
                "Calls a second by component",
                "Each try counts, also those that an open breaker refused. Usual is a few calls "
                "for each SMS.",
                Unit.PER_SECOND,
                Query(
                    _by("component", operations.COMPONENT_RATE_5M, upstreams, "sum"),
                    "{{component}}",
                ),
                empty="No calls",
            ),
            signal(operations.failing(thresholds), "component", empty="No calls"),
            timeseries(
                "Why calls fail, failures a minute",
                "By component and type of error; circuit_open calls were refused by an open "
                "breaker. Good is 0.",
                Unit.COUNT,
                Query(
                    "60 * "
                    + _by("component, error_type", operations.ERRORS_BY_TYPE, "", "sum")
                    + " > 0",
                    "{{component}} {{error_type}}",
                ),
                empty="No calls failed",
                links=(Dashboard.LOGS,),
            ),
            timeseries(
                "Slowest 1% of calls by component",
                "99th percentile of successful calls, for the slowest operation of each "
                "component. Good is well below the 30 s after which a call is given up.",
                Unit.SECONDS,
                Query(_by("component", operations.P99, upstreams), "{{component}}"),
                empty="No calls",
                links=(Dashboard.AI,),
            ),
            timeseries(
                "Retries a minute",
                "Calls made again after a failure, 1, 2 and 4 s later. Good is 0: each retry "
                "delays an SMS.",
                Unit.COUNT,
                Query(
                    f"60 * sum by (component) ({_rate(catalogue.OPERATION_RETRIES.name)})",
                    "{{component}}",
                ),
                empty="No call was made again",
            ),
            breakers_timeline(),
            signal(operations.failing_for_minutes(thresholds), "component", empty="No calls"),
            signal(operations.slow(thresholds), "component", empty="No calls"),
            signal(
                operations.breakers_flapping(),
                "component",
                empty="No breaker has changed",
            ),
        ),
        columns=3,
    )


def _database(thresholds: Thresholds) -> Row:
    return Row(
        "Database",
        (
            stacked(
                "Statements a second",
                "By kind. Usual is about twenty for each SMS. More statements without more SMS "
                "come from a change in the code.",
                Unit.PER_SECOND,
                Query(_by("operation", operations.RATE, _DATABASE, "sum"), "{{operation}}"),
                empty="No statements",
            ),
            timeseries(
                "Slowest 1% of statements",
                "99th percentile by kind. Good is below "
                f"{Unit.SECONDS.text(thresholds.database_slow_seconds)}.",
                Unit.SECONDS,
                Query(_by("operation", operations.P99, _DATABASE), "{{operation}}"),
                empty="No statements",
            ),
            signal(operations.pool(thresholds), "instance", among=INSTANCES),
        ),
    )


def _slowest() -> Panel:
    by = "component, operation"
    return table(
        "Operations, the slowest first",
        "Over 5 minutes; durations are those of successful calls. Good is no errors, and a p99 "
        "near the p50.",
        {"component": "component", "operation": "operation"},
        Column(Query(_by(by, operations.RATE, "", "sum"), "a second"), Unit.PER_SECOND),
        Column(Query(_by(by, operations.ERROR_RATIO), "failed"), Unit.RATIO),
        # Without any success there is no quantile; the comparison drops the NaN.
        Column(Query(f"{_by(by, operations.P50)} >= 0", "p50"), Unit.SECONDS),
        Column(Query(f"{_by(by, operations.P99)} >= 0", "p99"), Unit.SECONDS),
        sort=highest("p99"),
        links=(Dashboard.AI,),
    )


def _spread(thresholds: Thresholds) -> Row:
    promised = Unit.SECONDS.text(thresholds.sms_latency_seconds)

    def spread(
        title: str, description: str, metric: Metric, matchers: str, exemplars: bool = False
    ) -> Panel:
        expr = f"sum by (le) ({_rate(metric.bucket, matchers)})"
        query = Query(expr, "{{le}}", exemplars=exemplars)
        return heatmap(title, description, Unit.SECONDS, query, empty="None in this time")

    answered = f'component="{Component.AI_PROVIDER}",outcome="{Outcome.SUCCESS}"'
    return Row(
        "How durations are spread",
        (
            spread(
                "Durations of SMS",
                "How many SMS a second took how long; each point is one SMS. Good is one dark "
                f"band below {promised}. In a second band, SMS are slow for a reason of their own.",
                catalogue.SMS_PROCESSING_DURATION,
                "",
                exemplars=True,
            ),
            spread(
                "Durations of requests",
                "How many requests a second took how long, without probes. Good is dark below "
                f"{promised} and empty above.",
                catalogue.HTTP_SERVER_REQUEST_DURATION,
                http.SERVED,
            ),
            spread(
                "Durations of the AI's answers",
                "How many answers a second took how long. Good is one dark band; if it moves up, "
                "the provider became slower.",
                catalogue.OPERATION_DURATION,
                answered,
            ),
        ),
        closed=True,
    )


def _by(labels: str, record: Record, matchers: str = "", how: str = "max") -> str:
    """``record`` of all chosen jobs, by ``labels``."""
    return f"{how} by ({labels}) ({of(record, matchers)})"


def _rate(series: str, matchers: str = "") -> str:
    return f"rate({of(series, matchers, INSTANCES)}[{_WINDOW}])"
