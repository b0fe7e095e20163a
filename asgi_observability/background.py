"""Work done again and again in the background, and never cut off in the middle."""

import asyncio
from collections.abc import Awaitable, Callable

from asgi_observability import catalogue, correlation
from asgi_observability.event import FromCode
from asgi_observability.events import BackgroundTaskFailed
from asgi_observability.instruments import Instruments
from asgi_observability.logger import get_logger

log = get_logger(__name__)

LATER_SECONDS = 60.0
"""When work that can wait begins."""


class Background:
    """The background tasks of one worker: none ends before it is cancelled, each failure counts."""

    def __init__(self, instruments: Instruments) -> None:
        self._failures = instruments.counter(catalogue.BACKGROUND_TASK_FAILURES)
        self._failures.bind_all()

    async def every(self, task: str, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        """Do ``work``, wait ``seconds``, and so on until cancelled.

        A cancellation takes effect between two rounds: one that is under way ends as it would have,
        with its transaction and its connection. What ``work`` raises is counted and logged, and the
        next round tries again. Each round has a correlation ID of its own.
        """
        while True:
            correlation.bind(correlation.new_id())
            round_ = asyncio.ensure_future(self._round(task, work))
            try:
                await asyncio.shield(round_)
            except asyncio.CancelledError:
                await asyncio.wait([round_])
                raise
            await asyncio.sleep(seconds)

    async def every_beginning_later(
        self, task: str, seconds: float, work: Callable[[], Awaitable[object]]
    ) -> None:
        """The same, but not at once: a worker that starts has its first requests to answer."""
        await asyncio.sleep(min(seconds, LATER_SECONDS))
        await self.every(task, seconds, work)

    async def _round(self, task: str, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except Exception as error:
            self.failed(task, error)

    def failed(self, task: str, error: Exception) -> None:
        """Count and log what went wrong in a round that goes on all the same."""
        self._failures.series(task).note()
        log.event(
            BackgroundTaskFailed(task=FromCode(task), error_type=FromCode(type(error).__name__)),
            error,
        )
