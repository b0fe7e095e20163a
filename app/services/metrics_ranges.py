"""Measures over any range of time: totals, groups, steps, and the same range earlier."""

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

from app.core.catalogue import Metric
from app.core.config import Settings
from app.core.errors import InvalidRequestError
from app.schemas.metrics import Point, Range, RangeMeasure, RangeValue
from app.services.measures import Measure, Value, evaluate, rolled_up
from app.services.metrics_query import MINUTE, RangeQuery, checked, edges, spelled
from app.services.rollups import Rollups, Totals

WINDOW = 500
"""Steps that are read at once where an answer is streamed."""


@dataclass(frozen=True, slots=True)
class Step:
    """One measure in one group over one step, Unix seconds."""

    start: int
    end: int
    measure: Measure
    labels: dict[str, str]
    value: Value


class MetricsRanges:
    """Answers `RangeQuery`."""

    def __init__(self, settings: Settings, rollups: Rollups) -> None:
        self._zone = settings.zone
        self._rollups = rollups

    def prepared(self, query: RangeQuery) -> RangeQuery:
        """The query, on the edges of what is kept at its age. Raises InvalidRequestError.

        It is widened to them; with a comparison, both ranges are moved to edges that the earlier
        one has, so that they stay of one length.
        """
        metrics = _metrics(query)
        finest = self._rollups.finest_step(query.start, metrics)
        start, end = self._rollups.aligned(query.start, query.end, metrics)
        # What has not begun has nothing to tell.
        end = min(end, max(start + MINUTE, _next_minute()))
        if query.compare:
            start = self._comparable(start, query.compare, metrics)
            end = self._comparable(end, query.compare, metrics)
        if query.compare and (start >= end or query.compare % MINUTE):
            raise InvalidRequestError(
                f"compare={spelled(query.compare)}: figures of that age are too coarse for such a "
                "short range; ask for a longer or a more recent one",
                "compare",
            )
        return replace(checked(query, finest), start=start, end=end)

    def _comparable(self, edge: int, earlier: int, metrics: Sequence[Metric]) -> int:
        step = self._rollups.finest_step(edge - earlier, metrics)
        return (edge - earlier) // step * step + earlier

    def is_kept(self, start: int, step: int) -> bool:
        """Whether every measure can be had in steps of ``step`` seconds from ``start`` on."""
        return self._rollups.finest_step(start, list(rolled_up())) <= step

    async def answer(self, query: RangeQuery) -> Range:
        """The totals, groups and points of a prepared query."""
        asked = [(query.start, query.end)]
        if query.compare:
            asked.append((query.start - query.compare, query.end - query.compare))
        bounds = edges(query, self._zone) if query.step else []
        steps = list(pairwise(bounds))
        totals = await self._rollups.read([*asked, *steps], _metrics(query))
        whole, compared = totals[0], totals[1] if query.compare else None
        return Range(
            start=_utc(query.start),
            end=_utc(query.end),
            step_seconds=query.step,
            compared_start=_utc(query.start - query.compare) if query.compare else None,
            complete=all(each.complete for each in totals),
            measures=[
                RangeMeasure(
                    measure=measure.name,
                    kind=measure.kind,
                    unit=measure.unit,
                    values=_values(measure, whole, query, query.end - query.start),
                    compared=None
                    if compared is None
                    else _values(measure, compared, query, query.end - query.start),
                    points=None
                    if not steps
                    else [
                        Point(time=_utc(start), labels=labels, **_fields(value))
                        for (start, end), of_step in zip(steps, totals[len(asked) :], strict=True)
                        for labels, value in grouped(measure, of_step, query.group_by, end - start)
                    ],
                )
                for measure in query.measures
            ],
        )

    async def steps(self, query: RangeQuery) -> AsyncIterator[Step]:
        """Every measure and group of each step of a prepared query, oldest first."""
        async for start, end, totals in self.totals_by_step(query, _metrics(query)):
            for measure in query.measures:
                for labels, value in grouped(measure, totals, query.group_by, end - start):
                    yield Step(start, end, measure, labels, value)

    async def totals_by_step(
        self, query: RangeQuery, metrics: Sequence[Metric]
    ) -> AsyncIterator[tuple[int, int, Totals]]:
        """The totals of each step of a prepared query with its beginning and end, oldest first."""
        pairs = list(pairwise(edges(query, self._zone)))
        for first in range(0, len(pairs), WINDOW):
            window = pairs[first : first + WINDOW]
            totals = await self._rollups.read(window, metrics)
            for (start, end), of_step in zip(window, totals, strict=True):
                yield start, end, of_step


def grouped(
    measure: Measure, totals: Totals, group_by: tuple[str, ...], seconds: float
) -> Iterator[tuple[dict[str, str], Value]]:
    """The value of each group that there is, or the one value without groups."""
    if not group_by:
        yield {}, evaluate(measure, totals, seconds)
        return
    found = {
        tuple(labels[name] for name in group_by)
        for labels, _ in totals.matching(measure.part.metric, measure.part.labels)
    }
    for values in sorted(found):
        labels = dict(zip(group_by, values, strict=True))
        yield labels, evaluate(measure, totals, seconds, **labels)


def _values(measure: Measure, totals: Totals, query: RangeQuery, seconds: int) -> list[RangeValue]:
    return [
        RangeValue(labels=labels, **_fields(value))
        for labels, value in grouped(measure, totals, query.group_by, seconds)
    ]


def _fields(value: Value) -> dict[str, float | int | None]:
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


def _metrics(query: RangeQuery) -> list[Metric]:
    return list({m.name: m for measure in query.measures for m in measure.metrics}.values())


def _next_minute() -> int:
    return int(time.time()) // MINUTE * MINUTE + MINUTE


def _utc(timestamp: int) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
