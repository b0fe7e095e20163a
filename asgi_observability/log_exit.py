"""The last lines of a process, however it ends: at its exit, as a child, or by SIGTERM if asked.

A process that is killed, or that ends itself by `os._exit`, loses what was put in the last
`log_writer.FLUSH_SECONDS`.
"""

import atexit
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from asgi_observability.log_writer import CLOSE_SECONDS, writers


def settle_all(seconds: float = CLOSE_SECONDS) -> bool:
    """Write all that is queued; from now on each line is waited for. False when it takes longer.

    uvicorn, asked to end by SIGTERM, ends itself by it after the lifespan, without running
    anything more but its own last lines.
    """
    end = time.monotonic() + seconds
    settled = [writer.settle(end - time.monotonic()) for writer in writers()]
    return all(settled)


@contextmanager
def settled_afterwards() -> Iterator[None]:
    """Around the lifespan of an application: `settle_all` when the last of them ends."""
    global _lifespans
    _lifespans += 1
    for writer in writers():
        writer.resume()
    try:
        yield
    finally:
        _lifespans -= 1
        if not _lifespans:
            settle_all()


def settle_at_exit() -> None:
    """Settle at the exit of the interpreter and of children of multiprocessing; once is enough."""
    global _settles_at_exit
    if _settles_at_exit:
        return
    _settles_at_exit = True
    atexit.register(settle_all)
    _settle_with_multiprocessing()
    os.register_at_fork(after_in_child=_settle_with_multiprocessing)


def settle_on_sigterm() -> None:
    """Write the last lines of a process that SIGTERM would just end, and let it be ended so.

    Where the process or its server handles SIGTERM itself, nothing changes. Only for main threads;
    raises ValueError in others.
    """
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _settle_and_end)


def _settle_and_end(number: int, frame: FrameType | None) -> None:
    settle_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _settle_with_multiprocessing() -> None:
    """Have a child of multiprocessing settle: it ends without the exit of the interpreter."""
    util = sys.modules.get("multiprocessing.util")
    if util is None:
        return
    util.Finalize(None, settle_all, exitpriority=-100)
    # When a child begins, it forgets what is to be done at its end, and then asks for it again.
    util.register_after_fork(_CHILD, lambda _: util.Finalize(None, settle_all, exitpriority=-100))


class _Child:
    """What multiprocessing wants to hold weakly."""


_CHILD = _Child()
_lifespans = 0
_settles_at_exit = False
