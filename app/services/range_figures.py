"""Figures over a range of time: totals, steps, and the same range earlier, as they are read."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isclose
from typing import TypeVar

from app.core.errors import UnavailableError
from app.services.measures import Measure, Value, evaluate
from app.services.range_queries import Prepared, unreadable
from app.services.rollups import Rollups, StoreUnreadableError, Totals
from asgi_observability.metric import Metric

T = TypeVar("T")

WINDOW = 500
"""Steps that are read at once where an answer is streamed."""

WINDOW_VALUES = 20_000
"""Values that are worked out at once where an answer is streamed."""

COVERAGE_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Step:
    """One measure in one group over one step, Unix seconds.

    ``complete`` is False, and there is no value, where it isn't known. ``coverage`` is the share of
    it in which there was counting.
    """

    start: int
    end: int
    measure: Measure
    labels: dict[str, str]
    value: Value
    complete: bool
    coverage: float | None
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Window:
    """Some steps with their totals."""

    steps: Sequence[tuple[int, int]]
    totals: Sequence[Totals]
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Figures:
    """What was read for a question; ``compared`` and ``steps`` as far as they were asked for."""

    whole: Totals
    compared: Totals | None
    steps: Sequence[tuple[tuple[int, int], Totals]]
    as_of: datetime

    @property
    def complete(self) -> bool:
        """Whether all is known of the range, and of the one beside it."""
        return self.whole.complete and (self.compared is None or self.compared.complete)


class RangeFigures:
    """Reads what was asked for from the rollups."""

    def __init__(self, rollups: Rollups) -> None:
        self._rollups = rollups
        # One at a time: several would take the interpreter from the loop in turn.
        self._working = asyncio.Lock()

    async def read(self, query: Prepared) -> Figures:
        """The totals of the range, and of its steps. Raises UnavailableError."""
        ranges = [(query.start, query.end), *([query.compared] if query.compared else [])]
        steps = query.steps if query.step else ()
        window = await self._read([*ranges, *steps], query.metrics)
        first = len(ranges)
        return Figures(
            whole=window.totals[0],
            compared=window.totals[1] if query.compared else None,
            steps=list(zip(steps, window.totals[first:], strict=True)),
            as_of=window.as_of,
        )

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
            raise unreadable(error) from error


def rounded_coverage(share: float) -> float:
    """To four digits; but 0 only for nothing, and 1 only for the whole."""
    if isclose(share, 1):  # seconds added up are not exact
        return 1.0
    rounded = round(share, COVERAGE_DIGITS)
    least = 10.0**-COVERAGE_DIGITS
    if rounded == 0 and share > 0:
        return least
    if rounded == 1:
        return 1 - least if share < 1 else 1 + least
    return rounded


def _windows(query: Prepared) -> Iterator[Sequence[tuple[int, int]]]:
    at_once = max(1, min(WINDOW, WINDOW_VALUES // query.values))
    for first in range(0, len(query.steps), at_once):
        yield query.steps[first : first + at_once]


def _steps(query: Prepared, window: Window) -> Iterator[Step]:
    for (start, end), totals in zip(window.steps, window.totals, strict=True):
        for measure in query.measures:
            for labels, value in grouped(measure, totals, query.group_by):
                yield Step(
                    start,
                    end,
                    measure=measure,
                    labels=labels,
                    value=value,
                    complete=totals.complete,
                    coverage=totals.coverage,
                    as_of=window.as_of,
                )


def grouped(
    measure: Measure, totals: Totals, group_by: tuple[str, ...]
) -> Iterator[tuple[dict[str, str], Value]]:
    """The value of each group that there is, or the one value without groups.

    Where nothing is known there is one without a value.
    """
    if not group_by or not totals.complete:
        yield {}, evaluate(measure, totals)
        return
    found = {
        tuple(labels.get(name, "") for name in group_by)
        for labels, _ in totals.matching(measure.part.metric, measure.part.labels)
    }
    for values in sorted(found):
        labels = dict(zip(group_by, values, strict=True))
        yield labels, evaluate(measure, totals, **labels)
