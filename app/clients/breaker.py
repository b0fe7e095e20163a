"""A circuit breaker that knows a recipient's fault from the upstream's.

It is our own. The libraries that are kept (purgatory, aiobreaker, pybreaker) let any number of
calls through while half-open, or leave the open state only when a call comes. A late result of an
old call decides, and failures are counted without asking for whom.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from app.core.catalogue import BreakerState

PROBES = 1
"""Calls let through at a time while half-open."""

RECIPIENTS_OPEN_AGAIN = 2
"""Recipients for which probes must fail before a half-open breaker opens again."""


@dataclass(frozen=True, slots=True)
class Permit:
    """One call that was let through. ``recipient`` is whom it is for, if it is for somebody."""

    recipient: str | None
    period: int


class CircuitBreaker:
    """Closed, until enough calls in a row fail; open for a time; then half-open.

    Each permit is given back once: by the method that says how its call ended. What comes
    back after the state has changed decides nothing.
    """

    def __init__(
        self,
        failures: int,
        *,
        reset_seconds: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Opens after ``failures`` in a row; half-open ``reset_seconds`` later."""
        self._threshold = failures
        self._reset = reset_seconds
        self._clock = clock
        self._state = BreakerState.CLOSED
        self._half_open_at = 0.0
        self._period = 0
        self._probing = 0
        self._failures = 0
        self._failed_recipients: set[str] = set()

    @property
    def state(self) -> BreakerState:
        """The state now: an open breaker is half-open as soon as its time is over."""
        if self._state is BreakerState.OPEN and self._clock() >= self._half_open_at:
            self._change(BreakerState.HALF_OPEN)
        return self._state

    @property
    def seconds_until_half_open(self) -> float:
        """How long an open breaker stays open; 0 in the other states."""
        is_open = self.state is BreakerState.OPEN
        return max(0.0, self._half_open_at - self._clock()) if is_open else 0.0

    def enter(self, recipient: str | None) -> Permit | None:
        """A permit for one call, or None: it must not be made."""
        state = self.state
        if state is BreakerState.OPEN:
            return None
        if state is BreakerState.HALF_OPEN:
            if self._probing >= PROBES or recipient in self._failed_recipients:
                return None
            self._probing += 1
        return Permit(recipient, self._period)

    def succeeded(self, permit: Permit) -> None:
        """The upstream did its work, or said why this request is wrong."""
        if not self._is_current(permit):
            return
        if self.state is BreakerState.HALF_OPEN:
            self._change(BreakerState.CLOSED)
        self._failures = 0
        self._failed_recipients.clear()

    def answered(self, permit: Permit) -> None:
        """It asked for patience: it is up, which says nothing of its work."""
        if self._is_current(permit) and self.state is BreakerState.HALF_OPEN:
            self._change(BreakerState.CLOSED)

    def failed(self, permit: Permit) -> None:
        """The upstream did not answer: its own fault."""
        if not self._is_current(permit):
            return
        self._failures += 1
        if self.state is BreakerState.HALF_OPEN or self._evidence >= self._threshold:
            self._open()

    def failed_for_one(self, permit: Permit) -> None:
        """It answered with an error, which may be due to whom the call was for.

        One recipient counts once until another call succeeds.
        """
        if permit.recipient is None:
            self.failed(permit)
            return
        if not self._is_current(permit):
            return
        self._failed_recipients.add(permit.recipient)
        if self.state is BreakerState.HALF_OPEN:
            self._probing -= 1
            if len(self._failed_recipients) >= RECIPIENTS_OPEN_AGAIN:
                self._open()
        elif self._evidence >= self._threshold:
            self._open()

    def gave_up(self, permit: Permit) -> None:
        """The call ended without saying anything about the upstream: it was cancelled."""
        if self._is_current(permit) and self.state is BreakerState.HALF_OPEN:
            self._probing -= 1

    @property
    def _evidence(self) -> int:
        return self._failures + len(self._failed_recipients)

    def _is_current(self, permit: Permit) -> bool:
        return permit.period == self._period

    def _open(self) -> None:
        self._half_open_at = self._clock() + self._reset
        self._change(BreakerState.OPEN)

    def _change(self, state: BreakerState) -> None:
        self._state = state
        self._period += 1
        self._probing = self._failures = 0
        self._failed_recipients.clear()
