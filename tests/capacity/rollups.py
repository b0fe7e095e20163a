"""How large the rows of the rollups are, as the service packs them.

Buckets are filled as a worker fills them: each series with what it counts in that time at a rate of
SMS, durations scattered, gauges sampled once a second.
"""

import random
from typing import Any

from app.core.catalogue import FACTS, metrics
from app.services.rollups import RESOLUTIONS
from app.services.rollups.buckets import Bucket
from asgi_observability.metric import Kind, Metric
from asgi_observability.recorder import Batch, Series
from stack.capacity import series

SMS_PER_SECOND = 25
MOST_EVENTS = 20_000
"""Of more a sketch hardly grows."""

NUMBER_BYTES = 4
"""The number of a series, which the store gives."""


async def measured() -> dict[str, Any]:
    """The part ``rollups`` of the constants."""
    every = [*metrics()]
    return {
        "sms_per_second": SMS_PER_SECOND,
        "row_bytes": _row_bytes([each for each in every if each not in FACTS]),
        "fact_row_bytes": _row_bytes([each for each in every if each in FACTS]),
    }


def _row_bytes(of: list[Metric]) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = {}
    for resolution in RESOLUTIONS:
        bucket, rng = Bucket(), random.Random(1)
        bucket.collect(batch for metric in of for batch in _counted(metric, resolution, rng))
        for snapshot in bucket.snapshots():
            size = sum(map(len, snapshot.arrays.values())) + NUMBER_BYTES * len(snapshot.names)
            found.setdefault(str(snapshot.kind), {})[resolution] = size
    return found


def _counted(metric: Metric, seconds: int, rng: random.Random) -> list[Batch]:
    batches = []
    for one in series.exposed(metric):
        # All but the sum of a histogram are counts.
        counts = one.grows[1:] if metric.kind is Kind.HISTOGRAM else one.grows
        events = seconds if metric.kind is Kind.GAUGE else sum(counts) * SMS_PER_SECOND * seconds
        if events >= 1:
            some = min(round(events), MOST_EVENTS)
            values = [
                1.0 if metric.kind is Kind.COUNTER else rng.lognormvariate(-1, 1)
                for _ in range(some)
            ]
            batches.append(Batch(Series(metric, one.labels), values))
    return batches
