"""Metrics that a host declares by name: what is wrong with one is said at once."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from asgi_observability.metric import OTHER, Kind, Label, Metric

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_UNITS = ("seconds", "bytes", "ratio", "meters", "grams", "joules", "volts", "amperes", "celsius")
_RESERVED_LABELS = {Kind.HISTOGRAM: ("le",)}


def declared(
    name: str,
    kind: Kind,
    text: str,
    labels: Mapping[str, Iterable[str] | None],
    buckets: Sequence[float] = (),
) -> Metric:
    """The metric. ValueError names what can't be so, and what it could be."""
    return Metric(
        _checked_name(name, kind),
        kind,
        next((unit for unit in _UNITS if name.removesuffix("_total").endswith(f"_{unit}")), ""),
        text,
        tuple(_label(name, kind, *label) for label in labels.items()),
        _checked_buckets(name, buckets) if kind is Kind.HISTOGRAM else (),
    )


def of_same_shape(metric: Metric, known: Metric) -> None:
    """Raises ValueError where ``known``, declared under the same name, is something else."""
    asked, there = _shape(metric), _shape(known)
    if asked != there:
        raise ValueError(f"{metric.name} is declared as {there} already, not as {asked}")


def beside(metric: Metric, others: Iterable[Metric]) -> None:
    """Raises ValueError where one of ``others`` has a series of a name that ``metric`` needs."""
    needed = _names(metric)
    for other in others:
        both = needed & _names(other)
        if both and other.name != metric.name:
            raise ValueError(
                f"{metric.name}: {min(both)} belongs to {other.name} already; choose another name"
            )


def _names(metric: Metric) -> set[str]:
    # OpenMetrics calls a counter's family by its name without _total.
    return {metric.name, metric.name.removesuffix("_total"), *metric.series_names}


def _shape(metric: Metric) -> str:
    labels = "; ".join(sorted(_said(label) for label in metric.labels)) or "none"
    buckets = f" and buckets {list(metric.buckets)}" if metric.buckets else ""
    return f"{metric.kind.value} with labels {labels}{buckets}"


def _said(label: Label) -> str:
    return label.name if label.values is None else f"{label.name} ({', '.join(label.values)})"


def _checked_name(name: str, kind: Kind) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no metric's name: letters, digits and _ make one")
    if kind is Kind.COUNTER and not name.endswith("_total"):
        raise ValueError(f"a counter's name ends in _total: call it {name}_total")
    if kind is not Kind.COUNTER and name.endswith("_total"):
        right = name.removesuffix("_total")
        raise ValueError(f"only a counter's name ends in _total: call the {kind.value} {right}")
    return name


def _label(metric: str, kind: Kind, name: str, values: Iterable[str] | None) -> Label:
    if not _NAME.fullmatch(name) or name.startswith("__"):
        raise ValueError(f"{metric}: {name!r} is no label's name: letters, digits and _ make one")
    if name in _RESERVED_LABELS.get(kind, ()):
        raise ValueError(f"{metric}: the label {name!r} belongs to Prometheus; choose another")
    if values is None:
        return Label(name)
    if isinstance(values, str):
        raise ValueError(f"{metric}: {name}={values!r} is one text; give a list, or None for any")
    known = tuple(dict.fromkeys(str(value) for value in values))
    if not known:
        raise ValueError(f"{metric}: {name} may have no value; give some, or None for any")
    return Label(name, known if OTHER in known else (*known, OTHER))


def _checked_buckets(metric: str, buckets: Sequence[float]) -> tuple[float, ...]:
    bounds = tuple(float(bound) for bound in buckets if bound != math.inf)
    if not bounds or any(a >= b for a, b in pairwise(bounds)):
        raise ValueError(f"{metric}: buckets are upper bounds, each above the one before")
    if not all(math.isfinite(bound) for bound in bounds):
        raise ValueError(f"{metric}: buckets are numbers")
    if bounds[0] < 0:
        raise ValueError(f"{metric}: buckets are not negative: the sum may never fall")
    return bounds
