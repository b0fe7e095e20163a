"""Facts and steps of the business reach Prometheus, and nothing is raised."""

from collections.abc import Sequence
from contextlib import suppress
from contextvars import copy_context
from typing import Any, cast

import pytest

from app.core import catalogue
from app.core.catalogue import (
    Component,
    Detection,
    ErrorType,
    EscalationType,
    PlanResult,
    Route,
    Severity,
    Step,
    StepStatus,
)
from app.core.config import Settings
from app.core.events import (
    EscalationOpened,
    EscalationResolved,
    Fact,
    PaymentPlanAutoApproved,
    PaymentPlanDetected,
    PaymentPlanNotFound,
    PaymentPlanValidated,
    ResponseApproved,
    ResponseEscalated,
    ResponseModified,
    SMSReceived,
    SMSRouted,
    WorkflowBroken,
    WorkflowFailed,
    WorkflowInterrupted,
    WorkflowRetried,
)
from app.core.facts import FactCounters, Told
from app.core.instrumentation import orchestrator_instruments
from app.services.measures import rolled_up
from app.services.metrics_service import MetricsService
from asgi_observability.event import Event, FromCode, Identifier, all_events
from asgi_observability.instruments import Instruments
from asgi_observability.logging import get_logger
from asgi_observability.metric import Kind, Metric
from asgi_observability.recorder import Batch

ID = Identifier("0123456789abcdef")
WAITED = {catalogue.APPROVALS: 1.0, catalogue.APPROVAL_WAIT_DURATION: 90.0}
FACTS: list[tuple[Event, dict[Metric, float]]] = [
    (SMSReceived(), {catalogue.SMS_RECEIVED: 1}),
    (
        SMSRouted(attempt=1, route=Route.QUEUED, duration_ms=1500.0, confidence=0.75),
        {
            catalogue.SMS_PROCESSING_DURATION: 1.5,
            catalogue.AI_RESPONSES: 1,
            catalogue.AI_CONFIDENCE: 0.75,
        },
    ),
    (
        WorkflowFailed(
            attempt=1,
            error_type=ErrorType.TIMEOUT,
            component=Component.SMS_AGENT,
            duration_ms=500.0,
        ),
        {catalogue.SMS_PROCESSING_DURATION: 0.5},
    ),
    (
        WorkflowBroken(attempt=1, error_type=FromCode("KeyError"), duration_ms=500.0),
        {catalogue.SMS_PROCESSING_DURATION: 0.5},
    ),
    (
        WorkflowInterrupted(attempt=2, duration_ms=500.0),
        {catalogue.WORKFLOW_RETRIES: 1, catalogue.WORKFLOWS_INTERRUPTED: 1},
    ),
    (
        WorkflowInterrupted(attempt=1, duration_ms=500.0),
        {catalogue.SMS_PROCESSING_DURATION: 0.5, catalogue.WORKFLOWS_INTERRUPTED: 1},
    ),
    (WorkflowRetried(route=Route.QUEUED, reason_given=True), {catalogue.WORKFLOW_RETRIES: 1}),
    (ResponseApproved(response_queue_id=ID, waited_seconds=90.0), WAITED),
    (ResponseModified(response_queue_id=ID, waited_seconds=90.0), WAITED),
    (ResponseEscalated(response_queue_id=ID, waited_seconds=90.0), WAITED),
    (
        EscalationOpened(
            escalation_id=ID,
            type=EscalationType.NO_RESPONSE,
            severity=Severity.HIGH,
            detection=Detection.MANUAL,
        ),
        {catalogue.ESCALATIONS: 1},
    ),
    (
        EscalationResolved(
            escalation_id=ID,
            type=EscalationType.NO_RESPONSE,
            severity=Severity.LOW,
            open_seconds=60.0,
        ),
        {catalogue.ESCALATION_RESOLUTION_DURATION: 60.0},
    ),
    (PaymentPlanDetected(), {catalogue.PAYMENT_PLAN_DETECTIONS: 1}),
    (PaymentPlanNotFound(), {catalogue.PAYMENT_PLAN_DETECTIONS: 1}),
    (PaymentPlanValidated(result=PlanResult.INVALID), {catalogue.PAYMENT_PLANS: 1}),
    (PaymentPlanAutoApproved(), {catalogue.PAYMENT_PLANS_AUTO_APPROVED: 1}),
]


@pytest.fixture
def instruments() -> Instruments:
    return orchestrator_instruments()


def exposed(instruments: Instruments, metric: Metric) -> float:
    """The sum over a metric's series: of its counts, or of what a histogram observed."""
    name = metric.sum if metric.kind is Kind.HISTOGRAM else metric.name
    return sum(
        sample.value
        for family in instruments.registry.collect()
        for sample in family.samples
        if sample.name == name
    )


def committed(instruments: Instruments, *events: Event) -> None:
    """What follows the commit of a transaction that told these."""
    log, context = get_logger(__name__), copy_context()
    FactCounters(instruments).committed([Told(log, event, context.copy()) for event in events])


def test_every_fact_is_here() -> None:
    counting = {event for event in all_events() if issubclass(event, Fact)}
    assert counting == {type(event) for event, _ in FACTS}


@pytest.mark.parametrize(("event", "expected"), FACTS, ids=lambda value: getattr(value, "name", ""))
def test_a_fact_reaches_prometheus(
    instruments: Instruments, event: Event, expected: dict[Metric, float]
) -> None:
    MetricsService(Settings(), instruments)
    committed(instruments, event)
    assert {metric: exposed(instruments, metric) for metric in expected} == expected
    assert sum(exposed(instruments, metric) for metric in catalogue.FACTS) == sum(expected.values())
    assert {metric.name for metric in expected} <= {metric.name for metric in rolled_up()}


def test_a_step_reaches_prometheus_and_the_rollups(instruments: Instruments) -> None:
    given: list[tuple[Metric, list[float]]] = []

    def sink(minute: int, batches: Sequence[Batch]) -> None:
        given.extend((batch.series.metric, batch.values) for batch in batches)

    instruments.recorder.subscribe(sink)
    MetricsService(Settings(), instruments).step_ended(Step.AI_RESPONSE, StepStatus.COMPLETED, 0.5)
    assert exposed(instruments, catalogue.WORKFLOW_STEP_DURATION) == 0.5
    instruments.recorder.drain()
    assert given == [(catalogue.WORKFLOW_STEP_DURATION, [0.5])]


def test_nothing_is_raised_whatever_is_told(instruments: Instruments) -> None:
    metrics = cast("Any", MetricsService(Settings(), instruments))
    metrics.step_ended("no step", "no status", float("inf"))
    odd = cast("Any", "odd")
    committed(
        instruments,
        SMSRouted(attempt=1, route=odd, duration_ms=float("nan"), confidence=float("-inf")),
        EscalationOpened(escalation_id=ID, type=odd, severity=odd, detection=odd),
    )
    assert exposed(instruments, catalogue.SMS_PROCESSING_DURATION) == 0
    assert exposed(instruments, catalogue.ESCALATIONS) == 1
    assert exposed(instruments, catalogue.INSTRUMENTATION_ERRORS) == 3
    assert exposed(instruments, catalogue.LABEL_OVERFLOWS) >= 6


def test_in_flight_goes_back_whatever_happens(instruments: Instruments) -> None:
    metrics = MetricsService(Settings(), instruments)
    with suppress(RuntimeError), metrics.sms_in_flight():
        assert metrics.in_flight == 1
        raise RuntimeError("a bug")
    assert metrics.in_flight == 0
