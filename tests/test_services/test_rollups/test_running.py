"""The minute that runs is given back as it was, however it is packed."""

import random

from app.core import catalogue
from app.services.rollups.buckets import Bucket, unpacked
from app.services.rollups.running import decoded, encoded
from app.services.rollups.sketch import ZERO_KEY
from app.services.rollups.tables import KIND_OF
from asgi_observability.metric import Kind
from asgi_observability.recorder import Batch, Series
from tests.not_empty import not_empty


def test_every_kind_comes_back_with_its_extremes() -> None:
    rng = random.Random(1)
    metrics = [m for m in catalogue.metrics() if not m.labels]
    bucket = Bucket()
    for metric in metrics:
        values = [0.0, 1e-12, 1e-9, 3e7, *(rng.lognormvariate(0, 4) for _ in range(300))]
        bucket.collect([Batch(Series(metric, ()), values)])
    ids = {metric.name: number * 70_000 + 1 for number, metric in enumerate(metrics)}
    snapshots = [*bucket.snapshots()]
    found = decoded(encoded(snapshots, ids))
    assert {KIND_OF[kind] for kind in Kind} == set(found)
    for snapshot in not_empty(snapshots):
        cells = dict(unpacked(found[snapshot.kind]))
        assert cells == dict(unpacked(snapshot.row(ids)))
        if snapshot.kind is KIND_OF[Kind.HISTOGRAM]:
            assert all(ZERO_KEY in cell.bins for cell in not_empty(cells.values()))


def test_a_minute_in_which_nothing_was_counted_is_empty() -> None:
    assert decoded(encoded([], {})) == {}
