"""Work done again and again in the background, and never cut off in the middle."""

import asyncio
from collections.abc import Awaitable, Callable

from app.core import correlation


async def every(seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    """Do ``work``, wait ``seconds``, and so on until cancelled.

    A cancellation takes effect between two rounds: one that is under way ends as it would have,
    with its transaction and its connection. What ``work`` raises ends it all. Each round has a
    correlation ID of its own.
    """
    while True:
        correlation.bind(correlation.new_id())
        round_ = asyncio.ensure_future(work())
        try:
            await asyncio.shield(round_)
        except asyncio.CancelledError:
            await asyncio.wait([round_])
            raise
        await asyncio.sleep(seconds)
