"""Measures over any range of time: totals, groups, steps, and the same range earlier."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from app.core.catalogue import Metric
from app.core.errors import InvalidRequestError, UnavailableError
from app.schemas.metrics import Point, Range, RangeMeasure, RangeValue
from app.services.measures import Measure, Value, evaluate
from app.services.rollups import Rollups, StoreUnreadableError, Totals
from app.services.time_ranges import (
    MINUTE,
    Duration,
    Moment,
    edges,
    midnight,
    spelled,
    utc,
)

T = TypeVar("T")

WINDOW = 500
"""Steps that are read at once where an answer is streamed."""

WINDOW_VALUES = 20_000
"""Values that are worked out at once where an answer is streamed."""

MAX_POINTS = 11_000
"""Points of one series in one answer, as in Prometheus."""

MAX_VALUES = 100_000
"""Values in one answer: points times measures times their groups."""

USUAL_POINTS = 400
"""Points of one series where no step was asked for."""

_FIXED = (60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
_LADDER = (
    *(Duration(seconds // MINUTE, "m") for seconds in _FIXED),
    *(Duration(days, "d") for days in (1, 2, 7, 30)),
)
USUAL_STEPS = (Duration(1, "m"), Duration(5, "m"), Duration(1, "h"), Duration(1, "d"))


@dataclass(frozen=True, slots=True)
class RangeQuery:
    """What is asked for: measures over [start, end), by the calendar of ``zone``.

    ``step`` is None for one total. ``compare`` is how much earlier the range lies that is set
    beside it.
    """

    measures: tuple[Measure, ...]
    start: Moment
    end: Moment
    zone: ZoneInfo
    step: Duration | None = None
    group_by: tuple[str, ...] = ()
    compare: Duration | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A question that can be answered exactly: ranges and steps in Unix seconds."""

    measures: tuple[Measure, ...]
    start: int
    end: int
    step: Duration | None
    steps: tuple[tuple[int, int], ...]
    group_by: tuple[str, ...]
    groups: int
    compared: tuple[int, int] | None = None

    @property
    def metrics(self) -> list[Metric]:
        """What the measures are made of."""
        return _metrics(self.measures)


@dataclass(frozen=True, slots=True)
class Step:
    """One measure in one group over one step, Unix seconds.

    ``complete`` is False, and there is no value, where it isn't known.
    """

    start: int
    end: int
    measure: Measure
    labels: dict[str, str]
    value: Value
    complete: bool
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """Some steps with their totals."""

    steps: Sequence[tuple[int, int]]
    totals: Sequence[Totals]
    as_of: datetime


class MetricsRanges:
    """Answers `RangeQuery`: exactly, or with words that say what could be."""

    def __init__(self, rollups: Rollups) -> None:
        self._rollups = rollups
        # One at a time: several would take the interpreter from the loop in turn.
        self._working = asyncio.Lock()

    async def prepared(self, query: RangeQuery) -> Prepared:
        """The question on the edges of what is kept at its age.

        A time relative to now is moved to them, and so is the edge of a range in steps, as each row
        says its own time. A time that was given is answered exactly. With a comparison both ranges
        are moved alike. Raises InvalidRequestError, and UnavailableError.
        """
        metrics = _metrics(query.measures)
        start, end = self._bounds(query, metrics)
        compared = None
        if query.compare:
            start, end, compared = self._comparable(query, query.compare, start, end, metrics)
        if query.step is None:
            self._check_given(query, start, end)
        groups = await self._groups(query)
        bounds = [start, end]
        if query.step:
            self._check_size(query, query.step, start, end, groups, metrics)
            bounds = edges(start, end, query.step, query.zone)
            if self._rollups.first_inexact(bounds[1:-1], metrics) is not None:
                raise self._refused(query, query.step, start, end, groups, metrics)
        return Prepared(
            query.measures,
            start,
            end,
            query.step,
            tuple(pairwise(bounds)),
            query.group_by,
            groups,
            compared,
        )

    async def in_usual_steps(self, query: RangeQuery) -> Prepared:
        """The same in the shortest steps that make a plot of some hundred points."""
        metrics = _metrics(query.measures)
        start, end = self._bounds(query, metrics)
        groups = await self._groups(query)
        step = next(
            (
                step
                for step in USUAL_STEPS
                if (end - start) / step.seconds <= USUAL_POINTS
                and self._works(query, step, start, end, groups, metrics)
            ),
            USUAL_STEPS[-1],
        )
        return await self.prepared(
            RangeQuery(query.measures, query.start, query.end, query.zone, step, query.group_by)
        )

    def _bounds(self, query: RangeQuery, metrics: Sequence[Metric]) -> tuple[int, int]:
        start = query.start.at // MINUTE * MINUTE
        end = -(-query.end.at // MINUTE) * MINUTE
        field = query.start.parameter or "from"
        if start >= end:
            other = query.end.parameter or "to"
            raise InvalidRequestError(f"{field}: it must be before {other}", field)
        next_minute = _next_minute()
        if start >= next_minute:
            raise InvalidRequestError(f"{field}: it must not be in the future", field)
        if self._rollups.finest_step(start, metrics) is None:
            oldest = utc(self._rollups.oldest_kept(metrics))
            raise InvalidRequestError(
                f"{field}: figures are kept since {oldest}; ask from then on", field
            )
        # What has not begun has nothing to tell.
        end = min(end, next_minute)
        start, aligned_end = self._rollups.aligned(start, end, metrics)
        return start, min(aligned_end, next_minute)

    def _check_given(self, query: RangeQuery, start: int, end: int) -> None:
        next_minute = _next_minute()
        metrics = _metrics(query.measures)
        for moment, found in ((query.start, start), (query.end, end)):
            field = moment.parameter
            asked = moment.at // MINUTE * MINUTE
            if moment is query.end:
                asked = min(-(-moment.at // MINUTE) * MINUTE, next_minute)
            if moment.is_given and asked != found:
                finest = self._rollups.finest_step(found, metrics) or 0
                before = asked // finest * finest if finest else found
                raise InvalidRequestError(
                    f"{field}={(moment.text or '')[:40]}: of that time only whole steps of "
                    f"{spelled(finest)} (UTC) are kept; use {utc(before)} or "
                    f"{utc(before + finest)}",
                    field,
                )

    def _comparable(
        self,
        query: RangeQuery,
        compare: Duration,
        start: int,
        end: int,
        metrics: Sequence[Metric],
    ) -> tuple[int, int, tuple[int, int]]:
        found = [self._comparable_edge(edge, compare, query.zone, metrics) for edge in (start, end)]
        (start, earlier_start), (end, earlier_end) = found
        edges_now = self._rollups.first_inexact([start, end], metrics) is None
        if start >= end or earlier_start >= earlier_end or not edges_now:
            raise InvalidRequestError(
                f"compare={compare}: figures of that age are too coarse for such a short range; "
                "ask for a longer or a more recent one",
                "compare",
            )
        return start, end, (earlier_start, earlier_end)

    def _comparable_edge(
        self, edge: int, compare: Duration, zone: ZoneInfo, metrics: Sequence[Metric]
    ) -> tuple[int, int]:
        earlier = compare.before(edge, zone)
        finest = self._rollups.finest_step(earlier, metrics)
        if finest is None or compare.seconds % MINUTE:
            what = "use whole minutes" if finest else "figures of that age are not kept any more"
            raise InvalidRequestError(f"compare={compare}: {what}", "compare")
        moved = earlier - earlier // finest * finest
        return edge - moved, earlier - moved

    async def _groups(self, query: RangeQuery) -> int:
        """How many values there are in each step: of all measures, in each of their groups."""
        if not query.group_by:
            return len(query.measures)
        try:
            series = await self._rollups.series(_metrics(query.measures))
        except StoreUnreadableError as error:
            raise _unavailable(error) from error
        return sum(
            max(
                1,
                len(
                    {
                        tuple(labels.get(name, "") for name in query.group_by)
                        for metric, labels in series
                        if metric.name == measure.part.metric.name
                    }
                ),
            )
            for measure in query.measures
        )

    def _check_size(
        self,
        query: RangeQuery,
        step: Duration,
        start: int,
        end: int,
        groups: int,
        metrics: Sequence[Metric],
    ) -> None:
        if step.seconds % MINUTE or not _fits(step, start, end, groups):
            raise self._refused(query, step, start, end, groups, metrics)

    def _works(
        self,
        query: RangeQuery,
        step: Duration,
        start: int,
        end: int,
        groups: int,
        metrics: Sequence[Metric],
    ) -> bool:
        if not _fits(step, start, end, groups):
            return False
        inner = edges(start, end, step, query.zone)[1:-1]
        return self._rollups.first_inexact(inner, metrics) is None

    def _refused(
        self,
        query: RangeQuery,
        step: Duration,
        start: int,
        end: int,
        groups: int,
        metrics: Sequence[Metric],
    ) -> InvalidRequestError:
        """Why a step does not work, with one that does."""
        # Longer steps would only hide that days can't be told apart.
        is_too_fine = not (step.is_calendar and _fits(step, start, end, groups))
        for smallest in _LADDER if is_too_fine else ():
            shorter = smallest.seconds < end - start
            if shorter and self._works(query, smallest, start, end, groups, metrics):
                return InvalidRequestError(
                    f"step={step}: the smallest that works for this range is "
                    f"{spelled(smallest.seconds)}, in whole minutes",
                    "step",
                )
        since = self._exact_since(query.zone, start, end, metrics)
        later = f"use from={utc(since)} or later, or " if since else "use "
        return InvalidRequestError(
            f"step={step}: of that time only whole days of UTC are kept, which are no days of "
            f"{query.zone.key}; {later}timezone=UTC and step=1d",
            "step",
        )

    def _exact_since(
        self, zone: ZoneInfo, start: int, end: int, metrics: Sequence[Metric]
    ) -> int | None:
        """The first local day from which on all days can be told."""
        days = edges(midnight(start, zone), end, Duration(1, "d"), zone)[:-1]
        since = None
        for day in reversed(days):
            if self._rollups.first_inexact([day], metrics) is not None:
                break
            since = day
        return since

    async def answer(self, query: Prepared) -> Range:
        """The totals, groups and points. Raises UnavailableError when they can't be read."""
        asked = [(query.start, query.end), *([query.compared] if query.compared else [])]
        steps = query.steps if query.step else ()
        window = await self._read([*asked, *steps], query.metrics)
        return await self.off_loop(lambda: _range(query, window, len(asked)))

    async def off_loop(self, work: Callable[[], T]) -> T:
        """Do what takes long in a thread, so that nobody else's request waits for it."""
        async with self._working:
            return await asyncio.to_thread(work)

    async def rows(self, query: Prepared) -> AsyncIterator[list[Step]]:
        """Every measure and group of each step, oldest first, some at a time.

        Raises UnavailableError before the first, when it can't be read. Of steps that can't be
        read later there are rows without values.
        """
        is_first = True
        for steps in _windows(query):
            try:
                window = await self._read(steps, query.metrics)
            except UnavailableError:
                if is_first:
                    raise
                nothing = [Totals(complete=False) for _ in steps]
                window = Window(steps, nothing, datetime.now(UTC).replace(microsecond=0))
            is_first = False
            yield await self.off_loop(lambda window=window: [*_steps(query, window)])  # type: ignore[misc]

    async def totals_by_step(self, query: Prepared, metric: Metric) -> AsyncIterator[Window]:
        """The totals of each step, oldest first, some at a time. Raises UnavailableError."""
        for steps in _windows(query):
            yield await self._read(steps, [metric])

    async def _read(self, asked: Sequence[tuple[int, int]], metrics: Sequence[Metric]) -> Window:
        as_of = datetime.now(UTC).replace(microsecond=0)
        try:
            return Window(asked, await self._rollups.stored(asked, metrics), as_of)
        except StoreUnreadableError as error:
            raise _unavailable(error) from error


def _unavailable(error: StoreUnreadableError) -> UnavailableError:
    return UnavailableError(f"the figures can't be read: {error}; try again")


def _fits(step: Duration, start: int, end: int, groups: int) -> bool:
    points = -(-(end - start) // step.seconds)
    return points <= MAX_POINTS and points * groups <= MAX_VALUES


def _windows(query: Prepared) -> Iterator[Sequence[tuple[int, int]]]:
    at_once = max(1, min(WINDOW, WINDOW_VALUES // query.groups))
    for first in range(0, len(query.steps), at_once):
        yield query.steps[first : first + at_once]


def _steps(query: Prepared, window: Window) -> Iterator[Step]:
    for (start, end), totals in zip(window.steps, window.totals, strict=True):
        for measure in query.measures:
            for labels, value in grouped(measure, totals, query.group_by, end - start):
                yield Step(start, end, measure, labels, value, totals.complete, window.as_of)


def _range(query: Prepared, window: Window, asked: int) -> Range:
    whole, compared = window.totals[0], window.totals[1] if query.compared else None
    seconds = query.end - query.start
    steps = list(zip(window.steps[asked:], window.totals[asked:], strict=True))

    def values(measure: Measure, totals: Totals) -> list[RangeValue]:
        return [
            RangeValue.model_construct(
                labels=labels, **_fields(value), complete=totals.complete, as_of=window.as_of
            )
            for labels, value in grouped(measure, totals, query.group_by, seconds)
        ]

    return Range.model_construct(
        start=_utc(query.start),
        end=_utc(query.end),
        step_seconds=query.step.seconds if query.step else None,
        compared_start=_utc(query.compared[0]) if query.compared else None,
        compared_end=_utc(query.compared[1]) if query.compared else None,
        complete=whole.complete and (compared is None or compared.complete),
        as_of=window.as_of,
        measures=[
            RangeMeasure.model_construct(
                measure=measure.name,
                kind=measure.kind,
                unit=measure.unit,
                values=values(measure, whole),
                compared=None if compared is None else values(measure, compared),
                points=None
                if not steps
                else [
                    Point.model_construct(
                        time=_utc(start),
                        labels=labels,
                        **_fields(value),
                        complete=totals.complete,
                        as_of=window.as_of,
                    )
                    for (start, end), totals in steps
                    for labels, value in grouped(measure, totals, query.group_by, end - start)
                ],
            )
            for measure in query.measures
        ],
    )


def grouped(
    measure: Measure, totals: Totals, group_by: tuple[str, ...], seconds: float
) -> Iterator[tuple[dict[str, str], Value]]:
    """The value of each group that there is, or the one value without groups.

    Where nothing is known there is one without a value.
    """
    if not group_by or not totals.complete:
        yield {}, evaluate(measure, totals, seconds)
        return
    found = {
        tuple(labels.get(name, "") for name in group_by)
        for labels, _ in totals.matching(measure.part.metric, measure.part.labels)
    }
    for values in sorted(found):
        labels = dict(zip(group_by, values, strict=True))
        yield labels, evaluate(measure, totals, seconds, **labels)


def _fields(value: Value) -> dict[str, Any]:
    """The fields that this kind of value has; the value itself always."""
    fields = {
        "count": value.count,
        "min": value.minimum,
        "max": value.maximum,
        "p50": value.p50,
        "p90": value.p90,
        "p99": value.p99,
    }
    return {"value": value.value, **{k: v for k, v in fields.items() if v is not None}}


def _metrics(measures: Sequence[Measure]) -> list[Metric]:
    return list({m.name: m for measure in measures for m in measure.metrics}.values())


def _next_minute() -> int:
    return int(time.time()) // MINUTE * MINUTE + MINUTE


def _utc(timestamp: int) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
