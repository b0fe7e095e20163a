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
    beside,
)
from alerts.promql import by_bound, or_zero, quantile_of, ratio, seconds
from alerts.second_value import highest_of, same_service
from app.core import catalogue
from app.core.catalogue import Component, Route, Step, StepStatus
from app.core.events import WorkflowBroken, WorkflowFailed
from app.core.thresholds import Thresholds
from asgi_observability.events import OperationSlow

_DURATION = catalogue.SMS_PROCESSING_DURATION
_COUNT = _DURATION.count

RECEIVED = Record(
    f"job:{catalogue.SMS_RECEIVED.name.removesuffix('_total')}:rate5m",
    f"sum by (job) (rate({catalogue.SMS_RECEIVED.name}[5m]))",
)
BY_ROUTE = Record(f"job_route:{_COUNT}:rate5m", f"sum by (job, route) (rate({_COUNT}[5m]))")
TOTAL = Record(f"job:{_COUNT}:rate5m", f"sum by (job) ({BY_ROUTE})")


PROCESSED = Record(f"job_le:{_DURATION.bucket}:rate5m", by_bound(_DURATION.bucket, "job", "5m"))


def _processed_within(q: float) -> Record:
    return Record(f"job:{_DURATION.name}:p{q * 100:g}_rate5m", quantile_of(q, PROCESSED.name))


P50, P90, P99 = map(_processed_within, (0.5, 0.9, 0.99))

FAILED = Record(
    f"job:{_COUNT}:failed_rate5m",
    or_zero(f'sum by (job) ({BY_ROUTE}{{route="{Route.FAILED}"}})', TOTAL.name),
)
_STEPS_FAILED = f'{catalogue.WORKFLOW_STEP_DURATION.count}{{status="{StepStatus.FAILED}"}}'
FAILED_BY_STEP = Record(
    "job_step:orchestrator_workflow_steps_failed:rate5m",
    f"sum by (job, step) (rate({_STEPS_FAILED}[5m]))",
)
BY_AI, BY_SMS_AGENT = (Step.AI_RESPONSE,), (Step.MESSAGE_HISTORY, Step.SEND_SMS)
"""The steps that ask the AI provider, and those that ask the SMS Agent."""


def _failed_in(steps: tuple[Step, ...]) -> str:
    alike = "=" if len(steps) == 1 else "=~"
    chosen = f'{FAILED_BY_STEP}{{step{alike}"{"|".join(steps)}"}}'
    return or_zero(f"sum by (job) ({chosen})", TOTAL.name)


FAILED_FOR_AI = Record(f"job:{_COUNT}:failed_for_ai_rate5m", _failed_in(BY_AI))
FAILED_FOR_SMS_AGENT = Record(f"job:{_COUNT}:failed_for_sms_agent_rate5m", _failed_in(BY_SMS_AGENT))
# What is run again counts as a step, but not as an SMS: no more failed than did.
_NOT_FOR_AI = f"clamp_min({FAILED} - {FAILED_FOR_AI}, 0)"
FAILED_RATIO = f"job_cause:{_COUNT}:failed_ratio_rate5m"
OTHER_CAUSE = "other"
FAILED_RATIOS = tuple(
    Record(FAILED_RATIO, ratio(failed, TOTAL.name), {"cause": cause})
    for cause, failed in (
        (Component.AI_PROVIDER.value, f"({FAILED_FOR_AI} < {FAILED} or {FAILED})"),
        (
            Component.SMS_AGENT.value,
            f"({FAILED_FOR_SMS_AGENT} < {_NOT_FOR_AI} or {_NOT_FOR_AI})",
        ),
        (OTHER_CAUSE, f"clamp_min({_NOT_FOR_AI} - {FAILED_FOR_SMS_AGENT}, 0)"),
    )
)
"""SMS that failed because the AI wrote no answer, because the SMS Agent gave no history or took no
text, and those that failed for anything else."""
JUST_FAILED_RATIO = Record(
    f"job:{_COUNT}:failed_ratio_rate90s",
    ratio(
        f'sum by (job) (rate({_COUNT}{{route="{Route.FAILED}"}}[90s]))',
        f"sum by (job) (rate({_COUNT}[90s]))",
    ),
)
_IN_FLIGHT = catalogue.SMS_IN_FLIGHT.name
IN_FLIGHT_RATIO = Record(
    f"job:{_IN_FLIGHT}:capacity_ratio",
    ratio(f"sum by (job) ({_IN_FLIGHT})", f"sum by (job) ({catalogue.SMS_CAPACITY.name})"),
)


def least_told(thresholds: Thresholds) -> float:
    """SMS a second that have to fail before `failing` tells of them by name."""
    return beside(Comparison.AT_LEAST, thresholds.minimum_failures) / seconds("5m")


def failing(thresholds: Thresholds) -> Signal:
    """The share of SMS that got no answer, queue place or escalation."""
    step = highest_of(FAILED_BY_STEP, "step", but_not=(*BY_AI, *BY_SMS_AGENT))
    return Signal(
        title="SMS whose workflow failed",
        meaning="Share of SMS over 5 minutes whose workflow was given up after its retries: "
        "because the AI wrote no answer, because of the SMS Agent, or for another reason. Good "
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
                description=f"{same_service('cause')}"
                '{{ if eq $labels.cause "ai_provider" }}The AI writes no answer.'
                '{{ else if eq $labels.cause "sms_agent" }}The SMS Agent gives no history, or '
                "takes no text.{{ else }}"
                f"The step that fails most is {step}.{{{{ end }}}} Nobody answers these SMS until "
                "their workflows are run again. Share of SMS over 5 minutes.",
                action="See in the log why it fails. Fix it, then run the failed workflows again.",
                # Longer than what has just failed is looked at: one burst is over by then.
                pending="2m",
                # For as long as the budget's page remembers it, which says the same.
                keep_firing="5m",
                guards=(
                    Guard(
                        FAILED,
                        Comparison.AT_LEAST,
                        thresholds.minimum_failures,
                        times=seconds("5m"),
                    ),
                    Guard(JUST_FAILED_RATIO, Comparison.ABOVE, thresholds.sms_failed_ratio),
                ),
                logs=LogQuery((WorkflowFailed, WorkflowBroken)),
                absence="TargetDown",
            ),
        ),
    )


def concurrency(thresholds: Thresholds) -> Signal:
    """How much of the promised concurrency is in use."""
    return Signal(
        title="Capacity used by SMS",
        meaning="SMS whose workflow runs now, as a share of the promised "
        f"{thresholds.concurrent_sms} for each instance. Good is below "
        f"{Unit.RATIO.text(thresholds.concurrent_sms_warning_ratio)}.",
        unit=Unit.RATIO,
        source=IN_FLIGHT_RATIO,
        thresholds=(
            Threshold(
                alert="SMSConcurrencyHigh",
                comparison=Comparison.ABOVE,
                value=thresholds.concurrent_sms_warning_ratio,
                # Where SMS are late for it, their budget pages.
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="{{ $labels.job }} processes almost as many SMS at the same time as it can",
                description="With more, every SMS gets slower. Share of what all instances can "
                "process together.",
                action="See whether more SMS arrive, or each takes longer because an upstream is "
                "slow. If more arrive, add an instance.",
                pending="5m",
                keep_firing="1m",
                logs=LogQuery((OperationSlow,)),
                absence="TargetDown",
            ),
        ),
    )


def group(thresholds: Thresholds) -> Group:
    """The rules of SMS processing."""
    return Group(
        name="sms",
        dashboard=Dashboard.SERVICES,
        about="SMS received, where they went, how long they took and how many run at once.",
        records=(
            *(RECEIVED, BY_ROUTE, TOTAL, PROCESSED, P50, P90, P99),
            *(FAILED, FAILED_BY_STEP, FAILED_FOR_AI, FAILED_FOR_SMS_AGENT, *FAILED_RATIOS),
            JUST_FAILED_RATIO,
        ),
        signals=(failing(thresholds), concurrency(thresholds)),
    )
