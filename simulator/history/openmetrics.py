"""A past as OpenMetrics text, series by series, which promtool makes blocks of."""

from datetime import timedelta
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from asgi_observability.metric import Metric
from simulator.history.past import Past
from simulator.history.series import KNOWN, Read, Series, all_series
from simulator.history.workload import Workload

RECENT = timedelta(hours=6)
"""As far back as dashboards show rates over a minute by default."""


def write(
    past: Past,
    output: TextIO,
    metrics: frozenset[Metric] = KNOWN,
    recent: timedelta = RECENT,
) -> int:
    """Write ``metrics`` of ``past``; returns the number of samples.

    The ``recent`` part has every step; before it, each five minutes have the one to three samples
    that what reads the series over weeks needs. ValueError names a metric of which no history can
    be made.
    """
    workload = Workload(past, recent)
    target = {"job": past.job, "instance": past.instance}
    kept = {read: _kept(workload, read) for read in Read}
    samples = 0
    before = ""
    for series in all_series(workload, metrics):
        if series.name != before:
            # Blocks keep no types, and of a histogram there may be its count only.
            output.write(f"# TYPE {series.name} unknown\n")
            before = series.name
        steps, stamps = kept[series.read]
        output.write(_lines(series, target, series.values[steps].tolist(), stamps))
        samples += len(stamps)
    output.write("# EOF\n")
    return samples


def _kept(workload: Workload, read: Read) -> tuple[NDArray[np.int64], list[str]]:
    """Positions of the steps that are written, and the ends of their lines."""
    if read is Read.AGE:
        first, last = int(workload.times[0]), int(workload.times[-1])
        minutes = range(last - (last - first) // 60 * 60, last + 1, 60)
        return np.zeros(len(minutes), dtype=np.int64), [f" {second}\n" for second in minutes]
    places = {Read.NOW: (0,), Read.OVER_5M: (0, workload.last_place)}
    kept = workload.is_recent | np.isin(workload.places, places.get(read, workload.places))
    return np.flatnonzero(kept), [f" {second}\n" for second in workload.times[kept].tolist()]


def _lines(series: Series, target: dict[str, str], values: list[float], stamps: list[str]) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in {**target, **series.labels}.items())
    selector = f"{series.name}{{{labels}}} "
    return "".join([f"{selector}{v}{at}" for v, at in zip(values, stamps, strict=True)])
