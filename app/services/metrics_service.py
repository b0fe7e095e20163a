"""MetricsService: one method per business event, feeding instruments and rollups at once."""

import time
from collections.abc import Mapping
from datetime import datetime

from app.core import catalogue
from app.core.catalogue import (
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
from app.schemas.metrics import LastHour, MetricsAnswer, Today
from app.services.rollups import MINUTE, Rollups, Total

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

# Series of the rollups that the endpoint reads.
SMS_RECEIVED = catalogue.SMS_RECEIVED.name
SMS_PROCESSED = catalogue.SMS_PROCESSING_DURATION.name
AI_RESPONSES = catalogue.AI_RESPONSES.name
ESCALATIONS = catalogue.ESCALATIONS.name
PAYMENT_PLANS = catalogue.PAYMENT_PLANS.name


class MetricsService:
    """What the business counts. No method blocks, and none raises into its caller."""

    def __init__(self, settings: Settings, instruments: Instruments, rollups: Rollups) -> None:
        self._zone = settings.zone
        self._instruments = instruments
        self._rollups = rollups
        self._received = instruments.counter(catalogue.SMS_RECEIVED).child()
        self._processed = instruments.histogram(catalogue.SMS_PROCESSING_DURATION)
        self._steps = instruments.histogram(catalogue.WORKFLOW_STEP_DURATION)
        self._retries = instruments.counter(catalogue.WORKFLOW_RETRIES)
        self._responses = instruments.counter(catalogue.AI_RESPONSES)
        self._confidence = instruments.histogram(catalogue.AI_CONFIDENCE).child()
        self._approvals = instruments.counter(catalogue.APPROVALS)
        self._escalations = instruments.counter(catalogue.ESCALATIONS)
        self._resolutions = instruments.histogram(catalogue.ESCALATION_RESOLUTION_DURATION)
        self._plans = instruments.counter(catalogue.PAYMENT_PLANS)
        for family in (
            self._processed,
            self._retries,
            self._responses,
            self._approvals,
            self._escalations,
            self._plans,
        ):
            family.bind_all()
        for step, step_type in STEP_TYPES.items():
            for status in StepStatus:
                self._steps.child(step, step_type, status)

    def sms_received(self) -> None:
        """An SMS was accepted."""
        with self._instruments.contained():
            self._received.inc()
            self._rollups.add(SMS_RECEIVED)

    def sms_processed(self, route: Route, seconds: float) -> None:
        """An SMS got where it goes, ``seconds`` after it was accepted."""
        with self._instruments.contained():
            self._processed.child(route).observe(seconds)
            self._rollups.add(f"{SMS_PROCESSED}:{route}", seconds)

    def step_ended(self, step: Step, status: StepStatus, seconds: float) -> None:
        """A workflow step ended."""
        with self._instruments.contained():
            self._steps.child(step, STEP_TYPES[step], status).observe(seconds)

    def workflow_retried(self, *, recovered: bool) -> None:
        """A failed workflow was run again."""
        with self._instruments.contained():
            self._retries.child("recovered" if recovered else "failed").inc()

    def ai_responded(self, route: Route, confidence: float) -> None:
        """The AI wrote an answer, and it was routed."""
        with self._instruments.contained():
            self._responses.child(route).inc()
            self._confidence.observe(confidence)
            self._rollups.add(f"{AI_RESPONSES}:{route}", confidence)

    def response_decided(self, action: ApprovalAction) -> None:
        """A manager decided on a queued response."""
        with self._instruments.contained():
            self._approvals.child(action).inc()

    def escalation_opened(
        self, kind: EscalationType, severity: Severity, detection: Detection
    ) -> None:
        """A conversation was escalated."""
        with self._instruments.contained():
            self._escalations.child(kind, severity, detection).inc()
            self._rollups.add(f"{ESCALATIONS}:{kind}:{severity}:{detection}")

    def escalation_resolved(self, kind: EscalationType, seconds: float) -> None:
        """A manager closed an escalation, ``seconds`` after it was opened."""
        with self._instruments.contained():
            self._resolutions.child(kind).observe(seconds)

    def payment_plan_found(self, result: PlanResult) -> None:
        """A payment plan was found and validated."""
        with self._instruments.contained():
            self._plans.child(result).inc()
            self._rollups.add(f"{PAYMENT_PLANS}:{result}")

    async def answer(self) -> MetricsAnswer:
        """What `GET /orchestrate/metrics` says.

        "Last hour" is the minute that runs and the 59 before it; "today" begins at midnight of the
        configured time zone. Raises SQLAlchemyError or OSError when the store does not answer.
        """
        this_minute = int(time.time()) // MINUTE * MINUTE
        until = this_minute + MINUTE
        hour = await self._rollups.totals(until - 60 * MINUTE, until)
        day = await self._rollups.totals(self._midnight(this_minute), until)
        responses = _sum_of(hour, AI_RESPONSES).count
        auto_sent = _sum_of(hour, f"{AI_RESPONSES}:{Route.AUTO_SENT}").count
        return MetricsAnswer(
            last_hour=LastHour(
                sms_received=_sum_of(hour, SMS_RECEIVED).count,
                ai_responses=responses,
                auto_approval_rate=round(auto_sent / responses, 4) if responses else 0.0,
                avg_response_time_ms=round(_sum_of(hour, SMS_PROCESSED).mean * 1000),
            ),
            today=Today(
                total_messages=_sum_of(day, SMS_RECEIVED).count,
                escalations=_sum_of(day, ESCALATIONS).count,
                payment_plans=_sum_of(day, PAYMENT_PLANS).count,
            ),
        )

    def _midnight(self, timestamp: int) -> int:
        local = datetime.fromtimestamp(timestamp, self._zone)
        return int(local.replace(hour=0, minute=0, second=0, fold=0).timestamp())


def _sum_of(totals: Mapping[str, Total], series: str) -> Total:
    """``series`` together with its parts, which are called ``series:…``."""
    parts = [
        total for name, total in totals.items() if name == series or name.startswith(f"{series}:")
    ]
    return Total(sum(part.count for part in parts), sum(part.sum for part in parts))
