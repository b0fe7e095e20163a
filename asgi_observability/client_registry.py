"""The instruments as prometheus-client sees them, for a host that exposes its own registry."""

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from math import inf

from prometheus_client import CollectorRegistry
from prometheus_client import Metric as ClientMetric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as ClientExemplar

from asgi_observability.rendering import bound_text
from asgi_observability.snapshot import FamilySnapshot, HistogramRow


class InstrumentsCollector(Collector):
    """Gives what ``snapshot`` gives, as a collector of prometheus-client does."""

    def __init__(self, snapshot: Callable[[], Iterable[FamilySnapshot]]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[ClientMetric]:
        """The families with their samples as of now."""
        return map(client_metric, self._snapshot())


def registry_of(snapshot: Callable[[], Iterable[FamilySnapshot]]) -> CollectorRegistry:
    """A registry that holds nothing else."""
    registry = CollectorRegistry()
    registry.register(InstrumentsCollector(snapshot))
    return registry


def client_metric(family: FamilySnapshot) -> ClientMetric:
    """One of the layer's own families, as prometheus-client has it."""
    kind, names = family.kind, family.label_names or ()
    name = family.name.removesuffix("_total") if kind == "counter" else family.name
    metric = ClientMetric(name, family.help, kind)
    bounds = [bound_text(bound) for bound in (*family.bounds, inf)]
    for values, row in family.rows.items():
        labels = dict(zip(names, values, strict=True))
        if not isinstance(row, HistogramRow):
            metric.add_sample(family.name, labels, row)
            continue
        exemplar = row.exemplar and ClientExemplar(*row.exemplar)
        cumulative = [float(count) for count in accumulate(row.counts)]
        for bound, upper, count in zip(bounds, (*family.bounds, inf), cumulative, strict=True):
            shown = exemplar if exemplar and exemplar.value <= upper else None
            exemplar = None if shown else exemplar
            bucket = labels | {"le": bound}
            metric.add_sample(f"{name}_bucket", bucket, count, exemplar=shown)
        metric.add_sample(f"{name}_count", labels, cumulative[-1])
        metric.add_sample(f"{name}_sum", labels, row.sum)
    return metric
