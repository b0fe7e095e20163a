"""`/metrics`: the instruments of one worker, or of all, in the format that the scraper asks."""

from collections.abc import Iterable
from typing import Protocol, cast

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.utils import floatToGoString

from asgi_observability.snapshot import FamilySnapshot, HistogramRow


class Collecting(Protocol):
    """What gives metric families: a registry, or `asgi_observability.workers.Workers`."""

    def collect(self) -> Iterable[Metric]:
        """The families, with their samples as of now."""


def exposition(source: Collecting, accept: str) -> tuple[bytes, str]:
    """The exposition and its content type: OpenMetrics or Prometheus text, as ``accept`` prefers.

    It takes about 8 ms per thousand lines, so call it in a thread.
    """
    encode, content_type = choose_encoder(accept)
    return encode(cast("CollectorRegistry", source)), content_type


class Told:
    """Snapshots as prometheus-client's families."""

    def __init__(self, families: Iterable[FamilySnapshot]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """The families, with their samples."""
        for told in self._families:
            name = told.name.removesuffix("_total") if told.kind == "counter" else told.name
            family = Metric(name, told.help, told.kind, "")
            for values, row in told.rows.items():
                labels = dict(zip(told.label_names or (), values, strict=True))
                if not isinstance(row, HistogramRow):
                    family.add_sample(told.name, labels, row)
                    continue
                total = 0
                for bound, count in zip((*told.bounds, float("inf")), row.counts, strict=True):
                    total += count
                    le = {"le": floatToGoString(bound)}  # type: ignore[no-untyped-call]
                    family.add_sample(f"{name}_bucket", labels | le, total)
                family.add_sample(f"{name}_count", labels, total)
                family.add_sample(f"{name}_sum", labels, row.sum)
            yield family
