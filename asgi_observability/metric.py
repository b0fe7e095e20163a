"""What a metric is: data, of which instruments, rules, dashboards and documents are made."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

OTHER = "other"
"""What a label value outside its declared set is folded into."""


class Kind(StrEnum):
    """Prometheus metric types in use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Label:
    """A label and the closed set of values it may take.

    ``values`` is None where the set is not known here (route templates, the release's version);
    the instrument that uses such a label bounds it. Wherever a series is made, those with each of
    ``companions`` in this label's place are made at zero: an increase is only seen from a value
    that was there before, and a first failure is one that matters.
    """

    name: str
    values: tuple[str, ...] | None = None
    companions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it is exposed.

    ``name`` carries its unit and, on counters, ``_total``. ``buckets`` are upper bounds in
    ``unit``. ``merge`` says how a gauge of several live workers becomes one number.
    """

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    merge: str = "livesum"

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)

    @property
    def series_names(self) -> tuple[str, ...]:
        """The names under which Prometheus stores this metric."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return (self.name,)

    @property
    def bucket(self) -> str:
        """The histogram's bucket series."""
        return f"{self.name}_bucket"

    @property
    def sum(self) -> str:
        """The histogram's sum series."""
        return f"{self.name}_sum"

    @property
    def count(self) -> str:
        """The histogram's count series."""
        return f"{self.name}_count"

    def label(self, name: str) -> Label:
        """The label called ``name``; KeyError names the metric when it has none."""
        for label in self.labels:
            if label.name == name:
                return label
        raise KeyError(f"{self.name} has no label {name!r}; it has {', '.join(self.label_names)}")


def values_of(members: type[StrEnum]) -> tuple[str, ...]:
    """The label values that an enum stands for."""
    return tuple(member.value for member in members)


def limited_to(metric: Metric, **values: Iterable[str]) -> Metric:
    """``metric`` with other allowed label values, for a service that has its own.

    ``other`` is always among them. KeyError names a label that the metric does not have.
    """
    own = {
        name: replace(metric.label(name), values=(*allowed, OTHER))
        for name, allowed in values.items()
    }
    return replace(metric, labels=tuple(own.get(label.name, label) for label in metric.labels))
