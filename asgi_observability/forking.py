"""What has to begin anew in a forked process, such as a worker of gunicorn with --preload."""

import os
import weakref
from collections.abc import Callable
from contextlib import suppress

_calls: "list[weakref.WeakMethod[Callable[[], None]]]" = []


def in_each_child(call: Callable[[], None]) -> None:
    """Call the bound method in each forked process, in the order of these calls.

    Its object is not kept alive. What it raises is ignored: the process is the host's.
    """
    _calls[:] = [known for known in _calls if known() is not None]
    _calls.append(weakref.WeakMethod(call))


def _begin() -> None:
    for known in tuple(_calls):
        call = known()
        if call is not None:
            with suppress(Exception):
                call()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin)
