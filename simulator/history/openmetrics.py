"""A past as OpenMetrics text, series by series, which promtool makes blocks of."""

from datetime import timedelta
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from app.core.catalogue import Metric
from simulator.history.past import JOB, Past
from simulator.history.series import KNOWN, Read, all_series
from simulator.history.workload import Workload

RECENT = timedelta(hours=6)
"""As far back as dashboards show rates over a minute by default."""

_SEEN_SECONDS = 300
"""Prometheus sees a sample for so long, so what is read over weeks is read this often."""


def write(
    past: Past,
    output: TextIO,
    metrics: frozenset[Metric] = KNOWN,
    recent: timedelta = RECENT,
) -> None:
    """Write ``metrics`` of ``past``.

    The ``recent`` part has every step; before it, each five minutes have the samples that what
    reads the metric over weeks needs. ValueError names a metric of which no history can be made.
    """
    workload = Workload(past)
    target = {"job": JOB, "instance": past.targets[JOB]}
    kept = {read: _kept(workload, read, recent) for read in Read}
    stamps = {read: [f" {at}\n" for at in workload.times[kept[read]].tolist()] for read in Read}
    before = ""
    for name, labels, values, read in all_series(workload, metrics):
        if name != before:
            # Blocks keep no types, and of a histogram there may be its count only.
            output.write(f"# TYPE {name} unknown\n")
            before = name
        written = ",".join(f'{label}="{value}"' for label, value in {**target, **labels}.items())
        selector = f"{name}{{{written}}} "
        lines = zip(values[kept[read]].tolist(), stamps[read], strict=True)
        output.write("".join([f"{selector}{value}{at}" for value, at in lines]))
    output.write("# EOF\n")


def _kept(workload: Workload, read: Read, recent: timedelta) -> NDArray[np.bool_]:
    """Which steps are written.

    In each five minutes, counted back from the end, it is the least with which a rate over a minute
    or over five is right every five minutes: Prometheus extends a rate to the beginning of its
    range where no more is missing there than lies between two samples.
    """
    step = workload.past.step_seconds
    seconds = {
        Read.NOW: [0],
        Read.OVER_5M: [0, _SEEN_SECONDS - step],
        Read.OVER_1M: [0, step, _SEEN_SECONDS - step],
        Read.AGE: [*range(0, _SEEN_SECONDS, 60)],
    }
    back = workload.times[-1] - workload.times
    is_recent: NDArray[np.bool_] = back < recent.total_seconds()
    return is_recent | np.isin(back % _SEEN_SECONDS, seconds[read])
