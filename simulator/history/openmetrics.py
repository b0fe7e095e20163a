"""A past as OpenMetrics text, series by series, which promtool makes blocks of."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self, TextIO

import numpy as np
from numpy.typing import NDArray

from app.core import catalogue
from app.core.catalogue import Kind, Metric
from app.core.synthetic_history import SYNTHETIC_HISTORY
from simulator.history.past import Past
from simulator.history.series import KNOWN, UP, Series, all_series
from simulator.history.workload import Workload


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which steps of a series are written: of each ``period``, counted back from the last, these.

    What is looked at every five minutes needs no more samples than are looked at.
    """

    period: int = 1
    back: tuple[int, ...] = (0,)

    def keeps(self, steps: int) -> NDArray[np.bool_]:
        """For each of ``steps`` whether it is written."""
        return np.isin(np.arange(steps - 1, -1, -1) % self.period, self.back)


_LOOKED_AT_SECONDS = 300
"""Prometheus sees a sample for five minutes, so that records over weeks are this far apart."""

_RATES_OF_A_MINUTE = (
    catalogue.SMS_RECEIVED.name,
    catalogue.HTTP_SERVER_REQUEST_DURATION.count,
    catalogue.OPERATION_DURATION.count,
    catalogue.OPERATION_ERRORS.name,
)
_LONG_RANGE = (
    SYNTHETIC_HISTORY,
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
    catalogue.ESCALATIONS_OLDEST_AGE,
    catalogue.PAYMENT_PLANS,
    catalogue.PAYMENT_PLAN_DETECTIONS,
    catalogue.PAYMENT_PLANS_AUTO_APPROVED,
    catalogue.PROCESS_WORKERS,
    catalogue.PROCESS_CPU,
    catalogue.PROCESS_MEMORY,
    catalogue.PROCESS_START_TIME,
    catalogue.BUILD_INFO,
)


def long_range(step: timedelta) -> dict[str, Sampling]:
    """The series that somebody looks at over weeks, each with the samples that it takes.

    At every look a gauge needs one. A rate needs two samples within its range, with no more room
    before the first than lies between them.
    """
    period = max(1, _LOOKED_AT_SECONDS // int(step.total_seconds()))
    gauge = Sampling(period)
    rate_5m = Sampling(period, (0, period - 1))
    rate_1m = Sampling(period, (0, min(1, period - 1), period - 1))
    found = dict.fromkeys(_RATES_OF_A_MINUTE, rate_1m)
    for metric in _LONG_RANGE:
        sampling = gauge if metric.kind is Kind.GAUGE else rate_5m
        found |= dict.fromkeys(metric.series_names, sampling)
    found[catalogue.WORKFLOW_STEP_DURATION.count] = rate_5m
    return found


Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Detail:
    """How much of a past is written, so that weeks of it stay affordable.

    All ``metrics`` are written for the ``recent`` part, with each step. Before that it is only the
    series of ``older``, by name; where that is None, those of ``long_range``.
    """

    metrics: frozenset[Metric] = KNOWN
    recent: timedelta = timedelta(days=1)
    older: Mapping[str, Sampling] | None = None

    @classmethod
    def of_all_time(cls, steps: Mapping[Metric, int]) -> Self:
        """These metrics only, from first to last, with as many steps between two samples."""
        older = {
            name: Sampling(period)
            for metric, period in steps.items()
            for name in metric.series_names
        }
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
        past = workload.past
        self._older = long_range(past.step) if detail.older is None else detail.older
        self._recent = workload.times > workload.times[-1] - detail.recent.total_seconds()
        self._by_sampling: dict[Sampling | None, tuple[NDArray[np.int64], list[str]]] = {}

    def of(self, series: str) -> tuple[NDArray[np.int64], list[str]]:
        """Positions of the steps, and the ends of the lines."""
        sampling = self._older.get(series)
        if sampling not in self._by_sampling:
            older = sampling.keeps(len(self._times)) if sampling else False
            steps = np.flatnonzero(self._recent | older)
            stamps = [f" {second}\n" for second in self._times[steps].tolist()]
            self._by_sampling[sampling] = steps, stamps
        return self._by_sampling[sampling]


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
