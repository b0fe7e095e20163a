"""The last lines of a process, however it ends: at its exit, as a child, or by SIGTERM if asked.

A process that is killed, or that ends itself by `os._exit`, loses what was put in the last
`log_writer.FLUSH_SECONDS`.
"""

import atexit
import os
import signal
import sys
import time
from types import FrameType

from asgi_observability.log_writer import CLOSE_SECONDS, writers


def settle_all(seconds: float = CLOSE_SECONDS) -> bool:
    """Write all that is queued; from now on each line is waited for. False when it takes longer.

    For the end of a lifespan: uvicorn, asked to end by SIGTERM, afterwards ends itself by it
    without running anything more.
    """
    end = time.monotonic() + seconds
    settled = [writer.settle(end - time.monotonic()) for writer in writers()]
    return all(settled)


def resume_all() -> None:
    """Take back `settle_all`, at the begin of another lifespan."""
    for writer in writers():
        writer.resume()


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
atexit.register(settle_all)
_settle_with_multiprocessing()
os.register_at_fork(after_in_child=_settle_with_multiprocessing)
