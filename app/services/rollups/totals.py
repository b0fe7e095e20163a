"""Totals: what was counted in a range of time, over all writers."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.services.rollups.sketch import key_of, quantile
from asgi_observability.metric import OTHER, Metric


def _no_bins() -> NDArray[np.int64]:
    return np.array([], np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Total:
    """One series, or several added up, in the metric's unit.

    Of a gauge, ``count`` is the seconds it was sampled for and ``mean`` its mean over time.
    """

    count: int = 0
    sum: float = 0.0
    minimum: float | None = None
    maximum: float | None = None
    keys: NDArray[np.int64] = field(default_factory=_no_bins)
    bin_counts: NDArray[np.int64] = field(default_factory=_no_bins)

    @property
    def mean(self) -> float | None:
        """The mean value; None when there is nothing."""
        return self.sum / self.count if self.count else None

    def quantile(self, q: float) -> float | None:
        """The value at ``q`` (0 to 1) within 1 %; None when there is nothing or no sketch."""
        if not len(self.keys):
            return None
        # The sketch knows no more than the bin, the extremes are known exactly.
        value = quantile(self.keys, self.bin_counts, q)
        if self.minimum is None or self.maximum is None:
            return value
        return min(max(value, self.minimum), self.maximum)

    def above(self, limit: float) -> int:
        """How many values were above ``limit``, as exactly as the sketch knows them: within 1 %."""
        if self.maximum is None or self.maximum <= limit:
            return 0
        return int(self.bin_counts[self.keys > key_of(limit)].sum())


def added_up(totals: Iterable[Total]) -> Total:
    """The sum of totals; an empty total of none."""
    parts = [total for total in totals if total.count]
    if len(parts) <= 1:
        return parts[0] if parts else Total()
    keys, inverse = np.unique(np.concatenate([part.keys for part in parts]), return_inverse=True)
    counts = np.bincount(inverse, np.concatenate([part.bin_counts for part in parts]), len(keys))
    return Total(
        sum(part.count for part in parts),
        sum(part.sum for part in parts),
        minimum=min(part.minimum for part in parts if part.minimum is not None),
        maximum=max(part.maximum for part in parts if part.maximum is not None),
        keys=keys,
        bin_counts=counts.astype(np.int64),
    )


class Totals:
    """The totals of a range, by series.

    ``complete`` is False where not all is known: the store did not answer, what was counted has
    expired, nobody counted then, or the clock was set back and passed an edge of the range twice.

    ``counted_seconds`` is for how long there was counting in the range, and ``coverage`` its share
    of the range up to now: below 1 where nobody counted in between, above it where the clock passed
    some of it twice. None is what isn't known.
    """

    __slots__ = ("_by_metric", "complete", "counted_seconds", "coverage")

    def __init__(self, complete: bool = True) -> None:
        self.complete = complete
        self.counted_seconds: float | None = None
        self.coverage: float | None = None
        self._by_metric: dict[str, list[tuple[Mapping[str, str], Total]]] = {}

    def put(self, metric: str, labels: Mapping[str, str], total: Total) -> None:
        """Add one series."""
        self._by_metric.setdefault(metric, []).append((labels, total))

    def add(self, other: "Totals") -> None:
        """Add what other stores have counted in the same range; a series of both is one."""
        self.complete = self.complete and other.complete
        for metric, found in other._by_metric.items():
            own = {
                tuple(sorted(labels.items())): total
                for labels, total in self._by_metric.get(metric, ())
            }
            for labels, total in found:
                key = tuple(sorted(labels.items()))
                own[key] = added_up((own[key], total)) if key in own else total
            self._by_metric[metric] = [(dict(key), total) for key, total in own.items()]

    @property
    def hold_anything(self) -> bool:
        """Whether anything was counted."""
        return any(total.count for found in self._by_metric.values() for _, total in found)

    def of(self, metric: Metric, **labels: str) -> Total:
        """All series of ``metric`` with these label values, added up; empty when there is none.

        ``5*`` stands for any value that begins with 5.
        """
        return added_up(total for _, total in self.matching(metric, labels))

    def by(self, metric: Metric, label: str, **labels: str) -> dict[str, Total]:
        """The same for each value of ``label``."""
        parts: dict[str, list[Total]] = {}
        for found, total in self.matching(metric, labels):
            parts.setdefault(found.get(label, OTHER), []).append(total)
        return {value: added_up(totals) for value, totals in parts.items()}

    def series(self, metric: Metric) -> Iterator[tuple[Mapping[str, str], Total]]:
        """Every series of ``metric`` with its labels."""
        yield from self._by_metric.get(metric.name, ())

    def matching(
        self, metric: Metric, labels: Mapping[str, str]
    ) -> Iterator[tuple[Mapping[str, str], Total]]:
        """The series of ``metric`` whose labels have these values."""
        for found, total in self.series(metric):
            if all(_is(found.get(name, ""), value) for name, value in labels.items()):
                yield found, total


def _is(found: str, wanted: str) -> bool:
    return found.startswith(wanted[:-1]) if wanted.endswith("*") else found == wanted
