"""MetricsService: each event once for Prometheus and for the rollups, and nothing raised."""

import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast

import pytest

from app.core import catalogue
from app.core.catalogue import (
    ApprovalAction,
    Detection,
    EscalationType,
    Metric,
    PlanResult,
    Route,
    Severity,
    Step,
    StepStatus,
)
from app.core.config import Settings
from app.core.instrumentation import Instruments
from app.core.recorder import Batch
from app.services.measures import rolled_up
from app.services.metrics_service import MetricsService

Event = Callable[[MetricsService], None]
EVENTS: dict[str, tuple[Event, dict[Metric, float]]] = {
    "sms_received": (lambda m: m.sms_received(), {catalogue.SMS_RECEIVED: 1}),
    "sms_processed": (
        lambda m: m.sms_processed(Route.QUEUED, 1.5),
        {catalogue.SMS_PROCESSING_DURATION: 1.5},
    ),
    "step_ended": (
        lambda m: m.step_ended(Step.AI_RESPONSE, StepStatus.COMPLETED, 0.5),
        {catalogue.WORKFLOW_STEP_DURATION: 0.5},
    ),
    "workflow_retried": (
        lambda m: m.workflow_retried(recovered=True),
        {catalogue.WORKFLOW_RETRIES: 1},
    ),
    "ai_responded": (
        lambda m: m.ai_responded(Route.AUTO_SENT, 0.9),
        {catalogue.AI_RESPONSES: 1, catalogue.AI_CONFIDENCE: 0.9},
    ),
    "response_decided": (
        lambda m: m.response_decided(ApprovalAction.MODIFY, 90.0),
        {catalogue.APPROVALS: 1, catalogue.APPROVAL_WAIT_DURATION: 90.0},
    ),
    "escalation_opened": (
        lambda m: m.escalation_opened(EscalationType.NO_RESPONSE, Severity.HIGH, Detection.MANUAL),
        {catalogue.ESCALATIONS: 1},
    ),
    "escalation_resolved": (
        lambda m: m.escalation_resolved(EscalationType.NO_RESPONSE, Severity.LOW, 60.0),
        {catalogue.ESCALATION_RESOLUTION_DURATION: 60.0},
    ),
    "payment_plan_looked_for": (
        lambda m: m.payment_plan_looked_for(found=False),
        {catalogue.PAYMENT_PLAN_DETECTIONS: 1},
    ),
    "payment_plan_validated": (
        lambda m: m.payment_plan_validated(PlanResult.INVALID),
        {catalogue.PAYMENT_PLANS: 1},
    ),
    "payment_plan_auto_approved": (
        lambda m: m.payment_plan_auto_approved(),
        {catalogue.PAYMENT_PLANS_AUTO_APPROVED: 1},
    ),
}


@pytest.fixture
def instruments() -> Instruments:
    return Instruments()


def exposed(instruments: Instruments, metric: Metric) -> float:
    """The sum over a metric's series: of its counts, or of what a histogram observed."""
    name = metric.sum if metric.kind is catalogue.Kind.HISTOGRAM else metric.name
    return sum(
        sample.value
        for family in instruments.registry.collect()
        for sample in family.samples
        if sample.name == name
    )


def test_every_event_is_here() -> None:
    methods = {
        name
        for name, _ in inspect.getmembers(MetricsService, inspect.isfunction)
        if not name.startswith("_")
    }
    assert methods - {"sms_in_flight"} == set(EVENTS)


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_reaches_prometheus_and_the_rollups(instruments: Instruments, name: str) -> None:
    given: dict[str, float] = {}

    def sink(minute: int, batches: Sequence[Batch]) -> None:
        for batch in batches:
            metric = batch.series.metric.name
            given[metric] = given.get(metric, 0) + sum(batch.values)

    instruments.recorder.subscribe(sink)
    event, expected = EVENTS[name]
    event(MetricsService(Settings(), instruments))
    assert {metric: exposed(instruments, metric) for metric in expected} == expected
    assert given == {metric.name: value for metric, value in expected.items()}
    assert {metric.name for metric in expected} <= {metric.name for metric in rolled_up()}


def test_nothing_is_raised_whatever_is_told(instruments: Instruments) -> None:
    metrics = cast("Any", MetricsService(Settings(), instruments))
    nan, inf = float("nan"), float("inf")
    metrics.sms_processed("nowhere", nan)
    metrics.step_ended("no step", "no status", inf)
    metrics.ai_responded("nowhere", -inf)
    metrics.response_decided("shrug", nan)
    metrics.escalation_opened("boredom", "purple", "guess")
    metrics.escalation_resolved("boredom", "purple", nan)
    metrics.payment_plan_validated("perhaps")
    assert exposed(instruments, catalogue.SMS_PROCESSING_DURATION) == 0
    assert exposed(instruments, catalogue.ESCALATIONS) == 1
    assert exposed(instruments, catalogue.INSTRUMENTATION_ERRORS) == 5
    assert exposed(instruments, catalogue.LABEL_OVERFLOWS) >= 8


def test_in_flight_goes_back_whatever_happens(instruments: Instruments) -> None:
    metrics = MetricsService(Settings(), instruments)
    with suppress(RuntimeError), metrics.sms_in_flight():
        assert metrics.in_flight == 1
        raise RuntimeError("a bug")
    assert metrics.in_flight == 0
