"""How values scatter over the buckets of a histogram."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Self

import numpy as np
from numpy.typing import NDArray

from simulator.latency import Latency

_DRAWS = 5_000
"""So many that a share is right within 1 %."""


class Scatter:
    """Values as ``draw`` gives them."""

    def __init__(self, draw: Callable[[Random], float]) -> None:
        rng = Random(0)
        self._values = np.array([draw(rng) for _ in range(_DRAWS)])
        self.mean = float(self._values.mean())

    @classmethod
    def of_calls(cls, *latencies: Latency, own_seconds: float = 0) -> Self:
        """What several calls take together, and the caller's ``own_seconds``."""
        return cls(lambda rng: sum(each.draw(rng) for each in latencies) + own_seconds)

    def buckets(self, bounds: Sequence[float], factor: float = 1) -> NDArray[np.float64]:
        """Each bucket's share of values ``factor`` times as high, and their mean; 0 for none."""
        values = self._values * factor
        places = np.searchsorted(bounds, values)
        counts, sums = (np.bincount(places, of, len(bounds) + 1) for of in (None, values))
        return np.array([counts / _DRAWS, sums / np.maximum(counts, 1)])
