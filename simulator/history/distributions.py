"""How values scatter: the share of them in each bucket of a histogram, and their mean there."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import erf, exp, inf, log, sqrt
from typing import Protocol, Self

import numpy as np

from simulator.latency import Latency

_NEXT_TO_NONE = 1e-9


class Distribution(Protocol):
    """Values of one kind. ``slowness`` is how many times as large as usual they are."""

    def shares(self, bounds: Sequence[float], slowness: float = 1) -> list[float]:
        """The share of values in each bucket, that above the last bound included."""

    def means(self, bounds: Sequence[float], slowness: float = 1) -> list[float]:
        """The mean value in each bucket."""


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Most are near the ``median``, in seconds; two thirds lie within ``spread``-fold."""

    median: float
    spread: float = 1.35

    @classmethod
    def of(cls, latency: Latency) -> Self:
        """What a simulated upstream takes."""
        return cls(latency.median, latency.spread)

    @classmethod
    def total(cls, parts: Sequence[Self], more_seconds: float = 0) -> Self:
        """About what several of them take together, and ``more_seconds``."""
        mean = sum(part.mean for part in parts) + more_seconds
        variance = sum(part.mean**2 * (exp(log(part.spread) ** 2) - 1) for part in parts)
        sigma = sqrt(log(1 + variance / mean**2))
        return cls(mean / exp(sigma**2 / 2), exp(sigma))

    @property
    def mean(self) -> float:
        return self.median * exp(log(self.spread) ** 2 / 2)

    def shares(self, bounds: Sequence[float], slowness: float = 1) -> list[float]:
        below = [_normal(self._deviation(bound, slowness)) for bound in bounds]
        return list(np.diff([0.0, *below, 1.0]))

    def means(self, bounds: Sequence[float], slowness: float = 1) -> list[float]:
        sigma = log(self.spread)
        below = [_normal(self._deviation(bound, slowness) - sigma) for bound in bounds]
        parts = self.mean * slowness * np.diff([0.0, *below, 1.0])
        return _means(list(parts), self.shares(bounds, slowness), bounds)

    def _deviation(self, bound: float, slowness: float) -> float:
        return (log(bound) - log(self.median * slowness)) / log(self.spread)


@dataclass(frozen=True, slots=True)
class Even:
    """Evenly within ranges. Each of ``ranges`` has its share, its lowest and highest value."""

    ranges: tuple[tuple[float, float, float], ...]

    def shares(self, bounds: Sequence[float], slowness: float = 1) -> list[float]:
        return [sum(share for share, _ in parts) for parts in self._parts(bounds, slowness)]

    def means(self, bounds: Sequence[float], slowness: float = 1) -> list[float]:
        parts = self._parts(bounds, slowness)
        sums = [sum(share * middle for share, middle in bucket) for bucket in parts]
        return _means(sums, self.shares(bounds, slowness), bounds)

    def _parts(self, bounds: Sequence[float], slowness: float) -> list[list[tuple[float, float]]]:
        """What of each range lies in each bucket: its share and its middle."""
        edges = (0.0, *bounds, inf)
        buckets: list[list[tuple[float, float]]] = []
        for below, bound in pairwise(edges):
            parts = []
            for share, low, high in self.ranges:
                first, last = max(below, low * slowness), min(bound, high * slowness)
                if first < last:
                    within = (last - first) / ((high - low) * slowness)
                    parts.append((share * within, (first + last) / 2))
            buckets.append(parts)
        return buckets


def _means(sums: list[float], shares: list[float], bounds: Sequence[float]) -> list[float]:
    """Sums by shares; a bucket that next to nothing falls into has its middle."""
    middles = [(a + b) / 2 for a, b in zip((0, *bounds), (*bounds, bounds[-1]), strict=True)]
    return [
        total / share if share > _NEXT_TO_NONE else middle
        for total, share, middle in zip(sums, shares, middles, strict=True)
    ]


def _normal(deviation: float) -> float:
    return 0.5 * (1 + erf(deviation / sqrt(2)))
