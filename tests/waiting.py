"""Waiting for a condition instead of for a time."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Return once ``condition()`` is true; AssertionError after ``seconds``."""

    async def ask() -> object:
        return condition()

    await eventually(ask, seconds)


async def eventually(ask: Callable[[], Awaitable[object]], seconds: float = 120) -> None:
    """Return once ``await ask()`` is true; AssertionError after ``seconds``.

    A connection that breaks while something restarts is asked again.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    pause = 0.02
    last: object = "no true answer"
    while loop.time() < deadline:
        try:
            if await ask():
                return
        except httpx.TransportError as error:
            last = error
        await asyncio.sleep(pause)
        # What takes long isn't asked for all the time: that would take it longer.
        pause = min(pause * 1.2, 0.25)
    raise AssertionError(f"{ask} after {seconds} s: {last!r}")
