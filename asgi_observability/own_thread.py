"""A thread for what must not wait behind the host's own work in the event loop's executor."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from asgi_observability.forking import in_each_child

Result = TypeVar("Result")


class OwnThread:
    """One thread called ``name``, made when it is first needed, and anew in a forked process."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._executor: ThreadPoolExecutor | None = None
        in_each_child(self._begin)

    async def run(self, call: Callable[[], Result]) -> Result:
        """Call it there, after those that came before. Raises what it raises."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, self._name)
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    def _begin(self) -> None:
        self._executor = None
