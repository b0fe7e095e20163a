"""Background work: again and again, and never cut off."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

import pytest

from app.core import catalogue
from app.core.catalogue import BackgroundTask
from app.core.instrumentation import orchestrator_instruments
from asgi_observability.background import Background
from tests.captured_logs import captured_logs


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
    failed = [line for line in lines if line["event"] == "background_task_failed"]
    assert len(failed) == rounds
    assert (failed[0]["task"], failed[0]["error_type"]) == ("sweep", "LookupError")
