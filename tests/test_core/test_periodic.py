"""Background work: again and again, and never cut off."""

import asyncio

import pytest

from app.core.periodic import every


async def test_it_is_done_again_and_again() -> None:
    rounds: list[int] = []
    enough = asyncio.Event()

    async def work() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 3:
            enough.set()

    running = asyncio.create_task(every(0.001, work))
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

    running = asyncio.create_task(every(0, work))
    await started.wait()
    running.cancel()
    await asyncio.sleep(0)
    assert not running.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended


async def test_what_goes_wrong_is_raised() -> None:
    async def work() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await every(0, work)
