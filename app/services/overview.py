"""The overview: what was read of now, today and this week, and what is judged of it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal

from app.core import catalogue
from app.core.catalogue import UPSTREAMS, BreakerState, Component, Route
from app.core.thresholds import State, Thresholds
from app.services.backlog import Waiting
from app.services.objectives import ObjectiveStatus
from app.services.rollups import StoreHealth, Total, Totals, WriterState, added_up
from app.services.threshold_states import (
    Now,
    ThresholdState,
    called,
    is_over_limit,
    threshold_states,
    worst,
)

_WORST = (BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED)


@dataclass(frozen=True, slots=True)
class DependencyUse:
    """A dependency, by what its calls of the last 5 minutes gave; None is what isn't known.

    A call that was refused before it was made counts as a call that failed.
    ``asked_to_wait_until`` is when it may be called again, if it has asked not to be.
    """

    state: Literal["ok", "failing", "unused", "unknown"]
    breaker: BreakerState | None
    calls: int | None
    errors: int | None
    asked_to_wait_until: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Everything the overview is made of; ``unreadable`` says why nothing is known.

    The last hour is the minute that runs and the 59 before it, ``recent`` the last 5 of them.
    ``last_minutes``, ``last_full_hour`` and ``last_day`` are whole ones; they, and ``same_hours``,
    are complete only where enough of them was counted. ``waiting`` is None where the database did
    not say.
    """

    thresholds: Thresholds
    store: StoreHealth
    hour: Totals
    today: Totals
    week: Totals
    recent: Totals
    last_minutes: Totals
    last_full_hour: Totals
    last_day: Totals
    same_hours: Sequence[Totals] = ()
    workers: Sequence[WriterState] | None = None
    slos: Sequence[ObjectiveStatus] | None = None
    waiting: Waiting | None = None
    unreadable: str | None = None

    @property
    def states(self) -> list[Mapping[str, Any]]:
        """What the live workers said last; every key may be missing."""
        return [worker.state for worker in self.workers or ()]

    def told(self, key: str) -> list[Any]:
        """A figure of each worker that knows it."""
        return [state[key] for state in self.states if state.get(key) is not None]

    def added(self, key: str) -> float | None:
        """A figure of the workers, added up; None where none knows it."""
        return sum(told) if (told := self.told(key)) else None

    def largest(self, key: str) -> float | None:
        """The largest of a figure that each worker has; None where none knows it."""
        return max(self.told(key), default=None)

    @property
    def breakers(self) -> dict[str, BreakerState | None]:
        """The worst state of each breaker over the workers; None where none knows it."""
        found: dict[str, BreakerState | None] = {}
        for component in UPSTREAMS:
            its = {(state.get("breakers") or {}).get(component) for state in self.states}
            found[component] = next((s for s in _WORST if s in its), None)
        return found

    def _asked_to_wait_until(self, component: Component) -> datetime | None:
        """The latest time that a worker was told; None where it is over, or none was told."""
        told = [(state.get("asked_to_wait_until") or {}).get(component) for state in self.states]
        latest = max((until for until in told if until is not None), default=0.0)
        return datetime.fromtimestamp(latest, UTC) if latest > time.time() else None

    @cached_property
    def threshold_states(self) -> list[ThresholdState]:
        """Where each limit of an alert stands."""
        return threshold_states(
            self.thresholds,
            Now(
                recent=self.recent,
                in_flight=self.added("in_flight"),
                instances=len({worker.host for worker in self.workers or ()}),
                breakers=self.breakers,
                oldest_waiting_seconds=self.waiting.oldest_seconds if self.waiting else None,
            ),
        )

    @property
    def is_down(self) -> bool:
        """Whether the store behind the figures fails."""
        return not self.store.is_up or self.unreadable is not None

    @property
    def is_unwritable(self) -> bool:
        """Whether a worker has found that the database can be read but not written.

        Most of its calls may be queries, which go on.
        """
        return bool(self.told("database_unwritable"))

    @cached_property
    def dependencies(self) -> dict[Component, DependencyUse]:
        """Each dependency, by its calls."""
        return {component: self._dependency(component) for component in Component}

    @property
    def status(self) -> Literal["ok", "warning", "critical", "unknown"]:
        """The worst of limits, objectives, dependencies and the store.

        unknown is where nothing is bad, and nothing known of the last minutes either.
        """
        if self.is_down:
            return "critical"
        states: list[State] = [each.state for each in self.threshold_states]
        states += [slo.state for slo in self.slos or ()]
        states += ["warning" for each in self.dependencies.values() if self._alarms(each)]
        found = worst(states)
        return "unknown" if found == "ok" and not self.recent.complete else found

    def _dependency(self, component: Component) -> DependencyUse:
        breaker = self.breakers.get(component)
        waits_until = self._asked_to_wait_until(component)
        if not self.recent.complete:
            return DependencyUse("unknown", breaker, None, None, waits_until)
        found = called(self.recent, component)
        is_refusing = breaker is BreakerState.OPEN or waits_until is not None
        is_refusing |= component is Component.DATABASE and self.is_unwritable
        is_failing = is_refusing or 2 * found.part > found.whole
        is_failing |= is_over_limit(self.thresholds, component, found)
        state: Literal["ok", "failing", "unused"] = "ok" if found.whole else "unused"
        return DependencyUse(
            "failing" if is_failing else state, breaker, found.whole, found.part, waits_until
        )

    def _alarms(self, dependency: DependencyUse) -> bool:
        """Whether it fails for sure: one call of one that failed calls nobody."""
        if dependency is self.dependencies[Component.DATABASE] and self.is_unwritable:
            return True
        enough = (dependency.errors or 0) >= self.thresholds.minimum_failures
        return dependency.state == "failing" and (enough or dependency.breaker is BreakerState.OPEN)


def answered(totals: Totals) -> Total:
    """SMS that were sent, queued or escalated: how long a failure took is no response time."""
    routes = totals.by(catalogue.SMS_PROCESSING_DURATION, "route")
    return added_up(total for route, total in routes.items() if route != Route.FAILED)
