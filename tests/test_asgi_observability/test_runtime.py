"""What a process tells of itself, whatever its clock and its rights."""

import time
from unittest import mock

import psutil
import pytest

from asgi_observability import catalogue
from asgi_observability.instruments import Instruments
from asgi_observability.resource import Resource
from asgi_observability.runtime import RuntimeSampler
from tests.test_asgi_observability.counting_process import told


@pytest.fixture
def instruments() -> Instruments:
    return Instruments()


@pytest.fixture
def runtime(instruments: Instruments) -> RuntimeSampler:
    return RuntimeSampler(instruments, Resource("billing"))


def test_the_start_is_right_and_does_not_move_with_the_clock(
    instruments: Instruments, runtime: RuntimeSampler
) -> None:
    started = told(instruments.snapshot(), catalogue.PROCESS_START_TIME)
    assert started == pytest.approx(psutil.Process().create_time(), abs=2)
    before, now = runtime.uptime_seconds, time.time()
    with mock.patch("time.time", return_value=now - 3600):
        runtime.sample()
        assert runtime.uptime_seconds >= before
        assert told(instruments.snapshot(), catalogue.PROCESS_START_TIME) == started


def test_what_the_process_may_not_read_is_not_exposed_and_no_error(
    instruments: Instruments, runtime: RuntimeSampler
) -> None:
    with mock.patch.object(psutil.Process, "num_fds", side_effect=psutil.AccessDenied):
        runtime.sample()
        runtime.sample()
    families = instruments.snapshot()
    assert told(families, catalogue.PROCESS_OPEN_FDS) is None
    assert told(families, catalogue.INSTRUMENTATION_ERRORS) == 0
    assert (told(families, catalogue.PROCESS_MEMORY) or 0) > 1e6
