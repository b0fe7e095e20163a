"""Long work in a thread, such that the event loop gets its turns.

A thread that computes keeps the interpreter for 5 ms (`sys.getswitchinterval`) each time the event
loop's thread wants it back, and the loop gives it away at every system call. So such work lets go
by itself, and often.
"""

import asyncio
from time import perf_counter, sleep

TURN_SECONDS = 0.001
"""How long at a time such work keeps the interpreter."""

# Long enough that a thread which waits for the interpreter gets it.
_LET_GO_SECONDS = 50e-6
_STEPS_A_LOOK = 16


class Pace:
    """Called at each step of some work, it lets other threads run about every `TURN_SECONDS`.

    On an event loop's own thread it does nothing: sleeping there would help nobody.
    """

    __slots__ = ("_is_off", "_steps", "_until")

    def __init__(self) -> None:
        self._is_off = asyncio._get_running_loop() is not None
        self._steps = 0
        self._until = perf_counter() + TURN_SECONDS

    def step(self) -> None:
        """One step, of at most some ten microseconds, is done."""
        self._steps += 1
        if self._steps % _STEPS_A_LOOK or self._is_off or perf_counter() < self._until:
            return
        sleep(_LET_GO_SECONDS)
        self._until = perf_counter() + TURN_SECONDS
