"""Simulated orchestrators: what they expose, made from the catalogue and the measured growth.

Each counter grows by what it grows by with an SMS, times the SMS that came in, with the scatter of
chance; those that only faults count stand still.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.core.catalogue import metrics
from asgi_observability.metric import Kind, Metric
from stack.capacity import series
from stack.capacity.constants import Exposed

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """A series as it is exposed, what it grows by with an SMS, and its value before.

    Its value is the sum of what this line and the ``below`` before it have grown by: a bucket has
    all that is below it, and a histogram's count has all of its buckets.
    """

    name: str
    grows: float
    value: float = 0
    below: int = 0


class Instance:
    """One of them, which gets so many SMS a second."""

    def __init__(self, sms_per_second: float, seed: int) -> None:
        self.lines = [line for metric in metrics() for line in _of(metric)]
        self._sms_per_second = sms_per_second
        self._rng = np.random.default_rng(seed)
        self._grows = np.maximum([line.grows for line in self.lines], 0)
        self._is_whole = np.array([not _name(line).endswith("_sum") for line in self.lines])
        self._values = np.array([line.value for line in self.lines])
        self._first = np.array([at - line.below for at, line in enumerate(self.lines)])
        self._grown: Floats = np.zeros(len(self.lines))

    def after(self, seconds: float) -> Floats:
        """The values, ``seconds`` after they were asked for the last time."""
        expected = self._grows * self._sms_per_second * seconds
        scattered = expected * self._rng.normal(1, 0.1, len(expected))
        self._grown += np.where(self._is_whole, self._rng.poisson(expected), scattered)
        up_to = np.cumsum(self._grown)
        values: Floats = up_to - np.concatenate([[0.0], up_to])[self._first] + self._values
        return values

    def text(self, values: Iterable[float], ending: str = "") -> str:
        """The exposition with these values; ``ending`` follows each of them."""
        pairs = zip(self.lines, values, strict=True)
        return "".join([f"{line.name} {value:.10g}{ending}\n" for line, value in pairs])


def _of(metric: Metric) -> Iterator[Line]:
    for one in series.exposed(metric):
        if metric.kind is Kind.HISTOGRAM:
            yield from _histogram(metric, one)
        else:
            labels = _labelled(metric.label_names, one.labels)
            yield Line(f"{metric.name}{labels}", one.grows[0] if one.grows else 0.0, one.value)


def _histogram(metric: Metric, one: Exposed) -> Iterator[Line]:
    bounds = [*(f"{bound!r}" for bound in metric.buckets), "+Inf"]
    # What only faults have counted has no growth while all is well.
    total, *buckets = one.grows if len(one.grows) > 1 else (0.0,) * (len(bounds) + 1)
    labels = _labelled(metric.label_names, one.labels)
    yield Line(f"{metric.sum}{labels}", total)
    for number, (bound, grows) in enumerate(zip(bounds, buckets, strict=True)):
        labelled = _labelled((*metric.label_names, "le"), (*one.labels, bound))
        yield Line(f"{metric.bucket}{labelled}", grows, below=number)
    yield Line(f"{metric.count}{labels}", 0.0, below=len(bounds))


def _name(line: Line) -> str:
    return line.name.partition("{")[0]


def _labelled(names: Iterable[str], values: Iterable[str]) -> str:
    labels = ",".join(f'{name}="{value}"' for name, value in zip(names, values, strict=True))
    return f"{{{labels}}}" if labels else ""
