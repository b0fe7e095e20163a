"""A range of time as the largest buckets that fill it, so that its length costs next to nothing."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from app.services.rollups.tables import RESOLUTIONS


class Segment(NamedTuple):
    """Buckets of one resolution that begin in [start, end), Unix seconds."""

    resolution: int
    start: int
    end: int


def composed(start: int, end: int, kept: dict[int, int]) -> Iterator[Segment]:
    """The segments that fill [start, end) with buckets that are kept.

    ``kept`` says for each resolution from when on its buckets are kept. Edges that only expired
    buckets could fill are left out: `is_filled` tells, and `aligned` moves them before.
    """
    yield from _filled(start, end, RESOLUTIONS, kept)


def _filled(
    start: int, end: int, resolutions: tuple[int, ...], kept: dict[int, int]
) -> Iterator[Segment]:
    if start >= end or not resolutions:
        return
    resolution, *finer = resolutions
    first = -(-max(start, kept[resolution]) // resolution) * resolution
    last = end // resolution * resolution
    if first >= last:
        yield from _filled(start, end, tuple(finer), kept)
        return
    yield from _filled(start, first, tuple(finer), kept)
    yield Segment(resolution, first, last)
    yield from _filled(last, end, tuple(finer), kept)


def is_filled(segments: Iterable[Segment], start: int, end: int) -> bool:
    """Whether the segments fill the whole of [start, end)."""
    return sum(segment.end - segment.start for segment in segments) >= end - start


def finest_step(start: int, kept: dict[int, int]) -> int | None:
    """The length in seconds of the shortest buckets that are kept from ``start`` on.

    None where nothing is kept any more.
    """
    return min((r for r in RESOLUTIONS if kept[r] <= start), default=None)


def is_edge(moment: int, kept: dict[int, int]) -> bool:
    """Whether a range can begin or end here and be answered exactly.

    ``kept`` is in whole days of UTC, so buckets of a length begin to be kept where a longer one
    ends.
    """
    finest = finest_step(moment, kept)
    return finest is not None and moment % finest == 0


def aligned(start: int, end: int, kept: dict[int, int]) -> tuple[int, int]:
    """The range widened to the edges of buckets that are kept at its age."""
    at_start = finest_step(start, kept) or RESOLUTIONS[0]
    at_end = finest_step(end, kept) or RESOLUTIONS[0]
    return start // at_start * at_start, -(-end // at_end) * at_end
