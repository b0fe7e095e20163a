"""A past as OpenMetrics text, which promtool makes blocks of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from app.core import catalogue
from app.core.catalogue import Kind, Metric
from simulator.history.past import Past
from simulator.history.series import KNOWN, UP, Series, all_series
from simulator.history.workload import Workload

LONG_RANGE = frozenset(
    {
        UP,
        catalogue.SMS_RECEIVED,
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
    }
)
"""The metrics that somebody looks at over weeks."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Detail:
    """How much of a past is written, so that weeks of it stay affordable.

    All ``metrics`` are written for the ``recent`` part, with each step. Before that it is those of
    ``older`` only, with every ``older_steps``-th step. Two steps of 60 s leave ``rate(…[5m])`` the
    two samples that it needs.
    """

    metrics: frozenset[Metric] = KNOWN
    recent: timedelta = timedelta(days=1)
    older: frozenset[Metric] = LONG_RANGE
    older_steps: int = 2


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
    recent = workload.times > workload.times[-1] - detail.recent.total_seconds()
    older = workload.times % (past.step_seconds * detail.older_steps) == 0
    written = {True: np.flatnonzero(recent | older), False: np.flatnonzero(recent)}
    stamps = {
        is_older: [f" {second}\n" for second in workload.times[kept].tolist()]
        for is_older, kept in written.items()
    }
    target = {"job": past.job, "instance": past.instance}
    samples = 0
    before = None
    for metric, series in all_series(workload, detail.metrics):
        if metric is not before:
            progress(metric.name)
            output.write("".join(f"{line}\n" for line in _head(metric)))
            before = metric
        is_older = metric in detail.older
        text = _lines(series, target, written[is_older], stamps[is_older])
        output.write(text)
        samples += len(stamps[is_older])
    output.write("# EOF\n")
    return samples


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
