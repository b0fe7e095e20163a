"""Service level objectives: what is promised, how much of the budget is left, how fast it burns.

An objective says which events count and which of them fail. Everything else follows: error ratios
over eight windows, the budget that is left of the period, burn rates, and four alerts after the
Google SRE workbook, "Alerting on SLOs", multi-window and multi-burn-rate.
"""

from dataclasses import dataclass

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
from alerts.promql import at_most, ratio, seconds
from alerts.signals.http import ROUTE, SERVED, STATUS
from app.core import catalogue
from app.core.catalogue import Component, Route, Step, StepStatus
from app.core.events import DatabaseFailed, OperationRetried
from app.core.thresholds import BURN_LIMITS, BurnLimit, Thresholds
from asgi_observability.events import OperationFailed, OperationSlow, UnhandledError

_ON = ("job", "slo")
_TRIED = (StepStatus.COMPLETED, StepStatus.FAILED)


@dataclass(frozen=True, slots=True)
class Objective:
    """A promise: of all ``total`` events a share of ``objective`` succeeds.

    ``total`` and ``errors`` are PromQL, events a second by job over 5 minutes.
    """

    slo: str
    alert: str
    objective: float
    total: str
    errors: str
    promise: str
    failing: str
    impact: str
    action: str
    logs: LogQuery

    @property
    def budget(self) -> float:
        """The share of events that may fail."""
        return round(1 - self.objective, 9)


@dataclass(frozen=True, slots=True)
class BurnRate:
    """A limit as its alert has it: windows as PromQL writes them, and how long it has to last.

    Both windows have to be above: the long one is proof enough to act, the short one, a twelfth of
    it, lets the alert end soon after the errors do.
    """

    limit: BurnLimit
    long: str
    short: str
    pending: str

    @property
    def spent(self) -> float:
        return self.limit.spent

    @property
    def severity(self) -> Severity:
        return Severity(self.limit.urgency)

    def factor(self, period_days: float) -> float:
        """The burn rate: 1 uses up the budget in exactly the period."""
        return self.limit.factor(period_days)


BURN_RATES = tuple(
    BurnRate(limit, long, short, pending)
    for limit, (long, short, pending) in zip(
        BURN_LIMITS,
        (("1h", "5m", "1m"), ("6h", "30m", "2m"), ("1d", "2h", "10m"), ("3d", "6h", "30m")),
        strict=True,
    )
)
FAST, SLOW = ("5m", "30m", "1h", "2h", "6h"), ("1d", "3d")
"""Windows evaluated with every scrape, and those that change so little that a minute will do."""

TOTAL, ERRORS = "job_slo:sli_total:rate5m", "job_slo:sli_errors:rate5m"
SLICE = "5m"
SLICE_TOTAL = Record(f"job_slo:sli_total:increase{SLICE}", f"{TOTAL} * {seconds(SLICE)}")
SLICE_ERRORS = Record(f"job_slo:sli_errors:increase{SLICE}", f"{ERRORS} * {seconds(SLICE)}")
"""Events of 5 minutes, recorded once in 5 minutes: windows of days add these up.

That reads a twentieth of the samples. And where events were recorded less often for a while, as by
a backfill, or after a change of the evaluation interval, none of the time counts for more.
"""


def objectives(thresholds: Thresholds) -> tuple[Objective, ...]:
    """What the service promises (docs/domain.md, "What it promises")."""
    return (
        _availability(thresholds),
        _sms_latency(thresholds),
        _ai_answers(thresholds),
        _sms_delivery(thresholds),
    )


def _availability(thresholds: Thresholds) -> Objective:
    count = catalogue.HTTP_SERVER_REQUEST_DURATION.count
    return Objective(
        slo="availability",
        alert="AvailabilityBudgetBurn",
        objective=thresholds.availability_objective,
        total=f"sum by (job) (rate({count}{{{SERVED}}}[5m]))",
        errors=_or_none(
            f'sum by (job) (rate({count}{{{STATUS}=~"5..",{SERVED}}}[5m]))', "availability"
        ),
        promise="requests, without probes, are not answered 5xx",
        failing="answers too many requests with 5xx",
        impact="Callers get errors",
        action=f"Find the failing {ROUTE} on the dashboard and its errors in the log. After a "
        "release, roll back.",
        logs=LogQuery((UnhandledError, DatabaseFailed)),
    )


def _sms_latency(thresholds: Thresholds) -> Objective:
    duration, limit = catalogue.SMS_PROCESSING_DURATION, thresholds.sms_latency_seconds
    # A workflow that failed at once is not an SMS that was processed in time.
    within = at_most(duration, limit, "sms_latency_seconds")
    in_time = f'{duration.bucket}{{{within},route!="{Route.FAILED}"}}'
    total = f"sum by (job) (rate({duration.count}[5m]))"
    kept = _or_none(f"sum by (job) (rate({in_time}[5m]))", "sms_latency")
    text = Unit.SECONDS.text(limit)
    return Objective(
        slo="sms_latency",
        alert="SMSLatencyBudgetBurn",
        objective=thresholds.sms_latency_objective,
        total=total,
        errors=f"{_known('sms_latency')} - on (job) ({kept})",
        promise=f"SMS are processed within {text}; a failed workflow counts as late",
        failing=f"processes too few SMS within {text}",
        impact="Tenants wait for an answer, or get none",
        action="Look at the latency and errors of the upstreams: usually the slowest one is the "
        "cause.",
        logs=LogQuery((OperationSlow, OperationRetried)),
    )


def _ai_answers(thresholds: Thresholds) -> Objective:
    return Objective(
        slo="ai_answers",
        alert="AIAnswersBudgetBurn",
        objective=thresholds.ai_answers_objective,
        total=_steps(Step.AI_RESPONSE, *_TRIED),
        errors=_or_none(_steps(Step.AI_RESPONSE, StepStatus.FAILED), "ai_answers"),
        promise="SMS that ask the AI get its answer, retries included",
        failing="gets no answer from the AI for too many SMS",
        impact="Their workflows fail, and have to be retried",
        action="See by error type whether the provider is down, slow or refuses us. When it is "
        "back, retry the failed workflows.",
        logs=LogQuery((OperationFailed,), where={"component": Component.AI_PROVIDER}),
    )


def _sms_delivery(thresholds: Thresholds) -> Objective:
    return Objective(
        slo="sms_delivery",
        alert="SMSDeliveryBudgetBurn",
        objective=thresholds.sms_delivery_objective,
        total=_steps(Step.SEND_SMS, *_TRIED),
        errors=_or_none(_steps(Step.SEND_SMS, StepStatus.FAILED), "sms_delivery"),
        promise="answers are handed to the SMS Agent, retries included",
        failing="can't send too many of its answers",
        impact="Answers are written but don't reach the tenants",
        action="Look at the SMS Agent's errors and its breaker. When it is back, retry the failed "
        "workflows.",
        logs=LogQuery((OperationFailed,), where={"component": Component.SMS_AGENT}),
    )


def _known(slo: str) -> str:
    return f'{TOTAL}{{slo="{slo}"}}'


def _or_none(part: str, slo: str) -> str:
    """``part``, or 0 where there has been none of it yet, so that there is no series."""
    return f"{part} or on (job) 0 * {_known(slo)}"


def _steps(step: Step, *statuses: StepStatus) -> str:
    count = catalogue.WORKFLOW_STEP_DURATION.count
    among = "|".join(statuses)
    matches = "=~" if len(statuses) > 1 else "="
    return f'sum by (job) (rate({count}{{step="{step}",status{matches}"{among}"}}[5m]))'


def error_ratio(window: str) -> Record:
    """The share of events that failed over ``window``, of each objective.

    None while not even the older half of a long window is known: in a service's first minutes
    every outage would be most of its history.
    """
    name = f"job_slo:sli_errors:ratio_rate{window}"
    if window == "5m":
        return Record(name, ratio(ERRORS, TOTAL))
    half = f"{seconds(window) // 2}s"
    total, errors = _summed(window)
    share = ratio(f"sum_over_time({errors}[{window}])", f"sum_over_time({total}[{window}])")
    return Record(name, f"{share} and present_over_time({total}[{half}] offset {half})")


def _summed(window: str) -> tuple[str, str]:
    """The series that are added up over ``window``: all events, and those that failed."""
    return (SLICE_TOTAL.name, SLICE_ERRORS.name) if window in SLOW else (TOTAL, ERRORS)


def failures(window: str) -> Record:
    """How many events failed within ``window``: few of them call nobody, whatever their share."""
    counted = (
        f"sum_over_time({SLICE_ERRORS}[{window}])"
        if window in SLOW
        else f"avg_over_time({ERRORS}[{window}]) * {seconds(window)}"
    )
    return Record(f"job_slo:sli_errors:increase{window}", counted)


def objective_record(objective: Objective) -> Record:
    """The objective itself, for dashboards and for what is computed from it."""
    known = _known(objective.slo)
    return Record(
        "job_slo:slo_objective:ratio",
        f"0 * {known} + {objective.objective:g}",
        {"slo": objective.slo},
    )


def period_error_ratio(thresholds: Thresholds) -> Record:
    """The share of events that failed over the budget's period, as far back as it is known."""
    days = f"{thresholds.slo_period_days}d"
    return Record(
        "job_slo:sli_errors:ratio_rate_period",
        ratio(f"sum_over_time({SLICE_ERRORS}[{days}])", f"sum_over_time({SLICE_TOTAL}[{days}])"),
    )


BUDGET_LEFT = Record(
    "job_slo:slo_error_budget:remaining_ratio",
    "1 - job_slo:sli_errors:ratio_rate_period / (1 - job_slo:slo_objective:ratio)",
)
BURN_RATE = Record(
    "job_slo:slo_error_budget:burn_rate1h",
    f"{error_ratio('1h')} / (1 - job_slo:slo_objective:ratio)",
)


def burning(objective: Objective, burn: BurnRate, thresholds: Thresholds) -> Signal:
    """The share of failed events over the long window of ``burn``."""
    factor = burn.factor(thresholds.slo_period_days)
    limit = round(factor * objective.budget, 9)
    matchers = f'slo="{objective.slo}"'
    promised = Unit.RATIO.text(objective.objective)
    return Signal(
        title=f"{objective.slo}: failed over {burn.long}",
        meaning=f"Promised: {promised} of {objective.promise}. "
        f"Good is below {Unit.RATIO.text(objective.budget)}, the error budget.",
        unit=Unit.RATIO,
        source=error_ratio(burn.long),
        thresholds=(
            Threshold(
                alert=objective.alert,
                comparison=Comparison.ABOVE,
                value=limit,
                severity=burn.severity,
                team=Team.ORCHESTRATOR,
                summary=f"{{{{ $labels.job }}}} {objective.failing} ({burn.long})",
                description=f"{objective.impact}. Failures come {factor:g} times as fast as the "
                f"objective of {promised} allows: {Unit.RATIO.text(burn.spent)} of the budget of "
                f"{thresholds.slo_period_days} days is used up in {burn.long}.",
                action=objective.action,
                logs=objective.logs,
                pending=burn.pending,
                matchers=matchers,
                guards=(
                    Guard(error_ratio(burn.short), Comparison.ABOVE, limit, _ON),
                    Guard(
                        failures(burn.long), Comparison.AT_LEAST, thresholds.minimum_failures, _ON
                    ),
                ),
                labels={"window": burn.long},
                absence="TargetDown",
            ),
        ),
    )


def groups(thresholds: Thresholds) -> tuple[Group, ...]:
    """The rules of the objectives: events, windows of hours, windows of days."""
    promised = objectives(thresholds)
    labelled = [(objective, {"slo": objective.slo}) for objective in promised]
    return (
        Group(
            name="slo_events",
            dashboard=Dashboard.ALERTS,
            source="slo",
            about="Objectives: what counts, what fails, what is promised.",
            records=(
                *(Record(TOTAL, objective.total, labels) for objective, labels in labelled),
                *(Record(ERRORS, objective.errors, labels) for objective, labels in labelled),
                *(objective_record(objective) for objective in promised),
                error_ratio("5m"),
            ),
            signals=(),
        ),
        Group(
            name="slo",
            dashboard=Dashboard.ALERTS,
            source="slo",
            about="Objectives over hours: the burn rates that page.",
            follows=("slo_events",),
            records=(
                *map(error_ratio, FAST[1:]),
                *(failures(burn.long) for burn in BURN_RATES if burn.long in FAST),
                BURN_RATE,
            ),
            signals=tuple(
                burning(objective, burn, thresholds)
                for objective in promised
                for burn in BURN_RATES
                if burn.long in FAST
            ),
        ),
        Group(
            name="slo_slices",
            dashboard=Dashboard.ALERTS,
            source="slo",
            about="Objectives, events of 5 minutes each.",
            interval=SLICE,
            follows=("slo_events",),
            records=(SLICE_TOTAL, SLICE_ERRORS),
            signals=(),
        ),
        Group(
            name="slo_long",
            dashboard=Dashboard.ALERTS,
            source="slo",
            about="Objectives over days: burn rates for tickets, and the budget that is left.",
            interval="1m",
            follows=("slo_events", "slo", "slo_slices"),
            records=(
                *map(error_ratio, SLOW),
                *(failures(burn.long) for burn in BURN_RATES if burn.long in SLOW),
                period_error_ratio(thresholds),
                BUDGET_LEFT,
            ),
            signals=tuple(
                burning(objective, burn, thresholds)
                for objective in promised
                for burn in BURN_RATES
                if burn.long in SLOW
            ),
        ),
    )
