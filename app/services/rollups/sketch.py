"""The quantile sketch: DDSketch's logarithmic bins, as arrays that add up.

Quantiles are within 1 % of an observed value, whatever was merged on the way. The mapping between
values and bins is the ddsketch library's; merging is the addition of bin counts, which numpy does
for thousands of rows at once.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from ddsketch.mapping import LogarithmicMapping
from numpy.typing import NDArray

RELATIVE_ACCURACY = 0.01

ZERO_KEY = -(2**15)
"""The bin of zero and of anything below the smallest duration there is."""

_SMALLEST = 1e-9
_MAPPING = LogarithmicMapping(RELATIVE_ACCURACY)
_LOWEST_KEY, _HIGHEST_KEY = ZERO_KEY + 1, 2**15 - 1


def binned(values: Iterable[float]) -> Counter[int]:
    """How many of ``values`` fall into each bin."""
    return Counter(map(key_of, values))


def key_of(value: float) -> int:
    """The bin that a value falls into."""
    if value < _SMALLEST:
        return ZERO_KEY
    return max(_LOWEST_KEY, min(_MAPPING.key(value), _HIGHEST_KEY))


def quantile(keys: NDArray[np.int64], counts: NDArray[np.int64], q: float) -> float:
    """The value at ``q`` (0 to 1) of sorted bins: of the observation with rank q * (n - 1)."""
    rank = q * (counts.sum() - 1)
    position = int(np.searchsorted(np.cumsum(counts), math.floor(rank), side="right"))
    key = int(keys[position])
    return 0.0 if key == ZERO_KEY else float(_MAPPING.value(key))


def sorted_bins(bins: Mapping[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Bins as the arrays that `quantile` takes."""
    keys = sorted(bins)
    return np.array(keys, np.int64), np.array([bins[key] for key in keys], np.int64)
