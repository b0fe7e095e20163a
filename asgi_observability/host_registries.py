"""Registries of the host's, exposed beside the layer's own metrics.

Their collectors are foreign code: one that raises or does not end costs its own families only.
"""

from collections.abc import Callable, Iterable, Iterator
from threading import Event, Thread
from time import monotonic

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client import Metric as ClientMetric
from prometheus_client.core import InfoMetricFamily
from prometheus_client.registry import Collector

from asgi_observability.snapshot import Exemplar, FamilySnapshot, Key

COLLECT_SECONDS = 1.0
"""How long a host's collectors may take until a scrape goes on without the one that is slow."""

RETRY_SECONDS = 60.0
"""How long a slow collector is then left alone."""

# As prometheus-client has it between processes. What it shows for each process apart, its default,
# is added up, and of "most recent" the largest is shown: which is newest is not known here.
_MERGE = {
    "min": "livemin",
    "livemin": "livemin",
    "max": "livemax",
    "livemax": "livemax",
    "mostrecent": "livemax",
    "livemostrecent": "livemax",
}

Failed = Callable[[str, Exception], None]
"""Is told the class of a collector, and what it raised."""

Taken = Callable[[str], None]
"""Is told the name of a family that is left out, because another already has its name."""


class HostRegistries:
    """The families of ``registries``, without those whose names are taken. It must not block."""

    def __init__(
        self, registries: Iterable[CollectorRegistry], failed: Failed, taken: Taken
    ) -> None:
        self._registries = list(registries)
        self._failed = failed
        self._taken = taken
        self._resting: dict[Collector, float] = {}

    def include(self, registry: CollectorRegistry) -> None:
        """Expose this one too; a registry that is included already is not included twice."""
        if not any(registry is known for known in self._registries):
            self._registries.append(registry)

    def families(self, own: Iterable[FamilySnapshot]) -> list[FamilySnapshot]:
        """What the host's collectors give, as far as ``own`` has no series of these names."""
        if not self._registries:
            return []
        taken = {name for family in own for name in _names(family)}
        found: list[FamilySnapshot] = []
        for family in self._collected():
            names = _names(family)
            if names & taken:
                self._taken(family.name)
            else:
                taken |= names
                found.append(family)
        return found

    def _collected(self) -> Iterator[FamilySnapshot]:
        now = monotonic()
        waiting: list[Collector] = []
        for registry in self._registries:
            for collector in _collectors(registry):
                if self._resting.get(collector, now) > now:
                    self._failed(type(collector).__name__, TimeoutError("it was slow before"))
                else:
                    waiting.append(collector)
        while waiting:
            turn = _Turn(waiting, self._failed)
            slow = turn.run()
            yield from turn.found
            if slow is None:
                return
            self._resting[slow] = monotonic() + RETRY_SECONDS
            self._failed(type(slow).__name__, TimeoutError(f"more than {COLLECT_SECONDS} s"))
            waiting = waiting[waiting.index(slow) + 1 :]


class _Turn:
    """Collectors asked one after the other, in a thread that nobody has to wait for."""

    def __init__(self, collectors: list[Collector], failed: Failed) -> None:
        self._collectors = collectors
        self._failed = failed
        self._asked: Collector | None = None
        self._is_over = Event()
        self._is_left = False
        self.found: list[FamilySnapshot] = []

    def run(self) -> Collector | None:
        """Ask them; gives the one that was still asked when the time was up."""
        thread = Thread(target=self._ask, name="metrics of the host", daemon=True)
        thread.start()
        if self._is_over.wait(COLLECT_SECONDS):
            return None
        self._is_left = True
        # It may have come to its end just now.
        return self._asked

    def _ask(self) -> None:
        try:
            for collector in self._collectors:
                self._asked = collector
                families = self._families(collector)
                if self._is_left:
                    return
                self.found.extend(families)
            self._asked = None
        finally:
            self._is_over.set()

    def _families(self, collector: Collector) -> list[FamilySnapshot]:
        try:
            merge = _merge_of(collector)
            return [host_family(metric, merge) for metric in collector.collect()]
        except Exception as error:
            if not self._is_left:
                self._failed(type(collector).__name__, error)
            return []


def _collectors(registry: CollectorRegistry) -> list[Collector]:
    """A registry's collectors, to ask each of them apart; else it as the only one."""
    known = getattr(registry, "_collector_to_names", None)
    if not isinstance(known, dict):
        return [registry]
    about = registry.get_target_info()
    return [*known.copy(), *([_TargetInfo(about)] if about else [])]


class _TargetInfo(Collector):
    """What a registry says of its process, besides its collectors."""

    def __init__(self, labels: dict[str, str]) -> None:
        self._labels = labels

    def collect(self) -> Iterator[ClientMetric]:
        yield InfoMetricFamily("target", "Target metadata", self._labels)


def _merge_of(collector: Collector) -> str:
    mode = getattr(collector, "_multiprocess_mode", "") if isinstance(collector, Gauge) else ""
    return _MERGE.get(mode, "livesum")


def host_family(metric: ClientMetric, merge: str = "livesum") -> FamilySnapshot:
    """A family of prometheus-client as data; native histograms are left out."""
    name = f"{metric.name}_total" if metric.type == "counter" else metric.name
    family = FamilySnapshot(
        name, metric.type, metric.documentation, metric.unit, label_names=None, merge=merge
    )
    for sample in metric.samples:
        if sample.value is None:
            continue
        pairs = [str(text) for pair in sample.labels.items() for text in pair]
        key: Key = (sample.name, *pairs)
        family.rows[key] = float(sample.value)
        if sample.timestamp is not None:
            family.timestamps[key] = float(sample.timestamp)
        if sample.exemplar:
            labels, value, at = sample.exemplar
            family.exemplars[key] = Exemplar(dict(labels), float(value), float(at or 0))
    return family


def _names(family: FamilySnapshot) -> set[str]:
    """The names that its series have."""
    if family.is_foreign:
        return {family.name, *(key[0] for key in family.rows)}
    names = {family.name}
    if family.kind == "histogram":
        names |= {f"{family.name}_{part}" for part in ("bucket", "count", "sum")}
    return names
