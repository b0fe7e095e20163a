"""MetricsService: what the business measures beside its facts, for Prometheus and the rollups."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.clients.ai_provider import Tokens
from app.core import catalogue
from app.core.catalogue import Step, StepStatus, StepType, TokenKind
from app.core.config import Settings
from asgi_observability.instruments import Instruments
from asgi_observability.metric import OTHER, Kind

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
    """What is measured of the business; its facts are counted as they are told (`app.core.facts`).

    What happens is noted and handed on later (`asgi_observability.recorder`), so no method blocks,
    and none raises into its caller.
    """

    def __init__(self, settings: Settings, instruments: Instruments) -> None:
        self.operation = instruments.operation
        """Times one operation on a component: ``with metrics.operation(component, name):``."""
        self._steps = instruments.histogram(catalogue.WORKFLOW_STEP_DURATION)
        # Tokens are not exposed at 0: until a provider says how many there are, nobody knows.
        self._tokens = instruments.counter(catalogue.AI_TOKENS)
        self._without_usage = instruments.counter(catalogue.AI_ANSWERS_WITHOUT_USAGE).series()
        self.in_flight = 0
        instruments.sampled(catalogue.SMS_IN_FLIGHT, read=lambda: self.in_flight)
        capacity = settings.thresholds.concurrent_sms
        instruments.gauge(catalogue.SMS_CAPACITY).series().set(capacity)
        for fact in catalogue.FACTS:
            is_counter = fact.kind is Kind.COUNTER
            (instruments.counter if is_counter else instruments.histogram)(fact).bind_all()
        for step, step_type in STEP_TYPES.items():
            for status in StepStatus:
                self._steps.expose(step, step_type, status)

    @contextmanager
    def sms_in_flight(self) -> Iterator[None]:
        """The workflow of an SMS runs as long as this block."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def ai_answered(self, tokens: Tokens | None) -> None:
        """The AI has answered; ``tokens`` is None where its provider does not say how many."""
        if tokens is None:
            self._without_usage.note()
            return
        self._tokens.series(TokenKind.INPUT).note(tokens.input)
        self._tokens.series(TokenKind.OUTPUT).note(tokens.output)

    def step_ended(self, step: Step, status: StepStatus, seconds: float) -> None:
        """A workflow step ended."""
        self._steps.series(step, STEP_TYPES.get(step, OTHER), status).note(seconds)
