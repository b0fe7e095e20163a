"""The end of a process by `os._exit`, past everything that could be registered for its end.

Children of multiprocessing leave by it, and workers of queues that fork for each job.
"""

import os
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress

END_SECONDS = 2.0
"""How long the end of a process is held up at most to write down what it has counted."""

_calls: "list[weakref.WeakMethod[Callable[[], None]]]" = []
_leave = os._exit


def at_os_exit(call: Callable[[], None]) -> None:
    """Call the bound method when this process, or one it forks, ends by `os._exit`.

    Its object is not kept alive. The end is held up by `END_SECONDS` at most.
    """
    _calls[:] = [known for known in _calls if known() is not None]
    _calls.append(weakref.WeakMethod(call))
    os._exit = _end  # type: ignore[assignment]


def _end(status: int) -> None:
    os._exit = _leave
    with suppress(RuntimeError):  # at the very end there are no threads
        # In a thread: what was interrupted here may hold a lock that is needed.
        calling = threading.Thread(target=_call_all, daemon=True)
        calling.start()
        calling.join(END_SECONDS)
    _leave(status)


def _call_all() -> None:
    for known in tuple(_calls):
        call = known()
        if call is not None:
            with suppress(Exception):
                call()
