"""The minute that runs, of one writer: all its kinds in one small value.

It is written once a second, as a row's arrays once a minute. So it is compressed, and laid out so
that it compresses well: bins in their order, as differences, and like bytes beside each other.
"""

import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.services.rollups.buckets import Arrays, Snapshot
from app.services.rollups.tables import ARRAYS, RowKind

_FASTEST = 1
_KINDS = tuple(RowKind)
_LENGTHS = struct.Struct(f"<{2 * len(_KINDS)}I")
"""How many series, and how many bins, each kind has."""

_DIFFERENCES = ("bin_places", "bin_keys")
_OF_BINS = ("bin_places", "bin_keys", "bin_counts")


@dataclass(frozen=True, slots=True)
class Running:
    """What a writer has counted so far in the minute that began at ``minute``, Unix seconds."""

    minute: int
    snapshots: Sequence[Snapshot]


def encoded(snapshots: Iterable[Snapshot], ids: Mapping[str, int]) -> bytes:
    """One value of all kinds; ``ids`` numbers the series by name."""
    by_kind = {snapshot.kind: snapshot.row(ids) for snapshot in snapshots}
    lengths: list[int] = []
    parts: list[bytes] = []
    for kind in _KINDS:
        arrays = by_kind.get(kind) or dict.fromkeys(ARRAYS, b"")
        columns = {name: np.frombuffer(arrays[name], dtype) for name, dtype in ARRAYS.items()}
        order = np.lexsort((columns["bin_keys"], columns["bin_places"]))
        for name in _OF_BINS:
            columns[name] = columns[name][order]
        for name in _DIFFERENCES:
            columns[name] = np.diff(columns[name], prepend=columns[name].dtype.type(0))
        lengths += (len(columns["series"]), len(columns["bin_keys"]))
        parts += map(_side_by_side, columns.values())
    return zlib.compress(_LENGTHS.pack(*lengths) + b"".join(parts), _FASTEST)


def decoded(value: bytes) -> dict[RowKind, Arrays]:
    """The arrays of each kind that it holds."""
    content = zlib.decompress(value)
    lengths = iter(_LENGTHS.unpack_from(content))
    at = _LENGTHS.size
    found: dict[RowKind, Arrays] = {}
    for kind in _KINDS:
        series, bins = next(lengths), next(lengths)
        arrays: Arrays = {}
        for name, dtype in ARRAYS.items():
            length = (bins if name in _OF_BINS else series) * dtype.itemsize
            part = np.frombuffer(content, np.uint8, length, at)
            at += length
            column = part.reshape(dtype.itemsize, -1).T.tobytes()
            if name in _DIFFERENCES:
                column = np.cumsum(np.frombuffer(column, dtype), dtype=dtype).tobytes()
            arrays[name] = column
        if series:
            found[kind] = arrays
    return found


def _side_by_side(column: NDArray[Any]) -> bytes:
    """The first bytes of all elements, then the second ones, and so on."""
    one_each = np.frombuffer(column.tobytes(), np.uint8)
    return one_each.reshape(-1, column.dtype.itemsize).T.tobytes()
