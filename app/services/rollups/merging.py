"""Rows of arrays added up: every range at once, with numpy, whatever the number of rows."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.services.rollups.buckets import Arrays
from app.services.rollups.coverage import Segment
from app.services.rollups.tables import ARRAYS, KIND_OF, MINUTE, RowKind
from app.services.rollups.totals import Total, Totals
from asgi_observability.metric import Kind, Metric

DENSE_LIMIT = 4_000_000
"""Sketch bins added up in one flat array; beyond it they are sorted instead."""

_TYPICAL_WIDTH = 1500
"""Bins between the shortest and the longest of all durations, at 1 %: 10 µs to a day."""

_KEY_BITS, _KEY_OFFSET = 16, 2**15
"""What makes one number of a place and a bin."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Row:
    """A stored row: its place in time, and its arrays as bytes."""

    resolution: int
    kind: str
    bucket_start: int
    arrays: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The series to add up: their metric and labels by number."""

    by_number: Mapping[int, tuple[Metric, Mapping[str, str]]]

    def of(self, kind: RowKind) -> "Wanted":
        """Those that rows of this kind hold."""
        return Wanted(
            {
                number: (metric, labels)
                for number, (metric, labels) in self.by_number.items()
                if KIND_OF[metric.kind] is kind
            }
        )

    def places(self) -> Ints:
        """For each number its place among the wanted, or -1."""
        table = np.full(max(self.by_number, default=0) + 1, -1, np.int64)
        table[list(self.by_number)] = np.arange(len(self.by_number))
        return table


def as_one_row(
    rows: Sequence[Mapping[str, bytes]], resolution: int, summed: Collection[int] = ()
) -> Arrays:
    """The rows of all writers in one bucket as one row; reading it gives what reading them does.

    ``summed`` are the numbers of gauges that are summed over workers, see `_over_writers`.
    """
    columns = {
        name: np.frombuffer(b"".join([row[name] for row in rows]), dtype)
        for name, dtype in ARRAYS.items()
    }
    lengths = np.array([len(row["series"]) // 4 for row in rows], np.int64)
    bin_lengths = np.array([len(row["bin_places"]) // 4 for row in rows], np.int64)
    series, place = np.unique(columns["series"], return_inverse=True)
    size = len(series)
    counts: Floats | Ints = np.bincount(place, columns["counts"], size)
    maximums = np.full(size, -np.inf)
    np.maximum.at(maximums, place, columns["maximums"])
    minimums = np.full(size, np.inf)
    np.minimum.at(minimums, place, columns["minimums"])
    is_summed = np.isin(series, [*summed])
    if is_summed.any():
        longest = np.zeros(size)
        np.maximum.at(longest, place, columns["counts"])
        counts = np.where(is_summed, _sampled(longest, counts, resolution), counts)
        largest_sum = np.bincount(place, columns["maximums"], size)
        maximums = np.where(is_summed, largest_sum, maximums)

    first = np.cumsum(lengths) - lengths
    of_bin = place[np.repeat(first, bin_lengths) + columns["bin_places"]]
    keys = columns["bin_keys"].astype(np.int64) + _KEY_OFFSET
    codes, code = np.unique((of_bin << _KEY_BITS) + keys, return_inverse=True)
    arrays: dict[str, NDArray[Any]] = {
        "series": series,
        "counts": counts,
        "sums": np.bincount(place, columns["sums"], size),
        "minimums": minimums,
        "maximums": maximums,
        "bin_places": codes >> _KEY_BITS,
        "bin_keys": (codes & ((1 << _KEY_BITS) - 1)) - _KEY_OFFSET,
        "bin_counts": np.bincount(code, columns["bin_counts"], len(codes)),
    }
    return {name: arrays[name].astype(dtype).tobytes() for name, dtype in ARRAYS.items()}


def merged(
    rows: Sequence[Row],
    asked: Mapping[RowKind, Sequence[Sequence[Segment]]],
    wanted: Wanted,
) -> list[Totals]:
    """The totals of each range; ``asked`` holds the segments of each, by kind."""
    answers: list[Totals] = []
    for kind, ranges in asked.items():
        answers = answers or [Totals() for _ in ranges]
        of_kind = [row for row in rows if row.kind == kind]
        positions = _positions(of_kind, ranges)
        its = wanted.of(kind)
        # As many ranges at once as leave the sketches' bins in one flat array.
        at_once = max(1, DENSE_LIMIT // (max(1, len(its.by_number)) * _TYPICAL_WIDTH))
        for first in range(0, len(ranges), at_once):
            some = slice(first, first + at_once)
            if any(positions[some]) and its.by_number:
                _merge_kind(of_kind, positions[some], its, kind, answers[some])
    return answers


def _merge_kind(
    rows: Sequence[Row],
    of_range: Sequence[Sequence[int]],
    wanted: Wanted,
    kind: RowKind,
    answers: list[Totals],
) -> None:
    used = [rows[p] for positions in of_range for p in positions]
    group = np.repeat(np.arange(len(of_range)), [len(positions) for positions in of_range])
    columns = {
        name: np.frombuffer(b"".join([row.arrays[name] for row in used]), dtype)
        for name, dtype in ARRAYS.items()
    }
    lengths = np.array([len(row.arrays["series"]) // 4 for row in used])
    bin_lengths = np.array([len(row.arrays["bin_places"]) // 4 for row in used])
    row_of = np.repeat(np.arange(len(used)), lengths)
    size = len(wanted.by_number)

    table = wanted.places()
    numbers = np.minimum(columns["series"], len(table) - 1)
    place = np.where(columns["series"] < len(table), table[numbers], -1)
    known = place >= 0
    cell = group[row_of] * size + place

    cells = len(of_range) * size
    where = cell[known]
    counts = np.bincount(where, columns["counts"][known], cells).astype(np.int64)
    sums = np.bincount(where, columns["sums"][known], cells)
    minimums = np.full(cells, np.inf)
    np.minimum.at(minimums, where, columns["minimums"][known])
    maximums = np.full(cells, -np.inf)
    np.maximum.at(maximums, where, columns["maximums"][known])
    if kind is RowKind.SAMPLES:
        _over_writers(
            used,
            row_of[known],
            where=where,
            columns=columns,
            known=known,
            wanted=wanted,
            counts=counts,
            maximums=maximums,
        )
    bins = _bins(columns, lengths, bin_lengths=bin_lengths, place=place, cell=cell, cells=cells)

    series = list(wanted.by_number.values())
    for index in np.flatnonzero(counts):
        metric, labels = series[index % size]
        keys, bin_counts = bins(int(index)) if metric.kind is Kind.HISTOGRAM else (None, None)
        total = Total(
            int(counts[index]),
            float(sums[index]),
            float(minimums[index]),
            float(maximums[index]),
            *(() if keys is None or bin_counts is None else (keys, bin_counts)),
        )
        answers[index // size].put(metric.name, labels, total)


def _over_writers(
    used: Sequence[Row],
    row_of: Ints,
    where: Ints,
    columns: Mapping[str, NDArray[Any]],
    known: NDArray[np.bool_],
    wanted: Wanted,
    counts: Ints,
    maximums: NDArray[np.float64],
) -> None:
    """Gauges that are summed over workers: the seconds they were sampled, and the largest sum.

    Within a minute writers sample side by side: it is as long as that of the longest. In longer
    buckets they also follow one another, when workers are restarted: there it is as long as all
    of them, up to the bucket. The largest sum is an upper bound there.
    """
    starts = np.array([(row.bucket_start << 20) + row.resolution for row in used])
    buckets, bucket_of = np.unique(starts, return_inverse=True)
    resolutions = buckets & ((1 << 20) - 1)
    cells = len(counts)
    code = bucket_of[row_of] * cells + where
    unique, inverse = np.unique(code, return_inverse=True)
    longest = np.zeros(len(unique))
    np.maximum.at(longest, inverse, columns["counts"][known])
    together = np.bincount(inverse, columns["counts"][known])
    lengths = resolutions[unique // cells]
    sampled = _sampled(longest, together, lengths)
    largest_sum = np.bincount(inverse, columns["maximums"][known])
    size = len(wanted.by_number)
    summed = np.array([metric.merge == "livesum" for metric, _ in wanted.by_number.values()])
    is_summed = summed[(unique % cells) % size]
    for cell in np.unique(where[summed[where % size]]):
        counts[cell] = 0
        maximums[cell] = -np.inf
    at = (unique % cells)[is_summed]
    np.add.at(counts, at, sampled[is_summed].astype(np.int64))
    np.maximum.at(maximums, at, largest_sum[is_summed])


def _sampled(longest: Floats, together: Floats | Ints, lengths: Ints | int) -> Floats:
    """For how long gauges were sampled, in buckets of ``lengths`` seconds."""
    followed = np.maximum(longest, np.minimum(together, lengths))
    return np.where(np.equal(lengths, MINUTE), longest, followed)


def _bins(
    columns: Mapping[str, NDArray[Any]],
    lengths: Ints,
    bin_lengths: Ints,
    place: Ints,
    cell: Ints,
    cells: int,
) -> Callable[[int], tuple[Ints, Ints]]:
    """What gives the sketch of a cell: sorted bins and how many are in each."""
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]]) if len(lengths) else lengths
    at = np.repeat(first, bin_lengths) + columns["bin_places"]
    known = place[at] >= 0
    cell_of_bin = cell[at[known]]
    keys = columns["bin_keys"][known].astype(np.int64)
    counts = columns["bin_counts"][known].astype(np.int64)
    if not len(keys):
        return lambda _: (np.array([], np.int64), np.array([], np.int64))
    lowest = int(keys.min())
    width = int(keys.max()) - lowest + 1
    code = cell_of_bin * width + (keys - lowest)
    if cells * width <= DENSE_LIMIT:
        dense = np.bincount(code, counts, cells * width).reshape(cells, width)

        def from_dense(index: int) -> tuple[Ints, Ints]:
            filled = np.flatnonzero(dense[index])
            return filled + lowest, dense[index][filled].astype(np.int64)

        return from_dense
    unique, inverse = np.unique(code, return_inverse=True)
    summed = np.bincount(inverse, counts).astype(np.int64)
    bounds = np.searchsorted(unique, np.arange(cells + 1) * width)

    def from_sorted(index: int) -> tuple[Ints, Ints]:
        part = slice(bounds[index], bounds[index + 1])
        return unique[part] - index * width + lowest, summed[part]

    return from_sorted


def _positions(rows: Sequence[Row], ranges: Sequence[Sequence[Segment]]) -> list[list[int]]:
    """For each range the positions of its rows."""
    resolutions = np.array([row.resolution for row in rows], np.int64)
    starts = np.array([row.bucket_start for row in rows], np.int64)
    by_resolution: dict[int, tuple[Ints, Ints]] = {}
    for resolution in np.unique(resolutions):
        places = np.flatnonzero(resolutions == resolution)
        order = places[np.argsort(starts[places], kind="stable")]
        by_resolution[int(resolution)] = (order, starts[order])
    found = []
    for segments in ranges:
        positions: list[int] = []
        for resolution, start, end in segments:
            if resolution in by_resolution:
                order, its_starts = by_resolution[resolution]
                low, high = np.searchsorted(its_starts, [start, end])
                positions += order[low:high].tolist()
        found.append(positions)
    return found
