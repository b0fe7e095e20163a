"""Time that stands still until a test moves it."""


class Clock:
    """A clock that says ``now``, in seconds, when it is called."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
