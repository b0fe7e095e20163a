"""How values scatter: what share of them is in each bucket of a histogram, and their mean."""

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

    def shares(self, bounds: Sequence[float], factor: float = 1) -> NDArray[np.float64]:
        """The share in each bucket, and above, of values that are ``factor`` times as high."""
        buckets = np.searchsorted(bounds, self._values * factor)
        return np.bincount(buckets, minlength=len(bounds) + 1) / _DRAWS
