"""Service level objectives: each a promise, declared once.

The endpoint counts it from the service's own totals; alerts/signals/slo.py makes its records and
alerts. The promises themselves are in docs/domain.md, "What it promises".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.core import catalogue
from app.core.catalogue import Component, Route, Step, StepStatus
from app.core.events import DatabaseFailed, OperationRetried
from app.core.thresholds import BURN_LIMITS, BurnLimit, Thresholds
from asgi_observability.event import Event
from asgi_observability.events import OperationFailed, OperationSlow, UnhandledError
from asgi_observability.metric import Metric

PROBES = ("/metrics", "/health", "/health/dependencies")
"""Routes that come however few people use the service. They would hide failures at night, and
/health/dependencies answers 503 because of others."""

AVAILABILITY = "availability"
SMS_LATENCY = "sms_latency"

_ROUTE, _STATUS = catalogue.HTTP_SERVER_REQUEST_DURATION.label_names[1:]
_TICKETS = tuple(limit for limit in BURN_LIMITS if limit.urgency == "ticket")

Values = Mapping[str, tuple[str, ...]]
"""The values that labels may have; ``5*`` is any that begins with 5."""


@dataclass(frozen=True, slots=True)
class Events:
    """What a histogram observed and an objective counts, and which of that failed.

    Series with the labels ``among`` count, but not those with a label of ``but_not``. ``failed``
    are the labels of those that failed, whatever they took. Of the others, those that took longer
    than ``within`` seconds failed as well; ``within_setting`` names the setting.
    """

    metric: Metric
    failed: Values
    among: Values = field(default_factory=dict, hash=False)
    but_not: Values = field(default_factory=dict, hash=False)
    within: float | None = None
    within_setting: str = ""

    def counts(self, labels: Mapping[str, str]) -> bool:
        """Whether a series with these labels counts."""
        return all(_is(labels, name, values) for name, values in self.among.items()) and not any(
            _is(labels, name, values) for name, values in self.but_not.items()
        )

    def fails(self, labels: Mapping[str, str]) -> bool:
        """Whether all of a series with these labels failed."""
        return all(_is(labels, name, values) for name, values in self.failed.items())


REQUESTS = Events(
    catalogue.HTTP_SERVER_REQUEST_DURATION, failed={_STATUS: ("5*",)}, but_not={_ROUTE: PROBES}
)
"""Requests that somebody sent."""


@dataclass(frozen=True, slots=True)
class Objective:
    """A promise: of all that counts, a share of ``objective`` succeeds.

    ``failing`` goes on from "the service …", ``impact`` and ``action`` are for who is called, and
    the log lines to look at are of ``logged``, with the fields ``logged_where``. ``limits`` are how
    fast its budget may burn; those that page are only for what no other alert tells in time.
    """

    name: str
    alert: str
    objective: float
    promise: str
    failing: str
    impact: str
    action: str
    logged: tuple[type[Event], ...]
    logged_where: Mapping[str, str] = field(default_factory=dict, hash=False)
    limits: tuple[BurnLimit, ...] = BURN_LIMITS

    @property
    def budget(self) -> float:
        """The share of events that may fail."""
        return round(1 - self.objective, 9)


@dataclass(frozen=True, slots=True)
class Counted:
    """An objective whose events the service counts itself."""

    objective: Objective
    events: Events


def objectives(thresholds: Thresholds) -> tuple[Counted, ...]:
    """What the service promises and can count itself."""
    return (
        _availability(thresholds),
        _sms_latency(thresholds),
        _ai_answers(thresholds),
        _sms_delivery(thresholds),
    )


def _availability(thresholds: Thresholds) -> Counted:
    return Counted(
        Objective(
            name=AVAILABILITY,
            alert="AvailabilityBudgetBurn",
            objective=thresholds.availability_objective,
            promise="requests, without probes, are not answered 5xx",
            failing="answers too many requests with 5xx",
            impact="Callers get errors: SMS are not accepted, managers can't decide.",
            action="If there was a release just before, roll it back now. Otherwise find the "
            "failing http_route on the dashboard and its exception in the log.",
            logged=(UnhandledError, DatabaseFailed),
        ),
        REQUESTS,
    )


def _sms_latency(thresholds: Thresholds) -> Counted:
    seconds = thresholds.sms_latency_seconds
    return Counted(
        Objective(
            name=SMS_LATENCY,
            alert="SMSLatencyBudgetBurn",
            objective=thresholds.sms_latency_objective,
            promise=f"SMS are processed within {seconds:g} s; a failed workflow counts as late",
            failing=f"processes too few SMS within {seconds:g} s",
            impact="Tenants wait for an answer, or get none.",
            action="Look at the latency and errors of the upstreams: usually the slowest one is "
            "the cause.",
            logged=(OperationSlow, OperationRetried),
        ),
        Events(
            catalogue.SMS_PROCESSING_DURATION,
            # A workflow that failed at once is not an SMS that was processed in time.
            failed={"route": (Route.FAILED,)},
            within=seconds,
            within_setting="sms_latency_seconds",
        ),
    )


def _ai_answers(thresholds: Thresholds) -> Counted:
    return Counted(
        Objective(
            name="ai_answers",
            alert="AIAnswersBudgetBurn",
            objective=thresholds.ai_answers_objective,
            promise="SMS that ask the AI get its answer, retries included",
            failing="gets no answer from the AI for too many SMS",
            impact="Their workflows fail, and have to be retried.",
            action="See by error type whether the provider is down, slow or refuses us. When it "
            "is back, retry the failed workflows.",
            logged=(OperationFailed,),
            logged_where={"component": Component.AI_PROVIDER},
            # Workflows that fail for it page: sms_latency counts them.
            limits=_TICKETS,
        ),
        _steps(Step.AI_RESPONSE),
    )


def _sms_delivery(thresholds: Thresholds) -> Counted:
    return Counted(
        Objective(
            name="sms_delivery",
            alert="SMSDeliveryBudgetBurn",
            objective=thresholds.sms_delivery_objective,
            promise="answers are handed to the SMS Agent, retries included",
            failing="can't send too many of its answers",
            impact="Answers are written but don't reach the tenants.",
            action="Look at the SMS Agent's errors and its breaker. When it is back, retry the "
            "failed workflows.",
            logged=(OperationFailed,),
            logged_where={"component": Component.SMS_AGENT},
            # As for the AI; and a manager's answer that can't be sent is a 5xx.
            limits=_TICKETS,
        ),
        _steps(Step.SEND_SMS),
    )


def _steps(step: Step) -> Events:
    return Events(
        catalogue.WORKFLOW_STEP_DURATION,
        failed={"status": (StepStatus.FAILED,)},
        # What was skipped was not tried.
        among={"step": (step,), "status": (StepStatus.COMPLETED, StepStatus.FAILED)},
    )


def _is(labels: Mapping[str, str], name: str, values: tuple[str, ...]) -> bool:
    found = labels.get(name, "")
    return any(
        found.startswith(value[:-1]) if value.endswith("*") else found == value for value in values
    )
