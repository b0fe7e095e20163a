"""Time that stands still until a test moves it."""


class Clock:
    """A clock that says ``now``, in seconds, when it is called.

    Moving ``now`` lets time pass. `set` moves the hands only, as somebody does who sets a clock.
    """

    def __init__(self, now: float) -> None:
        self.now = now
        self._set_by = 0.0

    def __call__(self) -> float:
        return self.now

    def set(self, by: float) -> None:
        """Set the clock ahead by so many seconds, or back."""
        self.now += by
        self._set_by += by

    def steady(self) -> float:
        """The seconds that have passed, whatever the clock was set to."""
        return self.now - self._set_by
