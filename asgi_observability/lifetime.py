"""When the layer's background work runs: with the application, however that is run."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from asgi_observability.forking import in_each_child

Running = Callable[[], AbstractAsyncContextManager[None]]


class Lifetime:
    """Runs ``running`` from the lifespan's start to its end, or from the first request on.

    Some servers and test clients run no lifespan; then the work ends with the event loop.
    """

    def __init__(self, running: Running) -> None:
        self._running = running
        self._task: asyncio.Task[None] | None = None
        self.has_begun = False
        in_each_child(self._forget)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """The lifespan of the application within."""
        self.has_begun = True
        try:
            async with self._running():
                yield
        finally:
            self.has_begun = False

    def begin(self) -> None:
        """Begin now, in this event loop: no lifespan has."""
        self.has_begun = True
        self._task = asyncio.get_running_loop().create_task(self._until_cancelled())

    def _forget(self) -> None:
        self.has_begun = False  # a fork has neither the parent's event loop nor its tasks

    async def _until_cancelled(self) -> None:
        try:
            async with self._running():
                await asyncio.Event().wait()
        finally:
            self.has_begun = False
