"""Waking a thread without taking a lock that somebody may hold."""

import _thread


class Wakeup:
    """What one thread waits for; may be given from signal handlers and finalizers.

    `threading.Event` takes a lock to be set: a handler that interrupts just that, and sets it as
    well, waits for itself.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._lock.acquire()

    def wait(self, seconds: float) -> bool:
        """Wait for `wake`, which may have come before; False when it takes longer."""
        return self._lock.acquire(timeout=max(0.0, seconds))

    def wake(self) -> None:
        """Have whoever waits go on, or whoever waits next."""
        try:
            if self._lock.locked():
                self._lock.release()
        except RuntimeError:
            pass  # somebody else did in between
