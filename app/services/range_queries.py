"""Questions about a range of time, brought to the edges of what is kept, or refused with words."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from zoneinfo import ZoneInfo

from app.core.errors import InvalidRequestError, UnavailableError
from app.services.measures import Measure
from app.services.rollups import Rollups, StoreUnreadableError
from app.services.time_ranges import (
    MINUTE,
    Duration,
    Moment,
    edges,
    midnight,
    spelled,
    utc,
)
from asgi_observability.metric import Metric

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
    """A question that can be answered exactly: ranges and steps in Unix seconds.

    ``values`` is how many there are in each step: of all measures, in each of their groups.
    """

    measures: tuple[Measure, ...]
    start: int
    end: int
    step: Duration | None
    steps: tuple[tuple[int, int], ...]
    group_by: tuple[str, ...]
    values: int
    compared: tuple[int, int] | None = None

    @property
    def metrics(self) -> list[Metric]:
        """What the measures are made of."""
        return _metrics(self.measures)


@dataclass(frozen=True, slots=True)
class _Extent:
    """How much is asked for: a query over [start, end), and its values in each step."""

    query: RangeQuery
    start: int
    end: int
    metrics: Sequence[Metric]
    values: int

    def fits(self, step: Duration) -> bool:
        """Whether one answer may hold that many points and values."""
        points = -(-(self.end - self.start) // step.seconds)
        return points <= MAX_POINTS and points * self.values <= MAX_VALUES


class RangePlanner:
    """Makes a `RangeQuery` one that can be answered exactly, or says in words what could be."""

    def __init__(self, rollups: Rollups) -> None:
        self._rollups = rollups

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
        values = await self._values(query)
        bounds = [start, end]
        if query.step:
            extent = _Extent(query, start, end, metrics, values)
            if query.step.seconds % MINUTE or not self._works(extent, query.step):
                raise self._refused(extent, query.step)
            bounds = edges(start, end, query.step, query.zone)
        return Prepared(
            measures=query.measures,
            start=start,
            end=end,
            step=query.step,
            steps=tuple(pairwise(bounds)),
            group_by=query.group_by,
            values=values,
            compared=compared,
        )

    async def in_usual_steps(self, query: RangeQuery) -> Prepared:
        """The same in the shortest steps that make a plot of some hundred points."""
        metrics = _metrics(query.measures)
        start, end = self._bounds(query, metrics)
        extent = _Extent(query, start, end, metrics, await self._values(query))
        step = next(
            (
                step
                for step in USUAL_STEPS
                if (end - start) / step.seconds <= USUAL_POINTS and self._works(extent, step)
            ),
            USUAL_STEPS[-1],
        )
        return await self.prepared(replace(query, step=step))

    def _bounds(self, query: RangeQuery, metrics: Sequence[Metric]) -> tuple[int, int]:
        start = query.start.at // MINUTE * MINUTE
        end = -(-query.end.at // MINUTE) * MINUTE
        # The parameter that was given, in its own name: start and end are other names.
        field, other = query.start.field or "from", query.end.field or "to"
        if start >= end:
            raise InvalidRequestError(f"{field}: it must be before {other}", field)
        next_minute = _next_minute()
        if start >= next_minute:
            raise InvalidRequestError(f"{field}: it must not be in the future", field)
        if self._rollups.finest_step(start, metrics) is None:
            oldest = utc(self._rollups.oldest_kept(metrics))
            field = query.start.field or query.end.field or "from"
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
        asked_start = query.start.at // MINUTE * MINUTE
        asked_end = min(-(-query.end.at // MINUTE) * MINUTE, next_minute)
        for name, moment, asked, found in (
            ("from", query.start, asked_start, start),
            ("to", query.end, asked_end, end),
        ):
            field = moment.field or name
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

    async def _values(self, query: RangeQuery) -> int:
        """How many values there are in each step: of all measures, in each of their groups."""
        if not query.group_by:
            return len(query.measures)
        try:
            series = await self._rollups.series(_metrics(query.measures))
        except StoreUnreadableError as error:
            raise unreadable(error) from error
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

    def _works(self, extent: _Extent, step: Duration) -> bool:
        if not extent.fits(step):
            return False
        inner = edges(extent.start, extent.end, step, extent.query.zone)[1:-1]
        return self._rollups.first_inexact(inner, extent.metrics) is None

    def _refused(self, extent: _Extent, step: Duration) -> InvalidRequestError:
        """Why a step does not work, with one that does."""
        # Longer steps would only hide that days can't be told apart.
        is_too_fine = not (step.is_calendar and extent.fits(step))
        for smallest in _LADDER if is_too_fine else ():
            shorter = smallest.seconds < extent.end - extent.start
            if shorter and self._works(extent, smallest):
                return InvalidRequestError(
                    f"step={step}: the smallest that works for this range is "
                    f"{spelled(smallest.seconds)}, in whole minutes",
                    "step",
                )
        since = self._exact_since(extent)
        first = extent.query.start.field or "from"
        later = f"use {first}={utc(since)} or later, or " if since else "use "
        return InvalidRequestError(
            f"step={step}: of that time only whole days of UTC are kept, which are no days of "
            f"{extent.query.zone.key}; {later}timezone=UTC and step=1d",
            "step",
        )

    def _exact_since(self, extent: _Extent) -> int | None:
        """The first local day from which on all days can be told."""
        zone = extent.query.zone
        days = edges(midnight(extent.start, zone), extent.end, Duration(1, "d"), zone)[:-1]
        since = None
        for day in reversed(days):
            if self._rollups.first_inexact([day], extent.metrics) is not None:
                break
            since = day
        return since


def unreadable(error: StoreUnreadableError) -> UnavailableError:
    """What a client is told when the store does not answer."""
    return UnavailableError(f"the figures can't be read: {error}; try again")


def _metrics(measures: Sequence[Measure]) -> list[Metric]:
    return list({m.name: m for measure in measures for m in measure.metrics}.values())


def _next_minute() -> int:
    return int(time.time()) // MINUTE * MINUTE + MINUTE
