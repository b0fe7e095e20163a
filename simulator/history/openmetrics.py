"""A past as OpenMetrics text, series by series, which promtool makes blocks of."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from asgi_observability.metric import Metric
from simulator.history.past import JOB, Past
from simulator.history.series import KNOWN, READ, Places, all_series
from simulator.history.workload import Workload

RECENT = timedelta(hours=6)
"""As far back as dashboards show rates over a minute by default."""

_SEEN_SECONDS = 300
"""Prometheus sees a sample for so long, so what is read over weeks is read this often."""


def write(
    past: Past, output: TextIO, metrics: frozenset[Metric] = KNOWN, recent: timedelta = RECENT
) -> None:
    """Write ``metrics`` of ``past``, as `write_parts` does, into one text."""
    write_parts(past, [output], (), metrics, recent)


def write_parts(
    past: Past,
    outputs: Sequence[TextIO],
    cuts: Sequence[int],
    metrics: frozenset[Metric] = KNOWN,
    recent: timedelta = RECENT,
) -> None:
    """Write ``metrics`` of ``past`` into several texts that follow each other in time.

    ``cuts`` are when the second one begins, and each after it, in seconds since the epoch. The
    ``recent`` part has every step; before it, each five minutes have the samples that what reads
    the metric over weeks needs. ValueError names a metric of which no history can be made.
    """
    workload = Workload(past)
    target = {"job": JOB, "instance": past.targets[JOB]}
    part = np.searchsorted(np.array(cuts), workload.times, side="right")
    kept, stamps = {}, {}
    for read in READ.values():
        written_in = _kept(workload, read, recent)
        for number in range(len(outputs)):
            kept[read, number] = chosen = written_in & (part == number)
            stamps[read, number] = [f" {at}\n" for at in workload.times[chosen].tolist()]
    for name, labels, values, read in all_series(workload, metrics):
        written = ",".join(f'{label}="{value}"' for label, value in {**target, **labels}.items())
        selector = f"{name}{{{written}}} "
        for number, output in enumerate(outputs):
            lines = zip(values[kept[read, number]].tolist(), stamps[read, number], strict=True)
            output.write("".join([f"{selector}{value}{at}" for value, at in lines]))
    for output in outputs:
        output.write("# EOF\n")


def _kept(workload: Workload, places: Places, recent: timedelta) -> NDArray[np.bool_]:
    """Which steps are written."""
    back = np.arange(len(workload.times) - 1, -1, -1)
    step = workload.past.step_seconds
    period = max(1, _SEEN_SECONDS // step)
    is_recent: NDArray[np.bool_] = back * step < recent.total_seconds()
    return is_recent | np.isin(back % period, np.array(places) % period)
