"""SMS: how many come, where they go, how long they take."""

from alerts.model import Group, Record
from alerts.promql import quantile
from app.core import catalogue

_DURATION = catalogue.SMS_PROCESSING_DURATION
_COUNT = _DURATION.count

RECEIVED = Record(
    f"job:{catalogue.SMS_RECEIVED.name.removesuffix('_total')}:rate5m",
    f"sum by (job) (rate({catalogue.SMS_RECEIVED.name}[5m]))",
)
TOTAL = Record(f"job:{_COUNT}:rate5m", f"sum by (job) (rate({_COUNT}[5m]))")
BY_ROUTE = Record(f"job_route:{_COUNT}:rate5m", f"sum by (job, route) (rate({_COUNT}[5m]))")
P50 = Record(f"job:{_DURATION.name}:p50_rate5m", quantile(0.5, _DURATION.bucket, "job", "5m"))
P90 = Record(f"job:{_DURATION.name}:p90_rate5m", quantile(0.9, _DURATION.bucket, "job", "5m"))
P99 = Record(f"job:{_DURATION.name}:p99_rate5m", quantile(0.99, _DURATION.bucket, "job", "5m"))


def group() -> Group:
    """The rules of SMS processing."""
    return Group(
        name="sms",
        about="SMS received, where they went, and how long they took.",
        records=(RECEIVED, TOTAL, BY_ROUTE, P50, P90, P99),
        signals=(),
    )
