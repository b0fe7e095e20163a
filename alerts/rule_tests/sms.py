"""What those records of SMS have to say of which scenarios see too little."""

import math
from collections.abc import Mapping

from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.universe import JOB, Universe, Values, labelled, or_zero, share
from alerts.signals import sms
from app.core import catalogue
from app.core.catalogue import Component, Route, Step, StepStatus
from app.core.thresholds import Thresholds

_DURATION = catalogue.SMS_PROCESSING_DURATION
_STEPS = catalogue.WORKFLOW_STEP_DURATION


def observe_sms(universe: Universe) -> None:
    """SMS that end in each way."""
    for route in (Route.QUEUED, Route.AUTO_SENT, Route.FAILED):
        universe.observe(_DURATION, route=route.value)
    for step in (Step.AI_RESPONSE, Step.MESSAGE_HISTORY, Step.SEND_SMS, Step.TENANT_CONTEXT):
        for status in (StepStatus.COMPLETED, StepStatus.FAILED):
            labels = {"step": step.value, "step_type": "api_call", "status": status.value}
            universe.observe_one(_STEPS, JOB, "a:8000", 0.1, **labels)


def tests(_thresholds: Thresholds) -> list[RecordTest]:
    """The tests of the group."""
    universe = Universe()
    universe.observe(catalogue.SMS_RECEIVED)
    observe_sms(universe)
    for metric in (catalogue.SMS_IN_FLIGHT, catalogue.SMS_CAPACITY):
        universe.observe(metric)
        universe.observe_one(metric, "calm", "c:8000", 0.01)
    # No workflow has failed there, but some that were run again.
    universe.observe_one(_DURATION, "calm", "c:8000", 0.001, route=Route.QUEUED.value)
    for step in (Step.AI_RESPONSE, Step.SEND_SMS):
        labels = {"step": step.value, "status": StepStatus.FAILED.value}
        universe.observe_one(_STEPS, "calm", "c:8000", 0.001, step_type="api_call", **labels)
    processed = universe.rates(_DURATION.count, 300)

    def has_failed(labels: Mapping[str, str]) -> bool:
        return labels["route"] == Route.FAILED

    failed = or_zero(universe.rates(_DURATION.count, 300, where=has_failed), processed)
    by_step = universe.rates(
        _STEPS.count,
        300,
        ("job", "step"),
        where=lambda labels: labels["status"] == StepStatus.FAILED,
    )

    def for_steps(*steps: Step) -> Values:
        return {
            key: sum(by_step.get((*key, ("step", step.value)), 0.0) for step in steps)
            for key in processed
        }

    for_ai, for_agent = for_steps(Step.AI_RESPONSE), for_steps(Step.MESSAGE_HISTORY, Step.SEND_SMS)
    by_cause: Values = {}
    for key, left in failed.items():
        for cause, asked in (
            (Component.AI_PROVIDER.value, for_ai[key]),
            (Component.SMS_AGENT.value, for_agent[key]),
            (sms.OTHER_CAUSE, math.inf),
        ):
            by_cause |= labelled({key: min(asked, left)}, cause=cause)
            left = max(left - asked, 0.0)
    ratios = {key: rate / processed[("job", dict(key)["job"]),] for key, rate in by_cause.items()}
    expected = {
        sms.RECEIVED.name: universe.rates(catalogue.SMS_RECEIVED.name, 300),
        sms.P50.name: universe.quantiles(0.5, _DURATION),
        sms.P90.name: universe.quantiles(0.9, _DURATION),
        sms.P99.name: universe.quantiles(0.99, _DURATION),
        sms.FAILED_RATIO: ratios,
        sms.JUST_FAILED_RATIO.name: {
            key: rate / universe.rates(_DURATION.count, 90)[key]
            for key, rate in universe.rates(_DURATION.count, 90, where=has_failed).items()
        },
        sms.IN_FLIGHT_RATIO.name: share(
            universe.now(catalogue.SMS_IN_FLIGHT.name), universe.now(catalogue.SMS_CAPACITY.name)
        ),
    }
    return [RecordTest("SMS by where they ended", universe, expected)]
