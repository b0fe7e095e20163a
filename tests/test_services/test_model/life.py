"""How long a process of the model lives."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Killed(BaseException):
    """The process was killed. No code of the service gets to handle it."""


class Life:
    """The life of one process: once it is over, nothing of it goes on."""

    def __init__(self) -> None:
        self.goes_on = True

    @contextmanager
    def lived(self, awaits: int | None) -> Iterator[None]:
        """Let it end after so many awaits of what runs in this block, if there are as many."""
        token = _current.set(_Span(self, awaits))
        try:
            yield
        finally:
            _current.reset(token)

    def end(self) -> None:
        """Kill the process."""
        self.goes_on = False


class _Span:
    def __init__(self, life: Life, awaits: int | None) -> None:
        self.life = life
        self.awaits = awaits

    def pass_one(self) -> None:
        if self.awaits is not None:
            self.awaits -= 1
            if self.awaits < 0:
                self.life.end()
        if not self.life.goes_on:
            raise Killed


_current: ContextVar[_Span | None] = ContextVar("_current", default=None)


async def passing() -> None:
    """An await that matters: others get a turn, and the process may be killed. Raises Killed."""
    await asyncio.sleep(0)
    if span := _current.get():
        span.pass_one()
