"""The service's promise: an SMS is processed, and in time."""

from alerts.logs import LogQuery
from alerts.model import Comparison, Group, Record, Severity, Signal, Team, Threshold, Unit
from alerts.promql import or_zero, quantile, ratio, seconds
from alerts.signals.operations import AI_PROVIDER_FAILING
from app.core import catalogue
from app.core.catalogue import Route
from app.core.config import Thresholds
from app.core.events import OperationRetried, OperationSlow

_DURATION = catalogue.SMS_PROCESSING_DURATION
_COUNT = _DURATION.count
_WINDOW = "5m"

RECEIVED = Record(
    f"job:{catalogue.SMS_RECEIVED.name.removesuffix('_total')}:rate5m",
    f"sum by (job) (rate({catalogue.SMS_RECEIVED.name}[5m]))",
)
TOTAL = Record(f"job:{_COUNT}:rate{_WINDOW}", f"sum by (job) (rate({_COUNT}[{_WINDOW}]))")
BY_ROUTE = Record(f"job_route:{_COUNT}:rate5m", f"sum by (job, route) (rate({_COUNT}[5m]))")
P50 = Record(f"job:{_DURATION.name}:p50_rate5m", quantile(0.5, _DURATION.bucket, "job", "5m"))
P90 = Record(f"job:{_DURATION.name}:p90_rate5m", quantile(0.9, _DURATION.bucket, "job", "5m"))
P99 = Record(f"job:{_DURATION.name}:p99_rate5m", quantile(0.99, _DURATION.bucket, "job", "5m"))


def _in_time(limit_seconds: float) -> Record:
    if limit_seconds not in _DURATION.buckets:
        bounds = ", ".join(f"{bound:g}" for bound in _DURATION.buckets)
        raise ValueError(
            f"sms_latency_seconds={limit_seconds:g} is no bucket bound of {_DURATION.name}, so the "
            f"share within it can't be exact; use one of {bounds}"
        )
    # A workflow that failed at once is not an SMS that was processed in time.
    kept = f'le="{float(limit_seconds)}",route!="{Route.FAILED}"'
    return Record(
        f"job:{_COUNT}:in_time_rate{_WINDOW}",
        or_zero(f"sum by (job) (rate({_DURATION.bucket}{{{kept}}}[{_WINDOW}]))", TOTAL.name),
    )


def processed_in_time(thresholds: Thresholds) -> Signal:
    """The share of SMS that did not fail and were ready within the promised time."""
    limit = Unit.SECONDS.text(thresholds.sms_latency_seconds)
    # The SMS that the AI failed stay in the window after it has recovered. An inhibition would end
    # with its cause, and call somebody when all is well again.
    ai_failing = f'ALERTS{{alertname="{AI_PROVIDER_FAILING}",alertstate="firing"}}'
    in_time = _in_time(thresholds.sms_latency_seconds)
    return Signal(
        title=f"SMS processed within {limit}",
        meaning=f"SMS routed and carried out within {limit}, of all SMS; a failed workflow counts "
        f"as late. Good is above {Unit.RATIO.text(thresholds.sms_latency_objective)}.",
        unit=Unit.RATIO,
        source=Record(f"job:{_COUNT}:in_time_ratio_rate{_WINDOW}", ratio(in_time.name, TOTAL.name)),
        thresholds=(
            Threshold(
                alert="SMSProcessingSlow",
                comparison=Comparison.BELOW,
                value=thresholds.sms_latency_objective,
                severity=Severity.PAGE,
                team=Team.ORCHESTRATOR,
                summary=f"{{{{ $labels.job }}}} processes too few SMS within {limit}",
                description="Tenants wait for an answer, or get none: failed workflows count as "
                f"late. Share of SMS processed within {limit} over {_WINDOW}.",
                logs=LogQuery((OperationSlow, OperationRetried)),
                action="Look at the latency and errors of the upstreams: the slowest one is mostly "
                "the cause.",
                pending="2m",
                keep_firing="2m",
                only_if=f"({TOTAL} - {in_time}) * {seconds(_WINDOW)} "
                f">= {thresholds.minimum_failures} "
                f"unless on (job) last_over_time({ai_failing}[{_WINDOW}])",
            ),
        ),
    )


def group(thresholds: Thresholds) -> Group:
    """The rules of SMS processing."""
    return Group(
        name="sms",
        about="SMS received, where they went, and whether they were processed in time.",
        records=(
            *(RECEIVED, TOTAL, BY_ROUTE, P50, P90, P99),
            _in_time(thresholds.sms_latency_seconds),
        ),
        signals=(processed_in_time(thresholds),),
    )
