"""What is counted and measured, step by step, before it becomes series."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alerts.scenarios.conditions import Labels, labelled
from asgi_observability.metric import Kind, Metric

Floats = NDArray[np.float64]


class Raw(NamedTuple):
    """One series of an instance: what it grows by in each step, or its values if it is a gauge."""

    name: str
    labels: Labels
    instance: int
    values: Floats
    grows: bool
    begins: bool = False
    """Whether it has no sample before it first grows."""


class Counted:
    """Counters, histograms and gauges of the instances of one world."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._grown: dict[tuple[str, Labels, int], Floats] = {}
        self._gauges: dict[tuple[str, Labels, int], Floats] = {}
        self._unseen: set[tuple[str, Labels, int]] = set()

    def count(self, metric: Metric, instance: int, amount: Floats | float, **labels: str) -> None:
        """``amount`` more in each step; 0 makes it exposed at zero."""
        if metric.kind is not Kind.COUNTER:
            raise ValueError(f"{metric.name} is a {metric.kind}")
        self._add(metric.name, labelled(labels), instance, amount)

    def observe(
        self,
        metric: Metric,
        instance: int,
        amount: Floats | float,
        value: Floats | float,
        **labels: str,
    ) -> None:
        """``amount`` observations of ``value`` in each step."""
        of, values = labelled(labels), np.asarray(value, dtype=np.float64)
        for bound in metric.buckets:
            bounded = of | {("le", str(float(bound)))}
            within = amount * (values <= bound)
            self._add(metric.bucket, bounded, instance, within)
        self._add(metric.bucket, of | {("le", "+Inf")}, instance, amount)
        self._add(metric.count, of, instance, amount)
        self._add(metric.sum, of, instance, amount * values)

    def unseen(self, metric: Metric, instance: int, **labels: str) -> None:
        """Nobody has seen these labels before they are counted, so there is no series yet."""
        for name in metric.series_names:
            for key in self._grown:
                if (key[0], key[2]) == (name, instance) and labelled(labels) <= key[1]:
                    self._unseen.add(key)

    def gauge(self, metric: Metric, instance: int, value: Floats | float, **labels: str) -> None:
        """``value`` in each step."""
        key = (metric.name, labelled(labels), instance)
        self._gauges[key] = np.broadcast_to(np.asarray(value, dtype=float), self._steps).copy()

    def override(self, metric: Metric, labels: Labels, instance: int, value: Floats) -> None:
        """A gauge is ``value`` where that is a number, and what it was elsewhere, or 0."""
        key = (metric.name, labels, instance)
        before = self._gauges.get(key, np.zeros(self._steps))
        self._gauges[key] = np.where(np.isnan(value), before, value)

    def all(self) -> Iterator[Raw]:
        """Everything."""
        for (name, labels, instance), values in self._grown.items():
            is_new = (name, labels, instance) in self._unseen
            yield Raw(name, labels, instance, values, grows=True, begins=is_new)
        for (name, labels, instance), values in self._gauges.items():
            yield Raw(name, labels, instance, values, grows=False)

    def _add(self, name: str, labels: Labels, instance: int, amount: NDArray[Any] | float) -> None:
        key = (name, labels, instance)
        if key not in self._grown:
            self._grown[key] = np.zeros(self._steps)
        self._grown[key] += amount


def whole(amounts: Floats, phase: float = 0.5) -> Floats:
    """Whole numbers for each step that add up to ``amounts`` over time, each at most one off."""
    total = np.floor(np.cumsum(amounts) + phase + 1e-9)
    return np.diff(total, prepend=np.floor(phase + 1e-9))


def part(of: Floats, share: Floats | float) -> Floats:
    """The whole number of ``of`` in each step that is such a share over time."""
    return np.minimum(whole(of * share), of) if np.max(share, initial=0) <= 1 else whole(of * share)
