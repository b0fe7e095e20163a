"""Being told that the server stops, before it waits for the requests under way.

uvicorn tells the application only when all of them have ended, which a stream never does. And it
takes no more connections at once, while a balancer goes on sending until it has looked again.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType


@contextmanager
def called_on_stop(callback: Callable[[], None]) -> Iterator[None]:
    """Call ``callback`` in this event loop at SIGTERM or SIGINT, before the server's own handler.

    Elsewhere than in the main thread there are no signals to hear.
    """

    def hear(_signal: signal.Signals, pass_on: Callable[[], None]) -> None:
        loop.call_soon_threadsafe(callback)
        pass_on()

    with _heard_first(hear) as loop:
        yield


@contextmanager
def drained_first(seconds: float, told: Callable[[], None]) -> Iterator[None]:
    """Call ``told`` at SIGTERM or SIGINT, and keep SIGTERM from the server for ``seconds``.

    So long it serves on, also who connects only now. A second signal is kept from it no longer.
    """
    is_told = False

    def hear(which: signal.Signals, pass_on: Callable[[], None]) -> None:
        nonlocal is_told
        is_draining = which is signal.SIGTERM and seconds > 0 and not is_told
        is_told = True
        loop.call_soon_threadsafe(told)
        if is_draining:
            loop.call_soon_threadsafe(loop.call_later, seconds, pass_on)
        else:
            pass_on()

    with _heard_first(hear) as loop:
        yield


@contextmanager
def _heard_first(
    hear: Callable[[signal.Signals, Callable[[], None]], None],
) -> Iterator[asyncio.AbstractEventLoop]:
    """Call ``hear`` with each signal to stop, and with what passes it on to who heard it before."""
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        yield loop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        which = signal.Signals(number)
        hear(which, partial(pass_on, which, frame))

    def pass_on(which: signal.Signals, frame: FrameType | None) -> None:
        handler = before[which]
        if callable(handler):
            handler(which, frame)
        elif handler is signal.SIG_DFL:
            signal.signal(which, signal.SIG_DFL)
            signal.raise_signal(which)

    for number in before:
        signal.signal(number, handle)
    try:
        yield loop
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, handler)
