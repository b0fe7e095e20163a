"""Requests to the orchestrator: rate, errors, duration by route."""

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
from alerts.promql import at_most, or_zero, quantile, ratio, seconds
from app.core import catalogue
from app.core.events import DatabaseFailed, OperationRetried
from app.core.thresholds import Thresholds
from asgi_observability.events import OperationSlow, UnhandledError

_COUNT = catalogue.HTTP_SERVER_REQUEST_DURATION.count
_BUCKET = catalogue.HTTP_SERVER_REQUEST_DURATION.bucket
_METHOD, ROUTE, STATUS = catalogue.HTTP_SERVER_REQUEST_DURATION.label_names

# Probes and scrapes come however few people use the service. They would hide failures at night, and
# /health/dependencies answers 503 because of others.
SERVED = f'{ROUTE}!~"/metrics|/health|/health/dependencies"'

RATE = Record(f"job_{ROUTE}:{_COUNT}:rate5m", f"sum by (job, {ROUTE}) (rate({_COUNT}[5m]))")
_ROUTE_ERRORS = or_zero(f'sum by (job, {ROUTE}) (rate({_COUNT}{{{STATUS}=~"5.."}}[5m]))', RATE.name)
ROUTE_ERROR_RATIO = Record(
    f"job_{ROUTE}:{_COUNT}:error_ratio_rate5m",
    ratio(f"({_ROUTE_ERRORS})", RATE.name),
)
P50 = Record(
    f"job_{ROUTE}:{catalogue.HTTP_SERVER_REQUEST_DURATION.name}:p50_rate5m",
    quantile(0.5, _BUCKET, f"job, {ROUTE}", "5m"),
)
P99 = Record(
    f"job_{ROUTE}:{catalogue.HTTP_SERVER_REQUEST_DURATION.name}:p99_rate5m",
    quantile(0.99, _BUCKET, f"job, {ROUTE}", "5m"),
)


SERVED_RATE = Record(
    f"job:{_COUNT}:served_rate5m", f"sum by (job) (rate({_COUNT}{{{SERVED}}}[5m]))"
)
SERVED_ERRORS = Record(
    f"job:{_COUNT}:served_error_rate5m",
    or_zero(f'sum by (job) (rate({_COUNT}{{{STATUS}=~"5..",{SERVED}}}[5m]))', SERVED_RATE.name),
)
SERVED_ERROR_RATIO = Record(
    f"job:{_COUNT}:served_error_ratio_rate5m", ratio(SERVED_ERRORS.name, SERVED_RATE.name)
)
_SLOW = f"job:{_COUNT}:served_slow_rate5m"
SERVED_SLOW_RATIO = Record(f"job:{_COUNT}:served_slow_ratio_rate5m", ratio(_SLOW, SERVED_RATE.name))


def served_slow(thresholds: Thresholds) -> Record:
    """Requests a second that took longer than a release may."""
    within = at_most(
        catalogue.HTTP_SERVER_REQUEST_DURATION,
        thresholds.rollback_latency_seconds,
        "rollback_latency_seconds",
    )
    return Record(_SLOW, f"{SERVED_RATE} - sum by (job) (rate({_BUCKET}{{{within},{SERVED}}}[5m]))")


def erring(thresholds: Thresholds) -> Signal:
    """The share of requests that the service itself failed."""
    return Signal(
        title="Requests answered 5xx",
        meaning="Share of requests, without probes, answered 5xx over 5 minutes. Good is 0. Above "
        "the line, roll back the release.",
        unit=Unit.RATIO,
        source=SERVED_ERROR_RATIO,
        thresholds=(
            Threshold(
                alert="HTTPErrorsHigh",
                comparison=Comparison.ABOVE,
                value=thresholds.rollback_error_ratio,
                severity=Severity.PAGE,
                team=Team.ORCHESTRATOR,
                summary="{{ $labels.job }} answers too many requests with 5xx",
                description="Callers get errors: SMS are not accepted, managers can't decide. "
                "Share of requests over 5 minutes.",
                action="If there was a release just before, roll it back now. Otherwise find the "
                "failing route and its exception in the log.",
                pending="1m",
                keep_firing="1m",
                guards=(_enough(SERVED_ERRORS, thresholds),),
                logs=LogQuery((UnhandledError, DatabaseFailed)),
                absence="TargetDown",
            ),
        ),
    )


def slow(thresholds: Thresholds) -> Signal:
    """The share of requests that took too long.

    A share, not a quantile: the limit is a bucket's bound, so it is exact. And not p99: a request
    for an SMS holds its retries, which wait up to 7 s and mostly help; one in a hundred of these is
    an upstream's hiccup and no release to be rolled back.
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
                severity=Severity.PAGE,
                team=Team.ORCHESTRATOR,
                summary=f"Too many requests to {{{{ $labels.job }}}} take longer than {limit}",
                description="Callers wait, give up and try again, which adds load. Share of "
                "requests over 5 minutes.",
                action="If there was a release just before, roll it back now. Otherwise see "
                "whether an upstream, the database or the process itself is slow.",
                pending="2m",
                keep_firing="1m",
                guards=(_enough(served_slow(thresholds), thresholds),),
                logs=LogQuery((OperationSlow, OperationRetried)),
                absence="TargetDown",
            ),
        ),
    )


def _enough(rate: Record, thresholds: Thresholds) -> Guard:
    return Guard(rate, Comparison.AT_LEAST, thresholds.minimum_failures, times=seconds("5m"))


def group(thresholds: Thresholds) -> Group:
    """The rules of HTTP."""
    return Group(
        name="http",
        dashboard=Dashboard.SERVICES,
        about="Requests by route, and of the whole service without its probes.",
        records=(
            *(RATE, ROUTE_ERROR_RATIO, P50, P99),
            *(SERVED_RATE, SERVED_ERRORS, served_slow(thresholds)),
        ),
        signals=(erring(thresholds), slow(thresholds)),
    )
