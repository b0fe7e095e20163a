"""How long the upstreams take when nothing is wrong."""

from dataclasses import dataclass
from math import log
from random import Random

# Draws beyond this multiple of the median are cut off: an SMS is to stay within its promise of
# 2 s as long as no fault is on.
TAIL = 2.6


@dataclass(frozen=True, slots=True)
class Latency:
    """A log-normal latency. ``median`` is in seconds; about two thirds lie within ``spread``-fold.

    No draw is above TAIL medians.
    """

    median: float
    spread: float = 1.35

    def draw(self, rng: Random) -> float:
        """One latency in seconds."""
        return min(rng.lognormvariate(log(self.median), log(self.spread)), self.median * TAIL)
