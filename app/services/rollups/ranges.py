"""A range of time as the largest buckets that fill it, so that its length costs next to nothing."""

from collections.abc import Iterator
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
    buckets could fill are left out; `aligned` moves them before.
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


def finest_step(start: int, kept: dict[int, int]) -> int:
    """The length in seconds of the shortest buckets that are kept from ``start`` on."""
    return min((r for r in RESOLUTIONS if kept[r] <= start), default=RESOLUTIONS[0])


def aligned(start: int, end: int, kept: dict[int, int]) -> tuple[int, int]:
    """The range widened to the edges of buckets that are kept at its age."""
    at_start, at_end = finest_step(start, kept), finest_step(end, kept)
    return start // at_start * at_start, -(-end // at_end) * at_end
