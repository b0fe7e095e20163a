"""For how long an operation leaves alone whom it was asked to: after 429 with Retry-After.

A limit may be one recipient's (a provider sends a number only so many texts) or everybody's (a
quota of requests). No answer says which. So the first who is asked to wait waits alone; when the
next one is asked as well, without a success between them, everybody waits.
"""

from collections.abc import Callable
from time import monotonic

EVERYBODY = 2
"""Recipients in a row that were asked to wait, from which on it is everybody's limit."""


class Patience:
    """Who is left alone until when, for one operation of one upstream.

    Nobody for longer than ``longest_seconds``: then the next call finds out whether that still
    holds, whatever was asked for.
    """

    def __init__(self, longest_seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._longest = longest_seconds
        self._clock = clock
        self._everybody_until = 0.0
        self._until: dict[str, float] = {}
        self._in_a_row: set[str] = set()

    def asked(self, recipient: str | None, seconds: float) -> None:
        """The upstream asked to be left alone for so long when it was called for ``recipient``."""
        now = self._clock()
        until = now + min(seconds, self._longest)
        if recipient is not None:
            self._until = {name: end for name, end in self._until.items() if end > now}
            # What was asked for is over: it says nothing of the limit now.
            self._in_a_row &= self._until.keys()
            self._until[recipient] = max(until, self._until.get(recipient, 0.0))
            self._in_a_row.add(recipient)
        if recipient is None or len(self._in_a_row) >= EVERYBODY:
            self._everybody_until = max(self._everybody_until, until)

    def succeeded(self) -> None:
        """A call was let through: what others were asked for is for them alone."""
        self._in_a_row.clear()

    def seconds(self, recipient: str | None) -> float:
        """How long a call for ``recipient`` has to wait; 0 if it may be made now."""
        own = self._until.get(recipient, 0.0) if recipient is not None else 0.0
        return max(0.0, max(own, self._everybody_until) - self._clock())

    @property
    def seconds_for_everybody(self) -> float:
        """How long every call is refused or waits; 0 if not everybody was asked to."""
        return self.seconds(None)
