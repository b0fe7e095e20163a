"""How durations scatter: the share of them in each bucket of a histogram, and their mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erf, exp, log, sqrt
from typing import Self

import numpy as np
from numpy.typing import NDArray

from simulator.latency import Latency


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Most are near the ``median``, in seconds; two thirds lie within ``spread``-fold."""

    median: float
    spread: float = 1.35

    @classmethod
    def total(cls, latencies: Sequence[Latency], more_seconds: float = 0) -> Self:
        """About what several calls take together, and ``more_seconds``."""
        parts = [cls(latency.median, latency.spread) for latency in latencies]
        mean = sum(part.mean for part in parts) + more_seconds
        variance = sum(part.mean**2 * (exp(log(part.spread) ** 2) - 1) for part in parts)
        sigma = sqrt(log(1 + variance / mean**2))
        return cls(mean / exp(sigma**2 / 2), exp(sigma))

    @property
    def mean(self) -> float:
        return self.median * exp(log(self.spread) ** 2 / 2)

    def shares(self, bounds: Sequence[float], slowness: float = 1) -> NDArray[np.float64]:
        """The share in each bucket, and above, when all take ``slowness`` times as long."""
        middle, width = log(self.median * slowness), log(self.spread) * sqrt(2)
        below = [0.5 * (1 + erf((log(bound) - middle) / width)) for bound in bounds]
        return np.diff([0.0, *below, 1.0])
