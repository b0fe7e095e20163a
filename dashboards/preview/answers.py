"""What Prometheus answers to a panel's queries."""

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dashboards.preview.dashboard import Annotation, Dashboard, Panel, Target
from dashboards.preview.steps import step_seconds, time_variables
from dashboards.queries import filled_in
from prometheus_tools.api import Points, PrometheusAPI, QueryRefusedError

Numbers = NDArray[np.float64]

_AT_A_TIME = 4
_ANNOTATION_STEP_SECONDS = 60
_ANNOTATION_POINTS = 1440
"""As many as the window has pixels."""
_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Span:
    """A time range; seconds since the epoch."""

    start: int
    end: int

    @property
    def seconds(self) -> int:
        """Its length."""
        return self.end - self.start

    def of(self, panel: Panel) -> "Span":
        """The range of ``panel``, which may look further back, or at a time before."""
        end = self.end - round(panel.shift_seconds)
        return Span(end - round(panel.own_range_seconds or self.seconds), end)


@dataclass(frozen=True, slots=True)
class Series:
    """A series by the name in the legend; its samples may be NaN."""

    name: str
    ref: str
    """The query that it answers."""
    labels: Mapping[str, str]
    times: Numbers
    values: Numbers

    @property
    def cells(self) -> list[float]:
        """The values as a list."""
        return [float(value) for value in self.values]

    def with_gaps(self, step: float) -> tuple[Numbers, Numbers]:
        """Times and values, with NaN where the next sample is further away than ``step``."""
        far = np.flatnonzero(np.diff(self.times) > step)
        times = np.insert(self.times, far + 1, self.times[far] + step)
        return times, np.insert(self.values, far + 1, np.nan)


@dataclass(frozen=True, slots=True)
class Mark:
    """An annotation: ``start`` equals ``end`` for a moment. ``colour`` is a name of Grafana's."""

    start: float
    end: float
    colour: str


@dataclass(frozen=True, slots=True)
class Answers:
    """All that a panel draws: its series in the order of the queries, over ``span``."""

    span: Span
    step: int
    series: tuple[Series, ...] = ()
    exemplars: tuple[tuple[float, float], ...] = ()
    """Time and value."""
    marks: tuple[Mark, ...] = ()
    failures: tuple[str, ...] = ()
    """What Prometheus said to queries that it refused, with the query's letter."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no number in it."""
        return all(bool(np.isnan(series.values).all()) for series in self.series)


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks ``prometheus``, whose targets are scraped every ``scrape`` seconds, about ``span``."""

    prometheus: PrometheusAPI
    span: Span
    scrape: int

    def answers(
        self, dashboard: Dashboard, panels: Sequence[tuple[Panel, float]]
    ) -> tuple[list[Answers], list[str]]:
        """The answers to ``panels``, each with its width in pixels, and annotations that failed.

        Raises PrometheusError when it can't be asked at all, and ValueError for a variable that
        nothing is known of.
        """
        marks: list[Mark] = []
        failures = []
        with ThreadPoolExecutor(_AT_A_TIME) as threads:
            for annotation in dashboard.annotations:
                try:
                    marks += self._marks(dashboard, annotation)
                except QueryRefusedError as error:
                    failures.append(f"annotation {annotation.name!r}: {_first_line(error)}")
            found = threads.map(
                lambda each: self._panel(dashboard, each[0], each[1], tuple(marks)), panels
            )
            return list(found), failures

    def _panel(
        self, dashboard: Dashboard, panel: Panel, width: float, marks: tuple[Mark, ...]
    ) -> Answers:
        span = self.span.of(panel)
        series: list[Series] = []
        exemplars: list[tuple[float, float]] = []
        failures = []
        step = 0
        for target in panel.targets:
            if target.datasource != "prometheus" or not target.expr:
                continue
            least = max(panel.min_step_seconds, target.min_step_seconds, self.scrape)
            step = step_seconds(span.seconds, panel.max_points or width, least)
            where = f"{dashboard.name}: panel {panel.title!r}"
            expr = self._filled_in(dashboard, target.expr, span, step, where)
            try:
                series += self._series(target, expr, span, step)
            except QueryRefusedError as error:
                failures.append(f"{target.ref}: {_first_line(error)}")
            else:
                exemplars += self._exemplars(target, expr, span)
        return Answers(
            span,
            step or step_seconds(span.seconds, width, self.scrape),
            series=tuple(series),
            exemplars=tuple(exemplars),
            marks=tuple(
                mark for mark in marks if mark.end >= span.start and mark.start <= span.end
            ),
            failures=tuple(failures),
        )

    def _series(self, target: Target, expr: str, span: Span, step: int) -> Iterator[Series]:
        if target.instant:
            times = np.array([span.end], float)
            found = self.prometheus.instant(expr, span.end)
        else:
            # Points at multiples of the step: the same ones for whoever asks.
            start, end = (at // step * step for at in (span.start, span.end))
            times = np.arange(start, end + 1, step, dtype=float)
            found = self.prometheus.range(expr, start, end, step)
        for points in found:
            own = np.array([at for at in times if at in points.values], float)
            values = np.array([points.values[at] for at in own], float)
            yield Series(_name(target, points, expr), target.ref, points.labels, own, values)

    def _exemplars(self, target: Target, expr: str, span: Span) -> list[tuple[float, float]]:
        if not target.exemplars:
            return []
        try:
            return self.prometheus.exemplars(expr, span.start, span.end)
        except QueryRefusedError:
            # A Prometheus that keeps none; the lines are there all the same.
            return []

    def _marks(self, dashboard: Dashboard, annotation: Annotation) -> Iterator[Mark]:
        step = step_seconds(self.span.seconds, _ANNOTATION_POINTS, _ANNOTATION_STEP_SECONDS)
        where = f"{dashboard.name}: annotation {annotation.name!r}"
        expr = self._filled_in(dashboard, annotation.expr, self.span, step, where)
        start, end = (at // step * step for at in (self.span.start, self.span.end))
        for points in self.prometheus.range(expr, start, end, step):
            for begin, until in _moments(points, annotation, step):
                if begin <= self.span.end and until >= self.span.start:
                    yield Mark(begin, until, annotation.colour)

    def _filled_in(self, dashboard: Dashboard, expr: str, span: Span, step: int, where: str) -> str:
        own = time_variables(span.seconds, step, self.scrape)
        return filled_in(expr, {**dashboard.variables, **own}, where)


def _name(target: Target, points: Points, expr: str) -> str:
    """What the legend calls a series: without a wish, by its labels."""
    if target.legend and target.legend != "__auto":
        return _LABEL.sub(lambda match: points.labels.get(match[1], ""), target.legend)
    labels = ", ".join(f'{k}="{v}"' for k, v in points.labels.items() if k != "__name__")
    name = points.labels.get("__name__", "")
    return f"{name}{{{labels}}}" if labels else name or expr


def _moments(points: Points, annotation: Annotation, step: int) -> Iterator[tuple[float, float]]:
    """Begin and end of each time without a break in which the value is not 0.

    Points that are further apart than an annotation's own step are moments to Grafana.
    """
    if annotation.value_is_time:
        yield from ((at, at) for at in sorted({value / 1000 for value in points.values.values()}))
        return
    times = [at for at, value in points.values.items() if value and not np.isnan(value)]
    if step > _ANNOTATION_STEP_SECONDS:
        yield from ((at, at) for at in times)
        return
    begins = [at for at in times if at - step not in points.values or not points.values[at - step]]
    for begin in begins:
        until = begin
        while points.values.get(until + step):
            until += step
        yield begin, until


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["refused"])[0]
