"""Service level objectives: what was promised, how much of the error budget is left."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from app.core.objectives import Counted, Events, Objective, objectives
from app.core.thresholds import BURN_LIMITS, State, Thresholds
from app.services.rollups import Rollups, StoreUnreadableError, Totals
from app.services.threshold_states import Share
from app.services.time_ranges import DAY, HOUR, MINUTE

FRESH_SECONDS = 15.0
"""How long a status is given again: it is about hours and days."""

_WINDOWS = sorted({seconds for burn in BURN_LIMITS for seconds in (burn.long, burn.short)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveStatus:
    """Where an objective stands over ``period_days``; None is what isn't known.

    ``budget_left`` is a share of the errors allowed in the period: below 0 the promise is broken.
    With a ``burn_rate_1h`` of 1, which is of the last hour, the budget lasts exactly the period.
    """

    name: str
    promise: str
    objective: float
    period_days: int
    events: int | None
    failed: int | None
    budget_left: float | None
    burn_rate_1h: float | None
    state: State
    complete: bool
    as_of: datetime


class Objectives:
    """Where each objective stands."""

    def __init__(self, limits: Thresholds, rollups: Rollups) -> None:
        self._limits = limits
        self._rollups = rollups
        self._objectives = objectives(limits)
        self._metrics = tuple(dict.fromkeys(each.events.metric for each in self._objectives))
        self._reading = asyncio.Lock()
        self._known: list[ObjectiveStatus] = []
        self._fresh_until = float("-inf")

    async def status(self) -> list[ObjectiveStatus] | None:
        """The status of each, some seconds old at most; None when it can't be read."""
        async with self._reading:
            if time.monotonic() >= self._fresh_until:
                try:
                    self._known = await self._read()
                except StoreUnreadableError:
                    return None
                self._fresh_until = time.monotonic() + FRESH_SECONDS
            return self._known

    async def _read(self) -> list[ObjectiveStatus]:
        as_of = datetime.now(UTC).replace(microsecond=0)
        end = int(time.time()) // MINUTE * MINUTE + MINUTE
        lengths = (self._limits.slo_period_days * DAY, *_WINDOWS)
        # What is old is kept in longer buckets, which are read as a whole.
        asked = [self._rollups.aligned(end - seconds, end, self._metrics) for seconds in lengths]
        whole, *parts = await self._rollups.stored(asked, self._metrics)
        windows = dict(zip(_WINDOWS, parts, strict=True))
        return [self._status(counted, whole, windows, as_of) for counted in self._objectives]

    def _status(
        self, counted: Counted, whole: Totals, windows: Mapping[int, Totals], as_of: datetime
    ) -> ObjectiveStatus:
        objective = counted.objective
        budget = objective.budget
        found = _share(whole, counted.events)
        shares = {seconds: _share(totals, counted.events) for seconds, totals in windows.items()}
        hour = shares[HOUR].ratio
        complete = whole.complete and all(totals.complete for totals in windows.values())
        spent = None if found.ratio is None or not complete else found.ratio / budget
        return ObjectiveStatus(
            name=objective.name,
            promise=objective.promise,
            objective=objective.objective,
            period_days=self._limits.slo_period_days,
            events=found.whole if complete else None,
            failed=found.part if complete else None,
            budget_left=None if spent is None else round(1 - spent, 4),
            burn_rate_1h=None if hour is None or not complete else round(hour / budget, 4),
            state=self._state(objective, shares) if found.whole and complete else "no_data",
            complete=complete,
            as_of=as_of,
        )

    def _state(self, objective: Objective, shares: Mapping[int, Share]) -> State:
        calls = {
            burn.urgency
            for burn in objective.limits
            if shares[burn.long].part >= self._limits.minimum_failures
            and all(
                (shares[seconds].ratio or 0)
                > burn.factor(self._limits.slo_period_days) * objective.budget
                for seconds in (burn.long, burn.short)
            )
        }
        return "critical" if "page" in calls else "warning" if "ticket" in calls else "ok"


def _share(totals: Totals, events: Events) -> Share:
    whole = failed = 0
    for labels, total in totals.series(events.metric):
        if not events.counts(labels):
            continue
        whole += total.count
        if events.fails(labels):
            failed += total.count
        elif events.within is not None:
            failed += total.above(events.within)
    return Share(failed, whole)
