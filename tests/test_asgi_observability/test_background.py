"""Background work: again and again, and never cut off."""

import asyncio
import os
import resource
import threading
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import pytest

from app.core import catalogue
from app.core.catalogue import BackgroundTask
from app.core.instrumentation import orchestrator_instruments
from asgi_observability import catalogue as layer
from asgi_observability.background import Background, Rounds
from asgi_observability.instruments import Instruments
from asgi_observability.layer_rounds import LayerRounds
from asgi_observability.resource import Resource
from asgi_observability.runtime import RuntimeSampler
from asgi_observability.workers import Workers
from tests.captured_logs import captured_logs
from tests.test_asgi_observability.counting_process import Child, told


def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> Coroutine[None, None, None]:
    return Background(orchestrator_instruments()).every(BackgroundTask.SWEEP, seconds, work)


async def test_it_is_done_again_and_again() -> None:
    rounds: list[int] = []
    enough = asyncio.Event()

    async def work() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 3:
            enough.set()

    running = asyncio.create_task(_every(0.001, work))
    async with asyncio.timeout(10):
        await enough.wait()
    running.cancel()


async def test_a_round_under_way_ends_before_the_cancellation() -> None:
    started, go_on, ended = asyncio.Event(), asyncio.Event(), False

    async def work() -> None:
        nonlocal ended
        started.set()
        await go_on.wait()
        ended = True

    running = asyncio.create_task(_every(0, work))
    await started.wait()
    running.cancel()
    await asyncio.sleep(0)
    assert not running.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended


async def test_whatever_goes_wrong_is_counted_and_logged_and_the_next_round_comes() -> None:
    instruments, rounds, enough = orchestrator_instruments(), 0, asyncio.Event()

    async def work() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            enough.set()
        raise LookupError("a value that nobody knows")

    with captured_logs() as lines:
        background = Background(instruments)
        running = asyncio.create_task(background.every(BackgroundTask.SWEEP, 0, work))
        async with asyncio.timeout(10):
            await enough.wait()
        running.cancel()
        await asyncio.wait([running])
    instruments.recorder.drain()
    failures = instruments.registry.get_sample_value(
        catalogue.BACKGROUND_TASK_FAILURES.name, {"task": "sweep"}
    )
    assert failures == rounds
    # A failure that repeats itself would fill the log.
    (failed,) = [line for line in lines if line["event"] == "background_task_failed"]
    assert (failed["task"], failed["error_type"]) == ("sweep", "LookupError")


async def test_a_cancellation_within_the_work_does_not_end_the_task() -> None:
    rounds, enough = 0, asyncio.Event()

    async def work() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 2:
            enough.set()
        given_up = asyncio.ensure_future(asyncio.sleep(60))
        given_up.cancel()
        await given_up

    running = asyncio.create_task(_every(0, work))
    async with asyncio.timeout(10):
        await enough.wait()
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


def test_the_last_round_is_told_however_it_ended() -> None:
    instruments = Instruments()
    rounds = Rounds(Background(instruments), 7.0)
    done: list[str] = []

    def fail() -> None:
        raise SystemExit

    rounds.add("runtime", fail)
    rounds.add("log_levels", lambda: done.append("log_levels"))
    with mock.patch("time.time", return_value=1000.0):
        rounds.do()
    families = instruments.snapshot()
    assert done == ["log_levels"]
    for task in ("runtime", "log_levels"):
        assert told(families, layer.BACKGROUND_TASK_LAST_ROUND, task) == 1000
    assert told(families, layer.BACKGROUND_TASK_FAILURES, "runtime") == 1
    assert told(families, layer.INSTRUMENTATION_ERRORS) == 1


def test_without_descriptors_for_a_while_every_loop_goes_on() -> None:
    """The real limit of the system, in a process of its own."""

    def begin() -> Callable[[str], str]:
        instruments = Instruments()
        workers = Workers(instruments, Path(folder))
        runtime = RuntimeSampler(instruments, Resource("billing"))
        rounds = LayerRounds(instruments, runtime, workers).thread
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)

        def do(question: str) -> str:
            limit = 3 if question == "none" else most
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
            for _ in range(2):
                rounds.do()
            families = workers.families()
            failures = layer.BACKGROUND_TASK_FAILURES
            return " ".join(
                str(told(families, metric, *labels) or 0.0)
                for metric, labels in (
                    (failures, ("runtime",)),
                    (failures, ("worker_snapshot",)),
                    (layer.PROCESS_WORKERS_APART, ()),
                )
            )

        return do

    with TemporaryDirectory() as folder:
        child = Child(begin)
        assert child.ask("some") == "0.0 0.0 0.0"
        without = child.ask("none").split()
        assert without[2] == "1.0"
        assert float(without[1]) >= 3
        runtime, snapshots, apart = child.ask("some").split()
        assert (float(runtime), apart) == (2, "0.0")
        assert float(snapshots) >= float(without[1])
        child.kill()


def test_a_forked_process_has_rounds_of_its_own() -> None:
    def begin() -> Callable[[str], str]:
        def do(_: str) -> str:
            came = done_in.wait(60)
            return f"{came} {pids[-1] == os.getpid()}"

        return do

    pids: list[int] = []
    done_in = threading.Event()

    def work() -> None:
        pids.append(os.getpid())
        done_in.set()

    rounds = Rounds(Background(Instruments()), 0.01)
    rounds.add("runtime", work)
    rounds.start()
    assert done_in.wait(60)
    done_in.clear()
    child = Child(begin)
    assert child.ask() == "True True"
    child.kill()
    rounds.stop()
