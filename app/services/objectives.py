"""Service level objectives: what was promised, how much of the error budget is left."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from app.core import catalogue
from app.core.catalogue import Route, Step, StepStatus
from app.core.thresholds import BURN_LIMITS, State, Thresholds
from app.services.rollups import Rollups, StoreUnreadableError, Totals
from app.services.threshold_states import Share, served_requests
from app.services.time_ranges import DAY, HOUR, MINUTE

FRESH_SECONDS = 15.0
"""How long a status is given again: it is about hours and days."""

_METRICS = (
    catalogue.HTTP_SERVER_REQUEST_DURATION,
    catalogue.SMS_PROCESSING_DURATION,
    catalogue.WORKFLOW_STEP_DURATION,
)
_WINDOWS = sorted({seconds for burn in BURN_LIMITS for seconds in (burn.long, burn.short)})


@dataclass(frozen=True, slots=True)
class Objective:
    """A promise: of the events that ``share`` finds, at most 1 - ``objective`` fail."""

    name: str
    promise: str
    objective: float
    share: Callable[[Totals], Share]


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


def objectives(limits: Thresholds) -> tuple[Objective, ...]:
    """What the service promises, as the alerts of error budgets have it."""
    seconds = limits.sms_latency_seconds
    return (
        Objective(
            "availability",
            "requests, without probes, are not answered 5xx",
            limits.availability_objective,
            _requests,
        ),
        Objective(
            "sms_latency",
            f"SMS are processed within {seconds:g} s; a failed workflow counts as late",
            limits.sms_latency_objective,
            lambda totals: _messages(totals, seconds),
        ),
        Objective(
            "ai_answers",
            "SMS that ask the AI get its answer, retries included",
            limits.ai_answers_objective,
            lambda totals: _steps(totals, Step.AI_RESPONSE),
        ),
        Objective(
            "sms_delivery",
            "answers are handed to the SMS Agent, retries included",
            limits.sms_delivery_objective,
            lambda totals: _steps(totals, Step.SEND_SMS),
        ),
    )


class Objectives:
    """Where each objective stands."""

    def __init__(self, limits: Thresholds, rollups: Rollups) -> None:
        self._limits = limits
        self._rollups = rollups
        self._objectives = objectives(limits)
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
        asked = [self._rollups.aligned(end - seconds, end, _METRICS) for seconds in lengths]
        whole, *parts = await self._rollups.stored(asked, _METRICS)
        windows = dict(zip(_WINDOWS, parts, strict=True))
        return [self._status(objective, whole, windows, as_of) for objective in self._objectives]

    def _status(
        self, objective: Objective, whole: Totals, windows: Mapping[int, Totals], as_of: datetime
    ) -> ObjectiveStatus:
        budget = 1 - objective.objective
        found = objective.share(whole)
        shares = {seconds: objective.share(totals) for seconds, totals in windows.items()}
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
            state=self._state(budget, shares) if found.whole and complete else "no_data",
            complete=complete,
            as_of=as_of,
        )

    def _state(self, budget: float, shares: Mapping[int, Share]) -> State:
        calls = {
            burn.urgency
            for burn in BURN_LIMITS
            if shares[burn.long].part >= self._limits.minimum_failures
            and all(
                (shares[seconds].ratio or 0) > burn.factor(self._limits.slo_period_days) * budget
                for seconds in (burn.long, burn.short)
            )
        }
        return "critical" if "page" in calls else "warning" if "ticket" in calls else "ok"


def _requests(totals: Totals) -> Share:
    by_status = served_requests(totals)
    erred = sum(total.count for status, total in by_status.items() if status.startswith("5"))
    return Share(erred, sum(total.count for total in by_status.values()))


def _messages(totals: Totals, seconds: float) -> Share:
    by_route = totals.by(catalogue.SMS_PROCESSING_DURATION, "route")
    late = sum(
        total.count if route == Route.FAILED else total.above(seconds)
        for route, total in by_route.items()
    )
    return Share(late, sum(total.count for total in by_route.values()))


def _steps(totals: Totals, step: Step) -> Share:
    metric = catalogue.WORKFLOW_STEP_DURATION
    failed = totals.of(metric, step=step, status=StepStatus.FAILED).count
    return Share(failed, failed + totals.of(metric, step=step, status=StepStatus.COMPLETED).count)
