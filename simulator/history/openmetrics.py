"""A past as OpenMetrics text, series by series, which promtool makes blocks of."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self, TextIO

import numpy as np
from numpy.typing import NDArray

from app.core import catalogue
from app.core.catalogue import Kind, Metric
from simulator.history.past import Past
from simulator.history.series import KNOWN, UP, Series, all_series
from simulator.history.workload import Workload

_EACH, _FOURTH = 1, 4

LONG_RANGE: Mapping[str, int] = {
    # Rates over a minute are averaged up to days: they need two samples a minute.
    catalogue.SMS_RECEIVED.name: _EACH,
    catalogue.HTTP_SERVER_REQUEST_DURATION.count: _EACH,
    catalogue.OPERATION_DURATION.count: _EACH,
    catalogue.OPERATION_ERRORS.name: _EACH,
    **{
        name: _FOURTH
        for metric in (
            UP,
            catalogue.SMS_PROCESSING_DURATION,
            catalogue.SMS_IN_FLIGHT,
            catalogue.SMS_CAPACITY,
            catalogue.AI_RESPONSES,
            catalogue.AI_CONFIDENCE,
            catalogue.APPROVALS,
            catalogue.APPROVAL_QUEUE_LENGTH,
            catalogue.APPROVAL_QUEUE_OLDEST_AGE,
            catalogue.ESCALATIONS,
            catalogue.ESCALATIONS_OPEN,
            catalogue.PAYMENT_PLANS,
            catalogue.PAYMENT_PLAN_DETECTIONS,
            catalogue.PAYMENT_PLANS_AUTO_APPROVED,
            catalogue.PROCESS_CPU,
            catalogue.PROCESS_MEMORY,
            catalogue.PROCESS_START_TIME,
        )
        for name in metric.series_names
    },
}
"""The series that somebody looks at over weeks, with how many steps lie between two samples."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Detail:
    """How much of a past is written, so that weeks of it stay affordable.

    All ``metrics`` are written for the ``recent`` part, with each step. Before that it is only the
    series of ``older``, by name, with as many steps between two samples. Four steps of 30 s leave
    ``rate(…[5m])`` the two samples that it needs.
    """

    metrics: frozenset[Metric] = KNOWN
    recent: timedelta = timedelta(days=1)
    older: Mapping[str, int] = field(default_factory=lambda: LONG_RANGE)

    @classmethod
    def of_all_time(cls, steps: Mapping[Metric, int]) -> Self:
        """These metrics only, from first to last, with as many steps between two samples."""
        older = {name: each for metric, each in steps.items() for name in metric.series_names}
        return cls(metrics=frozenset(steps), recent=timedelta(0), older=older)


def write(
    past: Past,
    output: TextIO,
    detail: Detail | None = None,
    progress: Progress = lambda _metric: None,
) -> int:
    """Write ``past``, and tell ``progress`` each metric's name; returns the number of samples.

    ValueError names a metric of which no history can be made.
    """
    detail = detail or Detail()
    workload = Workload(past)
    kept = _Kept(workload, detail)
    target = {"job": past.job, "instance": past.instance}
    samples = 0
    before = None
    for metric, series in all_series(workload, detail.metrics):
        if metric is not before:
            progress(metric.name)
            output.write("".join(f"{line}\n" for line in _head(metric)))
            before = metric
        steps, stamps = kept.of(series.name)
        output.write(_lines(series, target, steps, stamps))
        samples += len(stamps)
    output.write("# EOF\n")
    return samples


class _Kept:
    """Which steps of a series are written, and their timestamps as text."""

    def __init__(self, workload: Workload, detail: Detail) -> None:
        self._times = workload.times
        self._step = workload.past.step_seconds
        self._older = detail.older
        self._recent = workload.times > workload.times[-1] - detail.recent.total_seconds()
        self._by_steps: dict[int, tuple[NDArray[np.int64], list[str]]] = {}

    def of(self, series: str) -> tuple[NDArray[np.int64], list[str]]:
        """Positions of the steps, and the ends of the lines."""
        every = self._older.get(series, 0)
        if every not in self._by_steps:
            older = self._times % (self._step * every) == 0 if every else False
            steps = np.flatnonzero(self._recent | older)
            stamps = [f" {second}\n" for second in self._times[steps].tolist()]
            self._by_steps[every] = steps, stamps
        return self._by_steps[every]


def _head(metric: Metric) -> Iterator[str]:
    # OpenMetrics names a counter without the ending that its samples have.
    family = metric.name.removesuffix("_total") if metric.kind is Kind.COUNTER else metric.name
    yield f"# TYPE {family} {metric.kind}"
    yield f"# HELP {family} {metric.help}"


def _lines(
    series: Series, target: dict[str, str], kept: NDArray[np.int64], stamps: list[str]
) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in {**target, **series.labels}.items())
    selector = f"{series.name}{{{labels}}} "
    values = series.values[kept].tolist()
    return "".join([f"{selector}{v}{at}" for v, at in zip(values, stamps, strict=True)])
