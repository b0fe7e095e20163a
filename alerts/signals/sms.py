"""SMS: how many come, where they go, how long they take."""

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
from alerts.promql import or_zero, quantile, ratio, seconds
from app.core import catalogue
from app.core.catalogue import Route
from app.core.events import WorkflowBroken, WorkflowFailed
from app.core.thresholds import Thresholds
from asgi_observability.events import OperationSlow

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


FAILED = Record(
    f"job:{_COUNT}:failed_rate5m",
    or_zero(f'sum by (job) ({BY_ROUTE}{{route="{Route.FAILED}"}})', TOTAL.name),
)
FAILED_RATIO = Record(f"job:{_COUNT}:failed_ratio_rate5m", ratio(FAILED.name, TOTAL.name))
_IN_FLIGHT = catalogue.SMS_IN_FLIGHT.name
IN_FLIGHT_RATIO = Record(
    f"job:{_IN_FLIGHT}:capacity_ratio",
    ratio(f"sum by (job) ({_IN_FLIGHT})", f"sum by (job) ({catalogue.SMS_CAPACITY.name})"),
)


def failing(thresholds: Thresholds) -> Signal:
    """The share of SMS that got no answer, queue place or escalation."""
    return Signal(
        title="SMS whose workflow failed",
        meaning="Share of SMS over 5 minutes whose workflow was given up after its retries. Good "
        "is 0.",
        unit=Unit.RATIO,
        source=FAILED_RATIO,
        thresholds=(
            Threshold(
                alert="SMSWorkflowsFailing",
                comparison=Comparison.ABOVE,
                value=thresholds.sms_failed_ratio,
                # Tenants hear nothing, and nobody is asked to answer them: the worst there is.
                severity=Severity.PAGE,
                team=Team.ORCHESTRATOR,
                summary="Workflows of {{ $labels.job }} fail: tenants get no answer",
                description="Nobody answers these SMS until their workflows are retried. Share of "
                "SMS over 5 minutes.",
                action="See in the log which step fails and why. Fix that, then retry the failed "
                "workflows.",
                # A failing AI has called by then.
                pending="2m",
                keep_firing="1m",
                guards=(
                    Guard(
                        FAILED,
                        Comparison.AT_LEAST,
                        thresholds.minimum_failures,
                        times=seconds("5m"),
                    ),
                ),
                logs=LogQuery((WorkflowFailed, WorkflowBroken)),
                absence="TargetDown",
            ),
        ),
    )


def concurrency(thresholds: Thresholds) -> Signal:
    """How much of the promised concurrency is in use."""

    def above(
        value: float, severity: Severity, pending: str, summary: str, description: str
    ) -> Threshold:
        return Threshold(
            alert="SMSConcurrencyHigh",
            comparison=Comparison.ABOVE,
            value=value,
            severity=severity,
            team=Team.ORCHESTRATOR,
            summary=f"{{{{ $labels.job }}}} {summary}",
            description=f"{description} Share of what all instances can process together.",
            action="See whether more SMS arrive, or each takes longer because an upstream is "
            "slow. If more arrive, add an instance.",
            pending=pending,
            keep_firing="1m",
            logs=LogQuery((OperationSlow,)),
            absence="TargetDown",
        )

    return Signal(
        title="SMS at the same time, share of the capacity",
        meaning="SMS whose workflow runs now, as a share of the promised "
        f"{thresholds.concurrent_sms} for each instance. Good is below "
        f"{Unit.RATIO.text(thresholds.concurrent_sms_warning_ratio)}.",
        unit=Unit.RATIO,
        source=IN_FLIGHT_RATIO,
        thresholds=(
            above(
                thresholds.concurrent_sms_warning_ratio,
                Severity.TICKET,
                "5m",
                "processes almost as many SMS at the same time as it can",
                "With a few more, every SMS gets slower.",
            ),
            above(
                1,
                Severity.PAGE,
                "1m",
                "processes more SMS at the same time than it can without getting slower",
                "Every SMS gets slower, so even more of them run at the same time.",
            ),
        ),
    )


def group(thresholds: Thresholds) -> Group:
    """The rules of SMS processing."""
    return Group(
        name="sms",
        dashboard=Dashboard.SERVICES,
        about="SMS received, where they went, how long they took and how many run at once.",
        records=(RECEIVED, TOTAL, BY_ROUTE, P50, P90, P99, FAILED),
        signals=(failing(thresholds), concurrency(thresholds)),
    )
