"""An upstream's circuit breaker in each step of a world, as the orchestrator's works."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from app.core.catalogue import BreakerState, Component, ErrorType

FAILURES: dict[Component, int] = {
    Component.COLLECTIONS_MONITOR: 5,
    Component.SMS_AGENT: 3,
    Component.NOTIFICATION_SERVICE: 5,
    Component.AI_PROVIDER: 5,
}
"""In a row, until it opens."""
_RESET_SECONDS = 60
_NEVER_OPENED_BY = frozenset({ErrorType.CLIENT_ERROR, ErrorType.RATE_LIMITED})


class Calls(IntEnum):
    """What becomes of the calls of a step."""

    MADE = 0
    OPENS = 1
    """So many fail until it opens, the rest is refused."""
    REFUSED = 2
    TRIED = 3
    """One is let through and fails, the rest is refused."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """By step: what becomes of calls, the state in the end, and changes into each state."""

    calls: NDArray[np.int8]
    states: list[BreakerState]
    changes: dict[BreakerState, NDArray[np.float64]]


def breaker(
    component: Component,
    failing: NDArray[np.float64],
    errors: list[ErrorType],
    called: NDArray[np.float64],
    step: int,
) -> Breaker:
    """The breaker of a component that is ``called`` so often while a share is ``failing``."""
    count = len(failing)
    calls = np.zeros(count, dtype=np.int8)
    changes = {state: np.zeros(count) for state in BreakerState}
    states: list[BreakerState] = []
    state, opened_at, pressure, needed = BreakerState.CLOSED, 0, 0.0, FAILURES[component]
    for at, share in enumerate(failing.tolist()):

        def enter(new: BreakerState, at: int = at) -> BreakerState:
            changes[new][at] += 1
            return new

        if state is BreakerState.OPEN and (at - opened_at) * step >= _RESET_SECONDS:
            state = enter(BreakerState.HALF_OPEN)
        if state is BreakerState.HALF_OPEN and called[at]:
            if share >= 0.5:
                state, opened_at, calls[at] = enter(BreakerState.OPEN), at, Calls.TRIED
            else:
                state, pressure = enter(BreakerState.CLOSED), 0.0
        elif state is BreakerState.OPEN:
            calls[at] = Calls.REFUSED
        elif state is BreakerState.CLOSED:
            opens = share > 0 and errors[at] not in _NEVER_OPENED_BY
            # How many rows of so many failures are to be expected among the attempts so far.
            pressure = pressure + called[at] * 4 * share**needed if opens else 0.0
            if pressure >= needed:
                state, opened_at, calls[at] = enter(BreakerState.OPEN), at, Calls.OPENS
        states.append(state)
    return Breaker(calls, states, changes)
