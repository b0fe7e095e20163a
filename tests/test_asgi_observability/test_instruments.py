"""Instruments: closed label sets, the operation timer, errors kept inside."""

import asyncio

import pytest

from app.core import catalogue
from app.core.catalogue import Component, ErrorType, Operation
from app.core.instrumentation import orchestrator_instruments
from asgi_observability.families import MAX_SERIES
from asgi_observability.instruments import Instruments
from asgi_observability.metric import Kind, Metric
from tests.not_empty import not_empty


def value(instruments: Instruments, name: str, **labels: str) -> float | None:
    return instruments.registry.get_sample_value(name, labels)


def duration_count(instruments: Instruments, outcome: str) -> float | None:
    return value(
        instruments,
        catalogue.OPERATION_DURATION.count,
        component="sms_agent",
        operation="send_sms",
        outcome=outcome,
    )


def test_a_value_outside_its_set_becomes_other_and_is_counted() -> None:
    instruments = orchestrator_instruments()
    retries = instruments.counter(catalogue.OPERATION_RETRIES)
    for number in range(1000):
        retries.series("sms_agent", f"invented-{number}").note()
    assert (
        value(
            instruments,
            catalogue.OPERATION_RETRIES.name,
            component="sms_agent",
            operation="other",
        )
        == 1000
    )
    overflows = value(instruments, catalogue.LABEL_OVERFLOWS.name, label="operation")
    assert overflows == 1000


def test_an_open_label_stops_growing() -> None:
    instruments = orchestrator_instruments()
    requests = instruments.histogram(catalogue.HTTP_SERVER_REQUEST_DURATION)
    for number in range(MAX_SERIES + 500):
        requests.series("GET", f"/route/{number}", "200").note(0.1)
    counted = [
        sample
        for family in instruments.registry.collect()
        for sample in family.samples
        if sample.name == catalogue.HTTP_SERVER_REQUEST_DURATION.count
        and sample.labels["http_response_status_code"] == "200"
    ]
    assert len(counted) == MAX_SERIES + 1
    assert sum(sample.value for sample in counted) == MAX_SERIES + 500


def test_the_number_of_labels_is_checked() -> None:
    family = orchestrator_instruments().counter(catalogue.APPROVALS)
    with pytest.raises(ValueError, match="action"):
        family.series("approve", "extra")


def test_the_same_metric_is_the_same_family() -> None:
    instruments = orchestrator_instruments()
    assert instruments.counter(catalogue.APPROVALS) is instruments.counter(catalogue.APPROVALS)


def test_an_operation_that_succeeds() -> None:
    instruments = orchestrator_instruments()
    with instruments.operation(Component.SMS_AGENT, Operation.SEND_SMS):
        pass
    assert duration_count(instruments, "success") == 1


async def test_an_operation_that_fails_lets_the_exception_through() -> None:
    instruments = orchestrator_instruments()

    class RefusedError(Exception):
        error_type = ErrorType.TIMEOUT

    with pytest.raises(RefusedError):
        async with instruments.operation(Component.SMS_AGENT, Operation.SEND_SMS):
            raise RefusedError
    with (
        pytest.raises(KeyError),
        instruments.operation(Component.SMS_AGENT, Operation.SEND_SMS),
    ):
        raise KeyError
    assert duration_count(instruments, "error") == 2
    for error_type in ("timeout", "other"):
        counted = value(
            instruments,
            catalogue.OPERATION_ERRORS.name,
            component="sms_agent",
            operation="send_sms",
            error_type=error_type,
        )
        assert counted == 1


async def test_a_cancelled_operation_did_not_fail() -> None:
    instruments = orchestrator_instruments()
    started = asyncio.Event()

    @instruments.operation(Component.SMS_AGENT, Operation.SEND_SMS)
    async def forever() -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(forever())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert duration_count(instruments, "cancelled") == 1
    assert duration_count(instruments, "error") == 0


async def test_a_decorated_coroutine_is_timed_to_its_end() -> None:
    instruments = orchestrator_instruments()

    @instruments.operation(Component.SMS_AGENT, Operation.SEND_SMS)
    async def slow() -> str:
        await asyncio.sleep(0.05)
        return "done"

    assert await slow() == "done"
    seconds = value(
        instruments,
        catalogue.OPERATION_DURATION.sum,
        component="sms_agent",
        operation="send_sms",
        outcome="success",
    )
    assert seconds is not None
    assert seconds >= 0.045


def test_a_decorated_function_is_timed() -> None:
    instruments = orchestrator_instruments()

    @instruments.operation(Component.SMS_AGENT, Operation.SEND_SMS)
    def double(number: int) -> int:
        return number * 2

    assert [double(1), double(2)] == [2, 4]
    assert duration_count(instruments, "success") == 2


def test_an_error_inside_the_instrumentation_is_counted_and_kept_there() -> None:
    instruments = orchestrator_instruments()
    with instruments.contained():
        raise RuntimeError("broken measurement")
    assert value(instruments, catalogue.INSTRUMENTATION_ERRORS.name) == 1


def test_the_catalogue_keeps_the_naming_rules() -> None:
    seen = set()
    for metric in not_empty(catalogue.metrics()):
        assert metric.name not in seen
        seen.add(metric.name)
        assert metric.help.endswith(".")
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER), metric.name
        assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM), metric.name
        assert list(metric.buckets) == sorted(metric.buckets)
    with_unit = [m for m in catalogue.metrics() if m.unit in ("seconds", "bytes", "ratio")]
    for metric in not_empty(with_unit):
        assert metric.name.removesuffix("_total").endswith(metric.unit), metric.name


def test_the_promises_are_bucket_bounds() -> None:
    for metric in (catalogue.SMS_PROCESSING_DURATION, catalogue.HTTP_SERVER_REQUEST_DURATION):
        assert {2.0, 5.0} <= set(metric.buckets)
    assert {0.6, 0.85} <= set(catalogue.AI_CONFIDENCE.buckets)


def test_a_label_is_found_by_name() -> None:
    metric = Metric("m", Kind.GAUGE, "things", "Help.", (catalogue.COMPONENT,))
    assert metric.label("component") is catalogue.COMPONENT
    with pytest.raises(KeyError, match="m has no label 'colour'"):
        metric.label("colour")


def test_inventions_without_end_leave_the_number_of_series_as_it_was() -> None:
    instruments = orchestrator_instruments()
    requests = instruments.histogram(catalogue.HTTP_SERVER_REQUEST_DURATION)
    errors = instruments.counter(catalogue.OPERATION_ERRORS)
    for number in range(MAX_SERIES):
        requests.series("GET", f"/route/{number}", "200").note(0.1)
    errors.series("sms_agent", "send_sms", "error 0").note()

    def series() -> int:
        return sum(len(family.samples) for family in instruments.registry.collect())

    requests.series("GET", "/tenants/first", "200").note(0.1)
    requests.series("BREW", "/tenants/first", "200").note(0.1)
    before = series()
    for number in range(50_000):
        requests.series("GET", f"/tenants/{number}", "200").note(0.1)
        errors.series("sms_agent", "send_sms", f"tenant {number} is unknown").note()
    assert series() == before
    folded = {"component": "sms_agent", "operation": "send_sms", "error_type": "other"}
    assert value(instruments, catalogue.OPERATION_ERRORS.name, **folded) == 50_001
