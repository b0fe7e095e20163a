"""Timed operations in the log: sampled when all is well, always when they are slow or fail."""

import asyncio

import pytest

from app.core.catalogue import Component, ErrorType, Operation
from asgi_observability import correlation
from asgi_observability.instruments import Instruments
from asgi_observability.log_sampling import Sampling
from asgi_observability.operation_log import MAX_THRESHOLDS, OperationLog
from tests.captured_logs import captured_logs

SLOW = {"default": 1.0, "ai_provider": 5.0, "ai_provider.chat_completion": 10.0}


class ClassifiedError(Exception):
    error_type = ErrorType.TIMEOUT


@pytest.fixture
def instruments() -> Instruments:
    return Instruments(operation_log=OperationLog(SLOW))


def test_the_threshold_is_the_nearest_that_is_set() -> None:
    log = OperationLog(SLOW)
    assert log.threshold(Component.AI_PROVIDER, Operation.CHAT_COMPLETION) == 10
    assert log.threshold(Component.AI_PROVIDER, Operation.OTHER) == 5
    assert log.threshold(Component.DATABASE, Operation.SELECT) == 1
    assert OperationLog({}).threshold("bank", "charge") == float("inf")


def test_invented_names_take_no_memory_for_ever() -> None:
    log = OperationLog(SLOW)
    for number in range(MAX_THRESHOLDS + 100):
        assert log.threshold("bank", f"charge tenant {number}") == 1
    assert len(log._thresholds) == MAX_THRESHOLDS


def test_most_are_sampled_and_the_slow_ones_never() -> None:
    log = OperationLog(SLOW)
    with captured_logs(Sampling(events={"operation_completed": 0})) as lines:
        correlation.bind("correlation-1")
        log.succeeded("bank", "charge", 0.9999)
        log.succeeded("bank", "charge", 1.0001)
    (line,) = lines
    assert line["event"] == "operation_slow"
    assert (line["duration_ms"], line["threshold_ms"]) == (1000.1, 1000.0)


def test_failures_say_why(instruments: Instruments) -> None:
    with captured_logs() as lines:
        with pytest.raises(ClassifiedError), instruments.operation("sms_agent", "send_sms"):
            raise ClassifiedError
        with pytest.raises(ZeroDivisionError), instruments.operation("sms_agent", "send_sms"):
            _ = 1 / 0
        instruments.operation_failed("sms_agent", "send_sms", ErrorType.CIRCUIT_OPEN)
        with instruments.operation("sms_agent", "send_sms"):
            pass
    assert [(line["event"], line.get("error_type")) for line in lines] == [
        ("operation_failed", "timeout"),
        ("operation_failed", "ZeroDivisionError"),
        ("operation_failed", "circuit_open"),
        ("operation_completed", None),
    ]
    assert {(line["component"], line["operation"]) for line in lines} == {("sms_agent", "send_sms")}


async def test_a_cancelled_one_is_no_failure(instruments: Instruments) -> None:
    started = asyncio.Event()

    async def work() -> None:
        with instruments.operation("sms_agent", "send_sms"):
            started.set()
            await asyncio.Event().wait()

    with captured_logs() as lines:
        task = asyncio.create_task(work())
        await started.wait()
        task.cancel()
        await asyncio.wait([task])
    assert [(line["event"], line["level"]) for line in lines] == [("operation_cancelled", "info")]
