"""Services: each route and operation, its rate, errors and duration, and what it waits for."""

from grafanalib import core

from alerts.model import Dashboard, Record, Unit
from alerts.promql import ratio
from alerts.signals import durations, http, operations, release, sms
from app.core import catalogue
from app.core.catalogue import UPSTREAMS, BreakerState, Component, StepStatus
from app.core.thresholds import Thresholds
from dashboards.board import Row, dashboard
from dashboards.choices import of
from dashboards.colours import Colour, steps
from dashboards.deployments import BY
from dashboards.grafana import Panel
from dashboards.panels import (
    Column,
    Query,
    heatmap,
    stacked,
    state_timeline,
    table,
    timeseries,
)
from dashboards.panels.graphs import dashed
from dashboards.panels.tables import Heading, highest
from dashboards.signals import alerts_in_words, signal

_WINDOW = "$__rate_interval"


def services(thresholds: Thresholds) -> core.Dashboard:
    """What is slow or fails, from the request down to the statement."""
    return dashboard(
        Dashboard.SERVICES,
        "services",
        "For people who look for the part that is slow or fails: requests, releases, the steps of "
        "an SMS, calls to upstreams, the database.",
        rows=(
            # What is called first: half of the pages that lead here are about that.
            Row("", (_operations(), _routes()), widths=(24, 24)),
            Row("Calls to upstreams and the database", (_breakers(),), height=6),
            _calls(thresholds),
            _requests(thresholds),
            _releases(thresholds),
            _steps(thresholds),
            _database(thresholds),
            _spread(thresholds),
        ),
    )


def _requests(thresholds: Thresholds) -> Row:
    return Row(
        "Requests",
        (
            signal(http.route_failing(thresholds), "http_route"),
            signal(http.intake_refused(thresholds), "job"),
        ),
        height=10,
    )


def _routes() -> Panel:
    """Rate, errors and duration of each route, in one table."""
    refused = f'{http.STATUS}=~"4..",{http.SERVED}'
    route = f"{BY}, {http.ROUTE}"
    served = _by(route, http.RATE, http.SERVED, "sum")
    # A route that has refused nothing yet has no series of it.
    share_refused = ratio(f"({_by(route, http.BY_STATUS, refused, 'sum')} or 0 * {served})", served)
    return table(
        "Routes: rate, errors, duration",
        "Over 5 minutes, without probes. Good is no 5xx; 4xx are what clients did wrong, or a "
        "token that was changed. Usual is a p99 below the time that is promised.",
        {http.ROUTE: Heading("route")},
        Column(
            Query(served, "requests"),
            Unit.PER_SECOND,
            width=90,
        ),
        Column(
            Query(_by(route, http.ROUTE_ERROR_RATIO, http.SERVED), "5xx"),
            Unit.RATIO,
            steps(Colour.GOOD, (1e-6, Colour.WARNING)),
            width=90,
        ),
        Column(Query(share_refused, "4xx"), Unit.RATIO, width=90),
        Column(
            Query(_by(route, durations.REQUEST_P99), "p99"),
            Unit.SECONDS,
            width=90,
        ),
        sort=highest("5xx"),
        links=(Dashboard.LOGS,),
    )


def _releases(thresholds: Thresholds) -> Row:
    return Row(
        "Releases",
        (
            signal(release.failing(thresholds), "version"),
            _slow(thresholds),
            signal(
                release.worse(thresholds),
                "version",
                empty="Not known; needs two hours with requests",
            ),
        ),
    )


def _slow(thresholds: Thresholds) -> Panel:
    """The share of all requests that takes too long, and that of each version's."""
    every, by_version = http.slow(thresholds), release.slow(thresholds)
    return timeseries(
        every.title,
        f"{every.meaning}\n\n{alerts_in_words(every)}\n{alerts_in_words(by_version)}",
        every.unit,
        Query(f"max({of(every.source)})", "all", colour=Colour.MUTED),
        Query(of(by_version.source), "{{version}}"),
        signals=(every, by_version),
    )


def _steps(thresholds: Thresholds) -> Row:
    duration = catalogue.WORKFLOW_STEP_DURATION
    done = f'status!="{StepStatus.SKIPPED}"'
    processed = f"sum({_rate(catalogue.SMS_PROCESSING_DURATION.count)}) > 0"
    seconds = _rate(duration.sum, done)
    return Row(
        "Steps of an SMS",
        (
            stacked(
                "Time of an SMS by step",
                "Seconds of an average SMS in each step, retries included. Good is most of it in "
                "the AI's answer. Look at a step that grows.",
                Unit.SECONDS,
                Query(f"sum by (step) ({seconds}) / on () group_left () ({processed})", "{{step}}"),
            ),
            signal(sms.failing(thresholds), "cause"),
            signal(sms.concurrency(thresholds), links=(Dashboard.TRENDS,)),
        ),
        height=10,
        widths=(24, 12, 12),
    )


def _calls(thresholds: Thresholds) -> Row:
    failed = _by("component, error_type", operations.ERRORS_BY_TYPE, "", "sum")
    return Row(
        "",
        height=10,
        panels=(
            _failing(thresholds),
            timeseries(
                "Why calls fail, a minute",
                "All, and by component and type of error where there are some; circuit_open: "
                "refused by an open breaker. Good is 0.",
                Unit.COUNT,
                Query(f"60 * sum({of(operations.ERRORS_BY_TYPE)})", "all", colour=Colour.MUTED),
                Query(f"60 * {failed} > 0", "{{component}} {{error_type}}"),
                links=(Dashboard.LOGS,),
            ),
            timeseries(
                "p99 of calls",
                "Successful calls, the slowest operation of each component. Good is well below "
                "the 30 s after which a call is given up.",
                Unit.SECONDS,
                Query(
                    _by("component", durations.P99, f'component!="{Component.DATABASE}"'),
                    "{{component}}",
                ),
                links=(Dashboard.AI,),
            ),
        ),
    )


def _operations() -> Panel:
    by = f"{BY}, component, operation"
    calls = _by(by, operations.RATE, "", "sum")
    # What is never tried again has no series of it.
    retried = f"60 * sum by ({by}) ({_rate(catalogue.OPERATION_RETRIES.name)}) or 0 * {calls}"
    return table(
        "Operations: rate, errors, duration",
        "Over 5 minutes; durations are those of successful calls. Good is no errors, no retries, "
        "and a p99 near the median.",
        {"component": Heading("component", width=150), "operation": Heading("operation")},
        Column(Query(calls, "calls"), Unit.PER_SECOND, width=90),
        Column(
            Query(_by(by, operations.ERROR_RATIO), "failed"),
            Unit.RATIO,
            steps(Colour.GOOD, (1e-6, Colour.WARNING)),
            width=90,
        ),
        Column(Query(retried, "retries/min"), Unit.COUNT, width=90),
        Column(Query(_by(by, durations.P50), "median"), Unit.SECONDS, width=90),
        Column(Query(_by(by, durations.P99), "p99"), Unit.SECONDS, width=90),
        sort=highest("failed"),
    )


def _breakers() -> Panel:
    """The state that each upstream's breakers are in; the worst, where instances differ."""

    def any_of(series: str) -> str:
        return f"(max by ({BY}) ({series}) > bool 0)"

    def worst(component: Component) -> str:
        matchers = f'component="{component}"'
        open_ = of(catalogue.CIRCUIT_BREAKER_STATE, f'{matchers},state="{BreakerState.OPEN}"')
        not_closed = of(operations.BREAKERS_NOT_CLOSED, matchers)
        return f"clamp_max(2 * {any_of(open_)} + {any_of(not_closed)}, 2)"

    return state_timeline(
        "Breakers",
        "Open: calls are refused without being tried; half open: one is tried, after 60 s. Good is "
        "closed.",
        *(Query(worst(component), component.value) for component in UPSTREAMS),
        states={
            "0": ("closed", Colour.GOOD),
            "1": ("half open", Colour.WARNING),
            "2": ("open", Colour.BAD),
        },
        empty="Not known",
    )


def _failing(thresholds: Thresholds) -> Panel:
    """The share that fails, over a minute and over five: some alerts ask for the one, some both."""
    fast, slow = operations.failing(thresholds), operations.failing_for_minutes(thresholds)
    return timeseries(
        "Failing calls",
        "Share of calls and statements that failed or were refused by an open breaker, over a "
        "minute, and dashed over 5 minutes. Good is 0.\n\n"
        f"{alerts_in_words(fast)}\n{alerts_in_words(slow)}",
        Unit.RATIO,
        Query(of(fast.source), "{{component}}"),
        dashed(Query(of(slow.source), "{{component}}, 5 min")),
        signals=(fast, slow),
    )


def _database(thresholds: Thresholds) -> Row:
    return Row(
        "Database",
        (
            signal(operations.slow(thresholds), "component"),
            signal(operations.pool(thresholds), "instance"),
        ),
    )


def _spread(thresholds: Thresholds) -> Row:
    promised = Unit.SECONDS.text(thresholds.sms_latency_seconds)

    took = f"sum by (le) ({_rate(catalogue.SMS_PROCESSING_DURATION.bucket)})"
    return Row(
        "How durations are spread",
        (
            heatmap(
                "Durations of SMS",
                "How many SMS a second took how long; each point is one SMS, and opens its log "
                f"lines. Good is one bright band below {promised}. In a second band, SMS are slow "
                "for a reason of their own.",
                Unit.SECONDS,
                Query(took, "{{le}}", exemplars=True),
            ),
        ),
        closed=True,
    )


def _by(labels: str, record: Record, matchers: str = "", how: str = "max") -> str:
    """``record`` of all chosen jobs, by ``labels``."""
    return f"{how} by ({labels}) ({of(record, matchers)})"


def _rate(series: str, matchers: str = "") -> str:
    return f"rate({of(series, matchers)}[{_WINDOW}])"
