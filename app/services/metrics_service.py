"""MetricsService: one method per business event, feeding instruments and rollups at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.core import catalogue
from app.core.catalogue import (
    OTHER,
    ApprovalAction,
    Detection,
    EscalationType,
    PlanResult,
    Route,
    Severity,
    Step,
    StepStatus,
    StepType,
)
from app.core.config import Settings
from app.core.instrumentation import Instruments
from app.core.wall_time import WallTime

STEP_TYPES = {
    Step.TENANT_CONTEXT: StepType.API_CALL,
    Step.MESSAGE_HISTORY: StepType.API_CALL,
    Step.AI_RESPONSE: StepType.AI_PROCESSING,
    Step.PAYMENT_PLAN: StepType.DATABASE_OPERATION,
    Step.SEND_SMS: StepType.API_CALL,
    Step.QUEUE_FOR_APPROVAL: StepType.DATABASE_OPERATION,
    Step.OPEN_ESCALATION: StepType.DATABASE_OPERATION,
    Step.NOTIFY_MANAGER: StepType.NOTIFICATION,
}


class MetricsService:
    """What the business counts: each event once, for Prometheus and for the rollups.

    An event is noted and handed on later (`app.core.recorder`), so no method blocks, and none
    raises into its caller.
    """

    def __init__(self, settings: Settings, instruments: Instruments) -> None:
        self.operation = instruments.operation
        """Times one operation on a component: ``with metrics.operation(component, name):``."""
        self.wall_seconds = WallTime(instruments).seconds
        """Seconds between two times of the wall clock, never less than 0."""
        self._received = instruments.counter(catalogue.SMS_RECEIVED).series()
        self._processed = instruments.histogram(catalogue.SMS_PROCESSING_DURATION)
        self._steps = instruments.histogram(catalogue.WORKFLOW_STEP_DURATION)
        self._retries = instruments.counter(catalogue.WORKFLOW_RETRIES)
        self._responses = instruments.counter(catalogue.AI_RESPONSES)
        self._confidence = instruments.histogram(catalogue.AI_CONFIDENCE).series()
        self._approvals = instruments.counter(catalogue.APPROVALS)
        self._approval_waits = instruments.histogram(catalogue.APPROVAL_WAIT_DURATION)
        self._escalations = instruments.counter(catalogue.ESCALATIONS)
        self._resolutions = instruments.histogram(catalogue.ESCALATION_RESOLUTION_DURATION)
        self._detections = instruments.counter(catalogue.PAYMENT_PLAN_DETECTIONS)
        self._plans = instruments.counter(catalogue.PAYMENT_PLANS)
        self._plans_auto_approved = instruments.counter(
            catalogue.PAYMENT_PLANS_AUTO_APPROVED
        ).series()
        self.in_flight = 0
        instruments.sampled(catalogue.SMS_IN_FLIGHT, read=lambda: self.in_flight)
        capacity = settings.thresholds.concurrent_sms
        instruments.gauge(catalogue.SMS_CAPACITY).child().set(capacity)
        for family in (
            self._processed,
            self._retries,
            self._responses,
            self._approvals,
            self._approval_waits,
            self._escalations,
            self._resolutions,
            self._detections,
            self._plans,
        ):
            family.bind_all()
        for step, step_type in STEP_TYPES.items():
            for status in StepStatus:
                self._steps.child(step, step_type, status)

    def sms_received(self) -> None:
        """An SMS was accepted."""
        self._received.note()

    @contextmanager
    def sms_in_flight(self) -> Iterator[None]:
        """The workflow of an SMS runs as long as this block."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def sms_processed(self, route: Route, seconds: float) -> None:
        """An SMS got where it goes, ``seconds`` after it was accepted."""
        self._processed.series(route).note(seconds)

    def step_ended(self, step: Step, status: StepStatus, seconds: float) -> None:
        """A workflow step ended."""
        self._steps.series(step, STEP_TYPES.get(step, OTHER), status).note(seconds)

    def workflow_retried(self, *, recovered: bool) -> None:
        """A failed workflow was run again."""
        self._retries.series("recovered" if recovered else "failed").note()

    def ai_responded(self, route: Route, confidence: float) -> None:
        """The AI wrote an answer, and it was routed."""
        self._responses.series(route).note()
        self._confidence.note(confidence)

    def response_decided(self, action: ApprovalAction, waited_seconds: float) -> None:
        """A manager decided on a response that had been queued ``waited_seconds`` before."""
        self._approvals.series(action).note()
        self._approval_waits.series(action).note(waited_seconds)

    def escalation_opened(
        self, kind: EscalationType, severity: Severity, detection: Detection
    ) -> None:
        """A conversation was escalated."""
        self._escalations.series(kind, severity, detection).note()

    def escalation_resolved(self, kind: EscalationType, seconds: float) -> None:
        """A manager closed an escalation, ``seconds`` after it was opened."""
        self._resolutions.series(kind).note(seconds)

    def payment_plan_looked_for(self, *, found: bool) -> None:
        """A message was looked through for a payment plan."""
        self._detections.series("found" if found else "none").note()

    def payment_plan_validated(self, result: PlanResult) -> None:
        """A payment plan that was found has been validated."""
        self._plans.series(result).note()

    def payment_plan_auto_approved(self) -> None:
        """A valid payment plan was confirmed to the tenant without a manager."""
        self._plans_auto_approved.note()
