"""The events of the log: every line the service writes about itself, declared once.

log = get_logger(__name__)
log.event(SMSRouted(route=Route.QUEUED, duration_ms=812.0))

docs/log-events.md is made from here and from the layer's events (`make generate`), and a test fails
when code logs anything else.
"""

import logging
from collections.abc import Iterator
from typing import NamedTuple

from app.core import catalogue
from app.core.catalogue import (
    ApprovalAction,
    BreakerState,
    Component,
    Detection,
    ErrorType,
    EscalationType,
    PlanResult,
    Route,
    Severity,
    Step,
)
from asgi_observability import events as layer
from asgi_observability.event import Event, FromCode, Identifier, all_events
from asgi_observability.metric import Metric


class Count(NamedTuple):
    """What an event adds to a metric: 1 to a counter, or an observation in a histogram's unit."""

    metric: Metric
    labels: tuple[str, ...] = ()
    value: float = 1.0


class Fact(Event):
    """What happened in the business and says in ``counts`` what it counts.

    It is told in the transaction that makes it true (`app.core.facts`), and not logged by itself.
    """

    def counts(self) -> tuple[Count, ...]:
        """What it adds to which metrics."""
        raise NotImplementedError


def _processed(attempt: int, route: Route, duration_ms: float) -> tuple[Count, ...]:
    """A message is processed once, by its first run; what is run again is a retry."""
    if attempt > 1:
        return ()
    return (Count(catalogue.SMS_PROCESSING_DURATION, (route,), duration_ms / 1000),)


def _retried(route: Route) -> Count:
    result = "failed" if route is Route.FAILED else "recovered"
    return Count(catalogue.WORKFLOW_RETRIES, (result,))


def _decided(action: ApprovalAction, waited_seconds: float) -> tuple[Count, ...]:
    return (
        Count(catalogue.APPROVALS, (action,)),
        Count(catalogue.APPROVAL_WAIT_DURATION, (action,), waited_seconds),
    )


# --- Operations -----------------------------------------------------------


class OperationRetried(Event, level=logging.WARNING):
    """An upstream call failed and will be tried again, after the wait."""

    component: FromCode
    operation: FromCode
    attempt: int
    wait_seconds: float
    error_type: FromCode


# --- The service itself ----------------------------------------------------------------


class ServiceStarted(Event):
    """A worker answers requests at this address."""

    address: FromCode


class HashKeyMissing(Event, level=logging.WARNING):
    """No hash key is configured, so hashes of personal IDs differ from process to process."""

    fix: FromCode


class DatabaseFailed(Event, level=logging.ERROR):
    """A request could not be answered because the database failed."""

    error_type: FromCode
    reason: FromCode


class DatabaseAwaited(Event, level=logging.WARNING):
    """A worker can't start its work before its database can be used; it goes on trying."""

    reason: FromCode
    waited_seconds: float


class DatabaseAnswered(Event):
    """A worker that waited for its database has begun its work."""

    waited_seconds: float


class StartRefused(Event, level=logging.CRITICAL):
    """A worker can't work with its database, and waiting would not help: the service ends."""

    reason: FromCode


class RollupFlushFailed(Event, level=logging.WARNING):
    """Counts of the JSON metrics could not be stored; they are kept and stored later."""

    reason: FromCode


class RollupFlushBroken(Event, level=logging.ERROR):
    """Storing the JSON metrics failed because of a defect in the service."""


class WriteAheadLogHeld(Event, level=logging.WARNING):
    """SQLite's write-ahead log is over its limit, and a reader holds it; end old readers."""


class RollupsLost(Event, level=logging.ERROR):
    """The last counts before the stop could not be stored."""

    error_type: FromCode


class RollupsArchived(Event):
    """Expired rollups were archived."""

    file: FromCode
    rows: int


class RollupsNotExpired(Event, level=logging.WARNING):
    """Expired rollups could not be archived; the next round tries again."""

    reason: FromCode


class StreamNotComputed(Event, level=logging.ERROR):
    """The metrics stream could not be computed this time; its readers got no change."""


class MetricsTokensRead(Event):
    """The file of tokens for the metrics was read again."""

    tokens: int


class MetricsTokensNotRead(Event, level=logging.ERROR):
    """A changed tokens file can't be used; the earlier tokens stay valid."""

    reason: FromCode


class MetricsClosed(Event, level=logging.WARNING):
    """Nobody can read the metrics: there is no tokens file."""

    fix: FromCode


class PersonalDataErased(Event):
    """Texts and numbers of conversations whose retention is over were erased; the rows stay."""

    workflows: int
    escalations: int


# --- The business: one SMS ------------------------------------------------------------------------


class SMSReceived(Fact):
    """A tenant's text was accepted and its workflow starts."""

    def counts(self) -> tuple[Count, ...]:
        return (Count(catalogue.SMS_RECEIVED),)


class SMSRepeated(Event):
    """A known text was delivered again; nothing runs twice."""


class StepCompleted(Event):
    """A step of the workflow was done."""

    step: Step
    duration_ms: float


class StepSkipped(Event, level=logging.DEBUG):
    """A step of the workflow was not needed."""

    step: Step


class StepFailed(Event, level=logging.WARNING):
    """A step of the workflow failed."""

    step: Step
    duration_ms: float


class AIAnswered(Event):
    """The AI wrote an answer; `confidence` is 0 to 1."""

    confidence: float


class PaymentPlanDetected(Fact):
    """A payment plan was found in a message."""

    def counts(self) -> tuple[Count, ...]:
        return (Count(catalogue.PAYMENT_PLAN_DETECTIONS, ("found",)),)


class PaymentPlanNotFound(Fact, level=logging.DEBUG):
    """A message was looked through, and there was no payment plan in it."""

    def counts(self) -> tuple[Count, ...]:
        return (Count(catalogue.PAYMENT_PLAN_DETECTIONS, ("none",)),)


class PaymentPlanValidated(Fact):
    """A payment plan that was found has been checked against the limits."""

    result: PlanResult

    def counts(self) -> tuple[Count, ...]:
        return (Count(catalogue.PAYMENT_PLANS, (self.result,)),)


class PaymentPlanAutoApproved(Fact):
    """A valid payment plan was confirmed to the tenant without a manager."""

    def counts(self) -> tuple[Count, ...]:
        return (Count(catalogue.PAYMENT_PLANS_AUTO_APPROVED),)


class ResponseAutoSent(Event):
    """The confidence was high enough: the answer was sent at once."""

    confidence: float


class ResponseQueued(Event):
    """The AI's answer waits for a manager."""

    response_queue_id: Identifier
    confidence: float


class SMSRouted(Fact):
    """An SMS was sent, queued or escalated, `duration_ms` after its workflow began to run."""

    attempt: int
    route: Route
    duration_ms: float
    confidence: float

    def counts(self) -> tuple[Count, ...]:
        return (
            *_processed(self.attempt, self.route, self.duration_ms),
            Count(catalogue.AI_RESPONSES, (self.route,)),
            Count(catalogue.AI_CONFIDENCE, (), self.confidence),
        )


class WorkflowFailed(Fact, level=logging.WARNING):
    """The workflow was given up after its retries; it can be run again."""

    attempt: int
    error_type: ErrorType
    component: Component
    duration_ms: float

    def counts(self) -> tuple[Count, ...]:
        return _processed(self.attempt, Route.FAILED, self.duration_ms)


class WorkflowBroken(Fact, level=logging.ERROR):
    """The workflow met an error that nobody expected: a defect."""

    attempt: int
    error_type: FromCode
    duration_ms: float

    def counts(self) -> tuple[Count, ...]:
        return _processed(self.attempt, Route.FAILED, self.duration_ms)


class WorkflowRetried(Fact):
    """A failed workflow was run again; `route` is `failed` when that did not help."""

    route: Route
    reason_given: bool

    def counts(self) -> tuple[Count, ...]:
        return (_retried(self.route),)


class WorkflowInterrupted(Fact, level=logging.WARNING):
    """A workflow was given up because its run was cut off; it can be run again."""

    attempt: int
    duration_ms: float

    def counts(self) -> tuple[Count, ...]:
        found = Count(catalogue.WORKFLOWS_INTERRUPTED, ())
        if self.attempt > 1:
            return (found, _retried(Route.FAILED))
        return (found, *_processed(self.attempt, Route.FAILED, self.duration_ms))


class WorkflowsInterrupted(Event, level=logging.WARNING):
    """Work was found that a crash had interrupted; it can be run again."""

    workflows: int
    responses: int


class RetriesRequested(Event):
    """Somebody asked to run failed workflows again; they run one after the other."""

    workflows: int
    reason_given: bool


# --- The business: managers, escalations, upstreams -----------------------------------------------


class ResponseApproved(Fact):
    """A manager sent the AI's answer as it was."""

    response_queue_id: Identifier
    waited_seconds: float

    def counts(self) -> tuple[Count, ...]:
        return _decided(ApprovalAction.APPROVE, self.waited_seconds)


class ResponseModified(Fact):
    """A manager sent another text than the AI's."""

    response_queue_id: Identifier
    waited_seconds: float

    def counts(self) -> tuple[Count, ...]:
        return _decided(ApprovalAction.MODIFY, self.waited_seconds)


class ResponseEscalated(Fact):
    """A manager escalated instead of answering."""

    response_queue_id: Identifier
    waited_seconds: float

    def counts(self) -> tuple[Count, ...]:
        return _decided(ApprovalAction.ESCALATE, self.waited_seconds)


class ResponseNotSent(Event, level=logging.WARNING):
    """A manager's decision could not be carried out; the answer waits as before."""

    response_queue_id: Identifier
    action: ApprovalAction
    error_type: ErrorType


class EscalationOpened(Fact):
    """A conversation needs a person."""

    escalation_id: Identifier
    type: EscalationType
    severity: Severity
    detection: Detection

    def counts(self) -> tuple[Count, ...]:
        return (Count(catalogue.ESCALATIONS, (self.type, self.severity, self.detection)),)


class EscalationResolved(Fact):
    """A manager closed an escalation."""

    escalation_id: Identifier
    type: EscalationType
    severity: Severity
    open_seconds: float

    def counts(self) -> tuple[Count, ...]:
        labels = (self.type, self.severity)
        return (Count(catalogue.ESCALATION_RESOLUTION_DURATION, labels, self.open_seconds),)


class ManagerNotified(Event):
    """The managers were notified of waiting work."""

    reference: Identifier


class NotificationFailed(Event, level=logging.WARNING):
    """The managers could not be notified; the sweep tries again."""

    reference: Identifier
    error_type: ErrorType


class BreakerChanged(Event, level=logging.WARNING):
    """A circuit breaker opened, half-opened or closed."""

    component: Component
    state: BreakerState


def declared() -> Iterator[type[Event]]:
    """Every event of the orchestrator and its layer, in the order of declaration."""
    places = (layer.__name__, __name__)
    return (event for event in all_events() if event.__module__ in places)
