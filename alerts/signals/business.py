"""What the AI and the managers decide, what waits for them, and whether that is as usual."""

from alerts.counted import seen
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
from alerts.promql import quantile, ratio, seconds
from alerts.second_value import number_of, same_service
from app.core import catalogue
from app.core.catalogue import ApprovalAction, Route
from app.core.catalogue import Severity as Urgency
from app.core.events import (
    AIAnswered,
    EscalationOpened,
    NotificationFailed,
    PaymentPlanDetected,
    ResponseEscalated,
    ResponseModified,
    ResponseNotSent,
    WorkflowBroken,
    WorkflowFailed,
    WorkflowInterrupted,
)
from app.core.thresholds import Thresholds
from asgi_observability.events import BackgroundTaskFailed
from asgi_observability.metric import Metric

_RESPONSES = catalogue.AI_RESPONSES
_CONFIDENCE = catalogue.AI_CONFIDENCE


def _last_hour(metric: Metric, label: str) -> Record:
    # Few a minute: a rate per second would be unreadable.
    return Record(
        f"job_{label}:{metric.name.removesuffix('_total')}:increase1h",
        f"sum by (job, {metric.label(label).name}) (increase({metric.name}[1h]))",
    )


RESPONSES = _last_hour(_RESPONSES, "route")
APPROVALS = _last_hour(catalogue.APPROVALS, "action")
ESCALATIONS = _last_hour(catalogue.ESCALATIONS, "type")
PAYMENT_PLANS = _last_hour(catalogue.PAYMENT_PLANS, "result")
AUTO_SENT_RATIO = Record(
    f"job:{_RESPONSES.name.removesuffix('_total')}:auto_sent_ratio_increase1h",
    ratio(
        f'sum by (job) ({RESPONSES}{{route="{Route.AUTO_SENT}"}})', f"sum by (job) ({RESPONSES})"
    ),
)
CONFIDENCE_MEAN = Record(
    f"job:{_CONFIDENCE.name}:mean_rate5m",
    ratio(
        f"sum by (job) (rate({_CONFIDENCE.sum}[5m]))",
        f"sum by (job) (rate({_CONFIDENCE.count}[5m]))",
    ),
)
CONFIDENCE_P10 = Record(
    f"job:{_CONFIDENCE.name}:p10_rate5m", quantile(0.1, _CONFIDENCE.bucket, "job", "5m")
)
ANSWERS = Record(
    f"job:{_RESPONSES.name.removesuffix('_total')}:increase1h", f"sum by (job) ({RESPONSES})"
)
_RECEIVED = catalogue.SMS_RECEIVED
RECEIVED = Record(
    f"job:{_RECEIVED.name.removesuffix('_total')}:increase1h",
    f"sum by (job) (increase({_RECEIVED.name}[1h]))",
)
ESCALATIONS_PER_SMS = Record(
    "job_type:orchestrator_escalations:per_sms_increase1h",
    f"{ESCALATIONS} / on (job) group_left () ({RECEIVED} > 0)",
)
# What has just come, so that one burst is over before anybody is told of it.
JUST_ESCALATED_PER_SMS = Record(
    "job_type:orchestrator_escalations:per_sms_increase10m",
    f"sum by (job, type) (increase({catalogue.ESCALATIONS.name}[10m])) "
    f"/ on (job) group_left () (sum by (job) (increase({_RECEIVED.name}[10m])) > 0)",
)


def _largest(metric: Metric) -> Record:
    # All instances count the same database; adding them up would count it twice.
    return Record(f"job:{metric.name}:max", f"max by (job) ({metric.name})")


QUEUE_LENGTH = _largest(catalogue.APPROVAL_QUEUE_LENGTH)
QUEUE_OLDEST = _largest(catalogue.APPROVAL_QUEUE_OLDEST_AGE)
FAILED_WORKFLOWS = _largest(catalogue.WORKFLOWS_FAILED)
FAILED_OLDEST = _largest(catalogue.WORKFLOWS_FAILED_OLDEST_AGE)
_OLDEST = catalogue.ESCALATIONS_OLDEST_AGE.name
ESCALATIONS_OLDEST = f"job_urgency:{_OLDEST}:max"
# Not called severity: alerts have a label of that name, which would take its place.
ESCALATIONS_OLDEST_BY_URGENCY = tuple(
    Record(
        ESCALATIONS_OLDEST,
        f'max by (job) ({_OLDEST}{{severity="{urgency}"}})',
        {"urgency": urgency.value},
    )
    for urgency in Urgency
)
DECIDED = Record(
    f"job:{catalogue.APPROVALS.name.removesuffix('_total')}:increase1h",
    f"sum by (job) ({APPROVALS})",
)
# Managers sleep: of a week's hours, the busiest tenth is within those in which they work.
WORKING_HOUR = Record(
    f"job:{catalogue.APPROVALS.name.removesuffix('_total')}:working_hour1w",
    f"quantile_over_time(0.9, {DECIDED}[1w:1h])",
)
QUEUE_WORK = Record(
    f"job:{catalogue.APPROVAL_QUEUE_LENGTH.name}:work_seconds",
    f"3600 * {QUEUE_LENGTH} / ({WORKING_HOUR} > 0)",
)
"""The time that managers need for what waits."""

# Every action and result is exposed at zero from the start.
_APPROVALS = catalogue.APPROVALS
_APPROVALS_BASE = _APPROVALS.name.removesuffix("_total")
DECISIONS = Record(
    f"job:{_APPROVALS_BASE}:increase6h", f"sum by (job) (increase({_APPROVALS.name}[6h]))"
)
_APPROVED = f'increase({_APPROVALS.name}{{action="{ApprovalAction.APPROVE}"}}[6h])'
APPROVED_RATIO = Record(
    f"job:{_APPROVALS_BASE}:approved_ratio_increase6h",
    ratio(f"sum by (job) ({_APPROVED})", DECISIONS.name),
)
_LOOKED = catalogue.PAYMENT_PLAN_DETECTIONS
_LOOKED_BASE = _LOOKED.name.removesuffix("_total")
LOOKED_THROUGH = Record(
    f"job:{_LOOKED_BASE}:increase6h", f"sum by (job) (increase({_LOOKED.name}[6h]))"
)
_FOUND = f'increase({_LOOKED.name}{{result="found"}}[6h])'
FOUND_RATIO = Record(
    f"job:{_LOOKED_BASE}:found_ratio_increase6h",
    ratio(f"sum by (job) ({_FOUND})", LOOKED_THROUGH.name),
)
CONFIDENCE_MEAN_1H = Record(
    f"job:{_CONFIDENCE.name}:mean_rate1h",
    ratio(
        f"sum by (job) (rate({_CONFIDENCE.sum}[1h]))",
        f"sum by (job) (rate({_CONFIDENCE.count}[1h]))",
    ),
)


def _going_on(metric: Metric) -> Record:
    """Events a second, over so short a time that a single burst is soon over.

    Not shorter: of weeks that are filled in, samples are five minutes apart.
    """
    base = metric.name.removesuffix("_total")
    return Record(f"job:{base}:rate5m", f"sum by (job) (rate({metric.name}[5m]))")


_LASTING = seconds("5m") + 2 * 60
"""Seconds: a burst within two scrapes is seen at six whole minutes at most."""


# A share of hours is that of its largest burst, if little else happened: a queue that is cleared
# at once, a mailing. So it has to be seen besides that there was more than one.
ANSWERING, DECIDING, LOOKING = map(_going_on, (_RESPONSES, _APPROVALS, _LOOKED))
ANSWERS_SEEN = Record(
    f"job:{_RESPONSES.name.removesuffix('_total')}:seen1h", seen(ANSWERING.name, "1h")
)
DECISIONS_SEEN = Record(f"job:{_APPROVALS_BASE}:seen6h", seen(DECIDING.name, "6h"))
LOOKED_SEEN = Record(f"job:{_LOOKED_BASE}:seen6h", seen(LOOKING.name, "6h"))


def _usual(record: Record, window: str) -> str:
    """The mean of ``record`` over the week before its own ``window``.

    None while nothing before the last day is known: what is new has nothing that is usual.
    """
    return (
        f"avg_over_time({record}[7d] offset {window}) and present_over_time({record}[6d] offset 1d)"
    )


FOUND_RATIO_USUAL = Record(f"job:{_LOOKED_BASE}:found_ratio_mean7d", _usual(FOUND_RATIO, "6h"))
FOUND_EXPECTED = Record(
    f"job:{_LOOKED_BASE}:found_expected6h", f"{LOOKED_THROUGH} * {FOUND_RATIO_USUAL}"
)
FOUND_TO_USUAL = Record(
    f"job:{_LOOKED_BASE}:found_ratio_to_mean7d", ratio(FOUND_RATIO.name, FOUND_RATIO_USUAL.name)
)
CONFIDENCE_USUAL = Record(f"job:{_CONFIDENCE.name}:mean7d", _usual(CONFIDENCE_MEAN_1H, "1h"))
CONFIDENCE_DRIFT = Record(
    f"job:{_CONFIDENCE.name}:drift_from_mean7d", f"abs({CONFIDENCE_MEAN_1H} - {CONFIDENCE_USUAL})"
)


def approvals(thresholds: Thresholds) -> Signal:
    """How often managers send what the AI wrote."""
    return Signal(
        title="Approved unchanged",
        meaning="Share of managers' decisions over 6 hours that sent the AI's answer as it was. "
        "Good is three quarters and more.",
        unit=Unit.RATIO,
        source=APPROVED_RATIO,
        thresholds=(
            Threshold(
                alert="ApprovalRateLow",
                comparison=Comparison.BELOW,
                value=thresholds.approval_ratio,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="Managers change or refuse most answers of the AI of {{ $labels.job }}",
                description="The answers they see are not good enough, so those that are sent "
                "without a manager may not be either. Share of decisions over 6 hours.",
                action="Read what managers changed. If it began with a change of model, prompt or "
                "limits, take that back.",
                pending="30m",
                keep_firing="30m",
                guards=(
                    Guard(DECISIONS, Comparison.AT_LEAST, thresholds.minimum_events),
                    Guard(DECISIONS_SEEN, Comparison.AT_LEAST, _LASTING),
                ),
                logs=LogQuery((ResponseModified, ResponseEscalated)),
            ),
        ),
    )


def queue_work(thresholds: Thresholds) -> Signal:
    """How long managers will work on the answers that wait."""
    return Signal(
        title="Managers' backlog",
        meaning="Answers that wait for a decision, divided by the decisions of an hour in which "
        "managers work: the busiest tenth of the past week's hours begins there. Good is less "
        "than a working day.",
        unit=Unit.SECONDS,
        source=QUEUE_WORK,
        thresholds=(
            Threshold(
                alert="ApprovalQueueLong",
                comparison=Comparison.ABOVE,
                value=thresholds.approval_work_seconds,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="Managers of {{ $labels.job }} have more answers to decide on than they "
                "can soon",
                description=f"{same_service()}{number_of(QUEUE_LENGTH)} answers wait: about "
                "{{ $value | humanizeDuration }} of managers' work.",
                action="Are managers told, and can they send? If so, more managers are needed, "
                "or fewer answers must be queued.",
                pending="30m",
                keep_firing="10m",
                logs=LogQuery((NotificationFailed, ResponseNotSent)),
            ),
        ),
    )


def failed_workflows(thresholds: Thresholds) -> Signal:
    """How long failed workflows have waited to be run again."""
    return Signal(
        title="Oldest failed workflow",
        meaning="How long ago the oldest of the failed workflows failed that nobody has run again "
        "or escalated. Good is 0.",
        unit=Unit.SECONDS,
        source=FAILED_OLDEST,
        thresholds=(
            Threshold(
                alert="FailedWorkflowsWaiting",
                comparison=Comparison.ABOVE,
                value=thresholds.failed_workflow_seconds,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="Failed workflows of {{ $labels.job }} wait to be run again",
                description=f"{same_service()}{number_of(FAILED_WORKFLOWS)} tenants wrote, and "
                "get no answer until somebody runs their workflows again. Age of the oldest.",
                action="When the cause is gone, run them again: POST /orchestrate/retry-failed. "
                "Escalate what fails again.",
                pending="2m",
                keep_firing="1m",
                logs=LogQuery((WorkflowFailed, WorkflowBroken, WorkflowInterrupted)),
            ),
        ),
    )


def queue_age(thresholds: Thresholds) -> Signal:
    """How long the oldest answer has waited for a manager."""
    promised = Unit.SECONDS.text(thresholds.approval_wait_seconds)

    def above(
        value: float, severity: Severity, pending: str, description: str, action: str
    ) -> Threshold:
        return Threshold(
            alert="ApprovalQueueOld",
            comparison=Comparison.ABOVE,
            value=value,
            severity=severity,
            team=Team.ORCHESTRATOR,
            summary="An answer of {{ $labels.job }} has waited for a manager for too long",
            description=f"{description} Age of the oldest.",
            action=action,
            pending=pending,
            keep_firing="1m",
            logs=LogQuery((BackgroundTaskFailed, NotificationFailed)),
            absence="TargetDown",
        )

    return Signal(
        title="Oldest answer waiting",
        meaning=f"Age of the oldest answer that waits for a manager. Promised: {promised} at most.",
        unit=Unit.SECONDS,
        source=QUEUE_OLDEST,
        thresholds=(
            above(
                thresholds.approval_wait_warning_seconds,
                Severity.TICKET,
                "15m",
                "Soon a tenant has waited longer than promised.",
                "Have a manager decide on the oldest ones today.",
            ),
            above(
                thresholds.approval_wait_seconds,
                Severity.PAGE,
                # The sweep escalates what is due each minute.
                "5m",
                "The promise to the tenant is broken. The orchestrator's sweep should have "
                "escalated the answer, so it does not work.",
                "Find out why the sweep fails. Until it works, have a manager decide on the "
                "oldest answers.",
            ),
        ),
    )


def surge(thresholds: Thresholds) -> Signal:
    """How many escalations there are for each SMS, by type: one cause makes one type surge."""
    return Signal(
        title="Escalations per SMS received",
        meaning="Escalations of each type in an hour, divided by the SMS received. Usual is 1 to "
        "8% per type.",
        unit=Unit.RATIO,
        source=ESCALATIONS_PER_SMS,
        dashboard=Dashboard.BUSINESS,
        thresholds=(
            Threshold(
                alert="EscalationSurge",
                comparison=Comparison.ABOVE,
                value=thresholds.escalation_ratio,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="Many escalations of {{ $labels.job }}: {{ $labels.type }}",
                description="Managers get more conversations than they can take over. "
                "Escalations of this type in an hour, divided by the SMS received.",
                action="Read some of these conversations and look for what they have in common.",
                pending="10m",
                keep_firing="10m",
                guards=(
                    Guard(ESCALATIONS, Comparison.AT_LEAST, thresholds.minimum_events, on=()),
                    Guard(
                        JUST_ESCALATED_PER_SMS,
                        Comparison.ABOVE,
                        thresholds.escalation_ratio,
                        on=("job", "type"),
                    ),
                ),
                logs=LogQuery((EscalationOpened,), where={"type": "{{ $labels.type }}"}),
            ),
        ),
    )


def unhandled(thresholds: Thresholds) -> Signal:
    """How long escalations have been open."""

    def above(
        alert: str, urgency: Urgency, value: float, severity: Severity, summary: str, text: str
    ) -> Threshold:
        return Threshold(
            alert=alert,
            comparison=Comparison.ABOVE,
            value=value,
            severity=severity,
            team=Team.ORCHESTRATOR,
            summary=summary,
            description=f"{text} Age of the oldest.",
            action="Have a manager take the conversation over now. Then see whether managers are "
            "told of new escalations.",
            pending="1m",
            matchers=f'urgency="{urgency}"',
            logs=LogQuery((EscalationOpened, NotificationFailed)),
            absence="TargetDown",
        )

    return Signal(
        title="Oldest open escalation",
        meaning="Age of the oldest escalation that nobody has resolved, by severity. Critical ones "
        f"should be closed within {Unit.SECONDS.text(thresholds.critical_escalation_seconds)}.",
        unit=Unit.SECONDS,
        source=ESCALATIONS_OLDEST,
        dashboard=Dashboard.BUSINESS,
        thresholds=(
            above(
                "CriticalEscalationsUnhandled",
                Urgency.CRITICAL,
                value=thresholds.critical_escalation_seconds,
                severity=Severity.PAGE,
                summary="A critical escalation of {{ $labels.job }} has not been handled",
                text="A tenant threatens to hurt themselves or somebody, and no manager has "
                "closed it.",
            ),
            above(
                "HighEscalationsUnhandled",
                Urgency.HIGH,
                value=thresholds.high_escalation_seconds,
                severity=Severity.TICKET,
                summary="An escalation of {{ $labels.job }} of high severity has not been handled",
                text="A tenant is hostile, or speaks of a lawyer, and no manager has closed it.",
            ),
        ),
    )


def detection(thresholds: Thresholds) -> Signal:
    """The share of messages with a payment plan, beside its own past."""
    return Signal(
        title="Plans vs the past week",
        meaning="Share of messages with a plan over 6 hours, compared with the mean of the week "
        "before. Good is around 100%. Not known during the first day.",
        unit=Unit.RATIO,
        source=FOUND_TO_USUAL,
        dashboard=Dashboard.BUSINESS,
        thresholds=(
            Threshold(
                alert="PaymentPlanDetectionCollapsed",
                comparison=Comparison.BELOW,
                value=thresholds.payment_plan_ratio,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="{{ $labels.job }} finds far fewer payment plans than usual",
                description="Plans that tenants propose are not stored or confirmed. Share of "
                "messages with a plan over 6 hours, compared with the usual share.",
                action="Read some messages that name an amount and weeks. If no plan was found in "
                "them, a release has probably broken the detection.",
                pending="30m",
                keep_firing="30m",
                guards=(
                    Guard(FOUND_EXPECTED, Comparison.AT_LEAST, thresholds.minimum_events),
                    Guard(LOOKED_SEEN, Comparison.AT_LEAST, _LASTING),
                ),
                logs=LogQuery((PaymentPlanDetected,)),
            ),
        ),
    )


def drift(thresholds: Thresholds) -> Signal:
    """How far the AI's confidence is from its own past, whichever way."""
    return Signal(
        title="Confidence drift",
        meaning="Difference between the AI's mean confidence of an hour and that of the week "
        "before. Good is below 3 points. Not known during the first day.",
        unit=Unit.RATIO,
        source=CONFIDENCE_DRIFT,
        thresholds=(
            Threshold(
                alert="AIConfidenceDrift",
                comparison=Comparison.ABOVE,
                value=thresholds.confidence_drift,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="The AI of {{ $labels.job }} is not as sure of its answers as usual",
                description="Confidence decides where answers go. If it is lower, managers get "
                "too many. If it is higher, answers are sent that a manager should have seen. "
                "Difference of the means.",
                action="See whether it rose or fell. Has the provider changed the model, or have "
                "we changed the prompt?",
                pending="15m",
                keep_firing="15m",
                guards=(
                    Guard(ANSWERS, Comparison.AT_LEAST, thresholds.minimum_events),
                    Guard(ANSWERS_SEEN, Comparison.AT_LEAST, _LASTING),
                ),
                logs=LogQuery((AIAnswered,)),
            ),
        ),
    )


def groups(thresholds: Thresholds) -> tuple[Group, ...]:
    """The rules of the business: of the last hour, of six hours, beside the past week."""
    return (
        Group(
            name="business",
            dashboard=Dashboard.AI,
            about="Answers, decisions, escalations and plans of the last hour; what waits now.",
            records=(
                *(RESPONSES, ANSWERS, ANSWERING, AUTO_SENT_RATIO, APPROVALS, DECIDED),
                *(ESCALATIONS, JUST_ESCALATED_PER_SMS, PAYMENT_PLANS),
                *(RECEIVED, CONFIDENCE_MEAN, CONFIDENCE_P10, CONFIDENCE_MEAN_1H),
                *(QUEUE_LENGTH, FAILED_WORKFLOWS),
                *ESCALATIONS_OLDEST_BY_URGENCY,
            ),
            signals=(
                queue_age(thresholds),
                failed_workflows(thresholds),
                surge(thresholds),
                unhandled(thresholds),
            ),
        ),
        Group(
            name="business_hours",
            dashboard=Dashboard.AI,
            source="business",
            about="Managers' decisions and payment plans of six hours.",
            interval="1m",
            records=(DECISIONS, DECIDING, DECISIONS_SEEN, LOOKED_THROUGH, LOOKING, FOUND_RATIO),
            signals=(approvals(thresholds),),
        ),
        Group(
            name="business_week",
            dashboard=Dashboard.AI,
            source="business",
            about="Payment plans and the AI's confidence, beside the week before.",
            interval="5m",
            follows=("business", "business_hours"),
            records=(
                *(FOUND_RATIO_USUAL, FOUND_EXPECTED, LOOKED_SEEN),
                *(CONFIDENCE_USUAL, ANSWERS_SEEN, WORKING_HOUR),
            ),
            signals=(detection(thresholds), drift(thresholds), queue_work(thresholds)),
        ),
    )
