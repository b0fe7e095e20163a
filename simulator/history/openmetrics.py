"""A past as OpenMetrics text, series by series, which promtool makes blocks of."""

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
    """Write ``metrics`` of ``past``.

    The ``recent`` part has every step; before it, each five minutes have the samples that what
    reads the metric over weeks needs. ValueError names a metric of which no history can be made.
    """
    workload = Workload(past)
    target = {"job": JOB, "instance": past.targets[JOB]}
    kept = {read: _kept(workload, read, recent) for read in READ.values()}
    stamps = {
        read: [f" {at}\n" for at in workload.times[each].tolist()] for read, each in kept.items()
    }
    for name, labels, values, read in all_series(workload, metrics):
        written = ",".join(f'{label}="{value}"' for label, value in {**target, **labels}.items())
        selector = f"{name}{{{written}}} "
        lines = zip(values[kept[read]].tolist(), stamps[read], strict=True)
        output.write("".join([f"{selector}{value}{at}" for value, at in lines]))
    output.write("# EOF\n")


def _kept(workload: Workload, places: Places, recent: timedelta) -> NDArray[np.bool_]:
    """Which steps are written."""
    back = np.arange(len(workload.times) - 1, -1, -1)
    step = workload.past.step_seconds
    period = max(1, _SEEN_SECONDS // step)
    is_recent: NDArray[np.bool_] = back * step < recent.total_seconds()
    return is_recent | np.isin(back % period, np.array(places) % period)
