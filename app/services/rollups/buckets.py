"""What one writer has counted in one bucket, in memory and as a row of arrays."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from app.services.rollups.sketch import binned
from app.services.rollups.tables import ARRAYS, KIND_OF, RowKind
from asgi_observability.metric import Kind
from asgi_observability.recorder import Batch, Series


@dataclass(slots=True)
class Cell:
    """One series in one bucket; ``bins`` is filled for histograms."""

    count: int = 0
    sum: float = 0.0
    minimum: float = float("inf")
    maximum: float = float("-inf")
    bins: Counter[int] = field(default_factory=Counter)

    def add(self, other: "Cell") -> None:
        """Add what ``other`` has counted."""
        self.count += other.count
        self.sum += other.sum
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        self.bins.update(other.bins)


Arrays = dict[str, bytes]
"""A row's columns that are arrays, as they are stored."""


class Bucket:
    """Every series of one writer in one bucket."""

    __slots__ = ("cells",)

    def __init__(self) -> None:
        self.cells: dict[Series, Cell] = {}

    def collect(self, batches: Iterable[Batch]) -> None:
        """Add what was noted."""
        for series, values in batches:
            if not values:  # None of them was a finite number.
                continue
            cell = self.cells.get(series)
            if cell is None:
                cell = self.cells[series] = Cell()
            cell.count += len(values)
            cell.sum += sum(values)
            cell.minimum = min(cell.minimum, *values)
            cell.maximum = max(cell.maximum, *values)
            if series.metric.kind is Kind.HISTOGRAM:
                cell.bins.update(binned(values))

    def add(self, other: "Bucket") -> None:
        """Add a shorter bucket that lies in this one."""
        for series, cell in other.cells.items():
            self.cells.setdefault(series, Cell()).add(cell)

    @property
    def events(self) -> int:
        """Notes in this bucket, samples of gauges left out: they are no events."""
        return sum(
            cell.count
            for series, cell in self.cells.items()
            if series.metric.kind is not Kind.GAUGE
        )

    def snapshots(self) -> Iterator["Snapshot"]:
        """What is in it now, by kind; what is counted later is in none of them."""
        by_kind: dict[RowKind, dict[str, Cell]] = {}
        for series, cell in self.cells.items():
            by_kind.setdefault(KIND_OF[series.metric.kind], {})[series.name] = cell
        for kind, cells in by_kind.items():
            yield Snapshot(kind, tuple(cells), packed([*cells.values()]))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The series of one kind in a bucket at one moment; names, because numbers need the store."""

    kind: RowKind
    names: tuple[str, ...]
    arrays: Arrays

    def row(self, ids: Mapping[str, int]) -> Arrays:
        """All arrays of the row; ``ids`` numbers the series by name."""
        return self.arrays | numbers([ids[name] for name in self.names])


def numbers(ids: Sequence[int]) -> Arrays:
    """The array that says which series a row holds."""
    return {"series": np.array(ids, ARRAYS["series"]).tobytes()}


def packed(cells: Sequence[Cell]) -> Arrays:
    """The arrays of a row that holds these series, but for their numbers."""
    columns: dict[str, list[int] | list[float]] = {
        "counts": [cell.count for cell in cells],
        "sums": [cell.sum for cell in cells],
        "minimums": [cell.minimum for cell in cells],
        "maximums": [cell.maximum for cell in cells],
        "bin_places": [place for place, cell in enumerate(cells) for _ in cell.bins],
        "bin_keys": [key for cell in cells for key in cell.bins],
        "bin_counts": [count for cell in cells for count in cell.bins.values()],
    }
    return {name: np.array(values, ARRAYS[name]).tobytes() for name, values in columns.items()}


def unpacked(arrays: Mapping[str, bytes]) -> Iterator[tuple[int, Cell]]:
    """The series of a row by their numbers."""
    columns = {name: np.frombuffer(arrays[name], dtype).tolist() for name, dtype in ARRAYS.items()}
    bins: list[Counter[int]] = [Counter() for _ in columns["series"]]
    for place, key, count in zip(
        columns["bin_places"], columns["bin_keys"], columns["bin_counts"], strict=True
    ):
        bins[place][key] = count
    for number, count, total, minimum, maximum, its_bins in zip(
        *(columns[name] for name in ("series", "counts", "sums", "minimums", "maximums")),
        bins,
        strict=True,
    ):
        yield number, Cell(count, total, minimum, maximum, its_bins)
