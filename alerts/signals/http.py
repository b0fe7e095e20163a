"""Requests to the orchestrator: rate, errors, duration by route."""

from alerts.model import Group, Record
from alerts.promql import or_zero, quantile, ratio
from app.core import catalogue

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


def group() -> Group:
    """The rules of HTTP."""
    return Group(
        name="http",
        about="Requests by route.",
        records=(RATE, ROUTE_ERROR_RATIO, P50, P99),
        signals=(),
    )
