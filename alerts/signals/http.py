"""Requests to the orchestrator: rate, errors, duration by route."""

from alerts.counted import LASTING, added, events, seen, share
from alerts.logs import LogQuery
from alerts.model import (
    Comparison,
    Dashboard,
    Group,
    Guard,
    Record,
    Severity,
    Signal,
    Team,
    Threshold,
    Unit,
)
from alerts.promql import at_most, beyond, or_zero, ratio, seconds
from alerts.signals.slo import BURN_RATES, burn_rate, counted
from app.core import catalogue
from app.core.events import DatabaseFailed, OperationRetried
from app.core.objectives import AVAILABILITY, PROBES, REQUESTS
from app.core.thresholds import Thresholds
from asgi_observability.events import OperationSlow, Request, UnhandledError

_COUNT = catalogue.HTTP_SERVER_REQUEST_DURATION.count
_BUCKET = catalogue.HTTP_SERVER_REQUEST_DURATION.bucket
_METHOD, ROUTE, STATUS = catalogue.HTTP_SERVER_REQUEST_DURATION.label_names

SERVED = f'{ROUTE}!~"{"|".join(PROBES)}"'

BY_STATUS = Record(
    f"job_{ROUTE}_{STATUS}:{_COUNT}:rate5m",
    f"sum by (job, {ROUTE}, {STATUS}) (rate({_COUNT}[5m]))",
)
RATE = Record(f"job_{ROUTE}:{_COUNT}:rate5m", f"sum by (job, {ROUTE}) ({BY_STATUS})")
_FAILED = f'{{{STATUS}=~"5.."}}'
_ROUTE_ERRORS = or_zero(f"sum by (job, {ROUTE}) ({BY_STATUS}{_FAILED})", RATE.name)
ROUTE_ERROR_RATIO = Record(
    f"job_{ROUTE}:{_COUNT}:error_ratio_rate5m",
    ratio(f"({_ROUTE_ERRORS})", RATE.name),
)

SERVED_RATE = Record(f"job:{_COUNT}:served_rate5m", f"sum by (job) ({RATE}{{{SERVED}}})")
_SLOW = f"job:{_COUNT}:served_slow_rate5m"
SERVED_SLOW_RATIO = Record(f"job:{_COUNT}:served_slow_ratio_rate5m", ratio(_SLOW, SERVED_RATE.name))

# Of each route: an hour, because some are asked only now and then.
_SERVED = counted(AVAILABILITY, REQUESTS)
ROUTE_SERVED = Record(f"job_{ROUTE}:{_COUNT}:served_rate2m", f"sum by (job, {ROUTE}) ({_SERVED})")
ROUTE_ERRORS = Record(
    f"job_{ROUTE}:{_COUNT}:served_error_rate2m", f"sum by (job, {ROUTE}) ({_SERVED}{_FAILED})"
)
ROUTE_ERRORS_1H = Record(
    f"job_{ROUTE}:{_COUNT}:served_error_increase1h", added(ROUTE_ERRORS.name, "1h")
)
ROUTE_ERRORS_SEEN = Record(
    f"job_{ROUTE}:{_COUNT}:served_error_seen1h", seen(ROUTE_ERRORS.name, "1h")
)
ROUTE_ERROR_RATIO_1H = Record(
    f"job_{ROUTE}:{_COUNT}:served_error_ratio_rate1h",
    share(ROUTE_ERRORS.name, ROUTE_SERVED.name, "1h"),
)

# Incoming SMS that are refused, so that nobody knows of them.
BRINGS_SMS = f'{ROUTE}="/orchestrate/sms-received"'
INTAKE_BY_STATUS = Record(
    f"job_{STATUS}:{_COUNT}:intake_rate2m", events(f"{_COUNT}{{{BRINGS_SMS}}}", f"job, {STATUS}")
)
INTAKE = Record(f"job:{_COUNT}:intake_rate2m", f"sum by (job) ({INTAKE_BY_STATUS})")
# 499: the client left before it was answered, which a slow service is the cause of.
_REFUSED = f'{STATUS}=~"4..",{STATUS}!="499"'
REFUSED = Record(
    f"job:{_COUNT}:intake_refused_rate2m",
    or_zero(f"sum by (job) ({INTAKE_BY_STATUS}{{{_REFUSED}}})", INTAKE.name),
)
REFUSED_5M = Record(f"job:{_COUNT}:intake_refused_increase5m", added(REFUSED.name, "5m"))
REFUSED_SEEN = Record(f"job:{_COUNT}:intake_refused_seen5m", seen(REFUSED.name, "5m"))
REFUSED_RATIO = Record(
    f"job:{_COUNT}:intake_refused_ratio_rate5m", share(REFUSED.name, INTAKE.name, "5m")
)


def served_slow(thresholds: Thresholds) -> Record:
    """Requests a second that took longer than a release may."""
    within = at_most(
        catalogue.HTTP_SERVER_REQUEST_DURATION,
        thresholds.rollback_latency_seconds,
        "rollback_latency_seconds",
    )
    kept = f"sum by (job) (rate({_BUCKET}{{{within},{SERVED}}}[5m]))"
    return Record(_SLOW, beyond(SERVED_RATE.name, kept, "job"))


def slow(thresholds: Thresholds) -> Signal:
    """The share of requests that took too long.

    A share, not a quantile: the limit is a bucket's bound, so it is exact. And not p99: a request
    for an SMS holds its retries, which wait up to 7 s and mostly help; one in a hundred of these is
    an upstream's hiccup.
    """
    limit = Unit.SECONDS.text(thresholds.rollback_latency_seconds)
    return Signal(
        title=f"Requests slower than {limit}",
        meaning=f"Share of requests, without probes, that took longer than {limit} over 5 "
        "minutes. Good is 0.",
        unit=Unit.RATIO,
        source=SERVED_SLOW_RATIO,
        thresholds=(
            Threshold(
                alert="HTTPResponsesSlow",
                comparison=Comparison.ABOVE,
                value=thresholds.slow_ratio,
                # SMS that are late page by their budget, a slow release by its name.
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary=f"Too many requests to {{{{ $labels.job }}}} take longer than {limit}",
                description="Callers wait, give up and try again, which adds load. Share of "
                "requests over 5 minutes.",
                action="See whether an upstream, the database or the process itself is slow.",
                pending="6m",
                keep_firing="5m",
                guards=(
                    Guard(
                        served_slow(thresholds),
                        Comparison.AT_LEAST,
                        thresholds.minimum_failures,
                        times=seconds("5m"),
                    ),
                ),
                logs=LogQuery((OperationSlow, OperationRetried)),
                absence="ServiceDown",
            ),
        ),
    )


def route_failing(thresholds: Thresholds) -> Signal:
    """The share of each route's requests that failed: the whole hides a route that few use."""
    paged = BURN_RATES[0]
    return Signal(
        title="5xx by route",
        meaning="Share of a route's requests answered 5xx over an hour. Good is 0.",
        unit=Unit.RATIO,
        source=ROUTE_ERROR_RATIO_1H,
        thresholds=(
            Threshold(
                alert="RouteFailing",
                comparison=Comparison.ABOVE,
                value=thresholds.route_error_ratio,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="{{ $labels.job }} fails requests for {{ $labels.http_route }}",
                description="What this route is for does not work, or not always. Share of its "
                "requests over an hour.",
                action="Find the exception in the log, and repeat one of the requests.",
                pending="10m",
                keep_firing="5m",
                guards=(
                    Guard(
                        ROUTE_ERRORS_1H,
                        Comparison.AT_LEAST,
                        thresholds.minimum_failures,
                        on=("job", ROUTE),
                    ),
                    Guard(ROUTE_ERRORS_SEEN, Comparison.AT_LEAST, LASTING, on=("job", ROUTE)),
                    # Where it is enough of all requests, their budget has paged.
                    Guard(
                        burn_rate(paged.long),
                        Comparison.BELOW,
                        paged.factor(thresholds.slo_period_days),
                        matchers=f'slo="{AVAILABILITY}"',
                    ),
                ),
                logs=LogQuery((UnhandledError, DatabaseFailed)),
            ),
        ),
    )


def intake_refused(thresholds: Thresholds) -> Signal:
    """The share of incoming SMS that are answered 4xx."""

    def threshold(severity: Severity, value: float, how_many: str, pending: str) -> Threshold:
        return Threshold(
            alert="SMSRefused",
            comparison=Comparison.ABOVE,
            value=value,
            # A refused SMS is in no other metric, and no budget counts it.
            severity=severity,
            team=Team.ORCHESTRATOR,
            summary=f"{{{{ $labels.job }}}} refuses {how_many} SMS that are brought to it",
            description="These SMS are lost unless they are brought again: tenants get no "
            "answer. Share of SMS refused over 5 minutes.",
            action="See by status why: 401 and 403 are a token that was changed on one side, "
            "422 is a format that was changed, 429 is a limit.",
            pending=pending,
            keep_firing="1m",
            guards=(
                Guard(REFUSED_5M, Comparison.AT_LEAST, thresholds.minimum_failures),
                Guard(REFUSED_SEEN, Comparison.AT_LEAST, LASTING),
            ),
            logs=LogQuery((Request,), where={"route": "/orchestrate/sms-received"}),
            absence="ServiceDown",
        )

    return Signal(
        title="Incoming SMS refused",
        meaning="Share of requests that bring an SMS and were answered 4xx over 5 minutes. Good "
        "is 0; one client's bad requests are a small share.",
        unit=Unit.RATIO,
        source=REFUSED_RATIO,
        thresholds=(
            # A client that repeats a few bad requests at night gives up.
            threshold(Severity.PAGE, thresholds.intake_refused_ratio, "most", "3m"),
            # One of two gateways that is refused is less than most.
            threshold(Severity.TICKET, thresholds.intake_refused_ticket_ratio, "many", "15m"),
        ),
    )


def group(thresholds: Thresholds) -> Group:
    """The rules of HTTP."""
    return Group(
        name="http",
        dashboard=Dashboard.SERVICES,
        about="Requests by route, and of the whole service without its probes.",
        follows=("slo_events", "slo"),
        records=(
            *(BY_STATUS, RATE, ROUTE_ERROR_RATIO),
            *(SERVED_RATE, served_slow(thresholds)),
            *(ROUTE_SERVED, ROUTE_ERRORS, ROUTE_ERRORS_1H, ROUTE_ERRORS_SEEN),
            *(INTAKE_BY_STATUS, INTAKE, REFUSED, REFUSED_5M, REFUSED_SEEN),
        ),
        signals=(slow(thresholds), route_failing(thresholds), intake_refused(thresholds)),
    )
