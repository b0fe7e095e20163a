"""What is counted, at one moment: plain data that is merged, stored and rendered.

Own families hold one row a series, by the values of their labels. What a host's collector gives
may have any shape, so such a family has no ``label_names``: a row there is one sample, by its whole
name, then each label and its value in turn.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NamedTuple, TypeVar

import orjson

from asgi_observability.pacing import Pace

Key = tuple[str, ...]
V = TypeVar("V")


class Exemplar(NamedTuple):
    """One observed value, the labels that lead to what was logged of it, and its Unix time."""

    labels: dict[str, str]
    value: float
    timestamp: float


@dataclass(slots=True)
class HistogramRow:
    """One series of a histogram.

    ``counts`` has one number a bucket, not cumulative: one for each of the family's bounds and one
    for what is above them all.
    """

    counts: list[int]
    sum: float
    exemplar: Exemplar | None = None


@dataclass(slots=True)
class FamilySnapshot:
    """One metric family and its series.

    ``name`` carries ``_total`` on counters; so does that of a host's counter. ``kind`` is
    "counter", "gauge" or "histogram"; a host's may be any other type of OpenMetrics. ``merge`` says
    how the gauges of several live processes become one: "livesum", "livemin" or "livemax".
    ``exemplars`` and ``timestamps`` (Unix seconds) are those of a host's samples, by their rows.
    """

    name: str
    kind: str
    help: str
    unit: str = ""
    label_names: tuple[str, ...] | None = ()
    bounds: tuple[float, ...] = ()
    merge: str = "livesum"
    rows: dict[Key, float | HistogramRow] = field(default_factory=dict)
    exemplars: dict[Key, Exemplar] = field(default_factory=dict)
    timestamps: dict[Key, float] = field(default_factory=dict)

    @property
    def is_foreign(self) -> bool:
        """Whether a host's collector gave it."""
        return self.label_names is None


def packed(families: Iterable[FamilySnapshot]) -> bytes:
    """The families as JSON, for `unpacked`."""
    pace = Pace()
    written = []
    for family in families:
        rows = []
        for key, row in family.rows.items():
            pace.step()
            rows.append(
                (key, row.counts, row.sum, row.exemplar and tuple(row.exemplar))
                if isinstance(row, HistogramRow)
                # JSON has neither NaN nor infinity; a host's gauge may be either.
                else (key, row if isfinite(row) else str(row))
            )
        written.append(
            (
                *(family.name, family.kind, family.help, family.unit),
                *(family.label_names, family.bounds, family.merge, rows),
                [(key, tuple(exemplar)) for key, exemplar in family.exemplars.items()],
                [*family.timestamps.items()],
            )
        )
    return orjson.dumps(written)


def unpacked(data: bytes) -> list[FamilySnapshot]:
    """What was `packed`. Raises ValueError on anything else."""
    pace = Pace()
    try:
        return [_family(pace, *written) for written in orjson.loads(data)]
    except (TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"not a snapshot: {error}") from error


def _family(
    pace: Pace,
    name: str,
    kind: str,
    text: str,
    unit: str,
    label_names: list[str] | None,
    bounds: list[float],
    merge: str,
    written: list[list[Any]],
    exemplars: list[list[Any]],
    timestamps: list[list[Any]],
) -> FamilySnapshot:
    rows: dict[Key, float | HistogramRow] = {}
    for key, value, *more in written:
        pace.step()
        if more:
            rows[tuple(key)] = HistogramRow(value, more[0], _exemplar(more[1]))
        else:
            rows[tuple(key)] = float(value)
    return FamilySnapshot(
        *(name, kind, text, unit),
        None if label_names is None else tuple(label_names),
        tuple(bounds),
        merge,
        rows,
        {tuple(key): Exemplar(*exemplar) for key, exemplar in exemplars},
        {tuple(key): at for key, at in timestamps},
    )


def _exemplar(written: Sequence[Any] | None) -> Exemplar | None:
    return Exemplar(*written) if written else None


_COMBINED: Mapping[str, Callable[[Iterable[float]], float]] = {
    "livesum": sum,
    "livemin": min,
    "livemax": max,
}


def merged(processes: Sequence[Sequence[FamilySnapshot]]) -> list[FamilySnapshot]:
    """The families of several processes as one: counts are added, gauges as their ``merge`` says.

    Where processes disagree about a family's kind, labels or bounds (two releases side by side),
    the first that has it is right and the others' rows are left out.
    """
    pace = Pace()
    result: dict[str, FamilySnapshot] = {}
    parts: dict[str, list[FamilySnapshot]] = {}
    for process in processes:
        for family in process:
            parts.setdefault(family.name, []).append(family)
    for name, (first, *others) in parts.items():
        shape = (first.kind, first.label_names, first.bounds)
        same = [first, *(o for o in others if (o.kind, o.label_names, o.bounds) == shape)]
        result[name] = first if len(same) == 1 else _sum_of(same, pace)
    return [*result.values()]


def _sum_of(parts: Sequence[FamilySnapshot], pace: Pace) -> FamilySnapshot:
    first = parts[0]
    combine = _COMBINED.get(first.merge, sum) if first.kind not in ("counter", "histogram") else sum
    found: dict[Key, list[float | HistogramRow]] = {}
    for part in parts:
        for key, row in part.rows.items():
            found.setdefault(key, []).append(row)
    rows: dict[Key, float | HistogramRow] = {}
    for key, same in found.items():
        pace.step()
        histograms = [row for row in same if isinstance(row, HistogramRow)]
        if histograms:
            rows[key] = _added(histograms)
        elif first.is_foreign and key[0].endswith("_created"):
            # A counter of several processes exists since the first of them has it.
            rows[key] = min(row for row in same if not isinstance(row, HistogramRow))
        else:
            rows[key] = combine(row for row in same if not isinstance(row, HistogramRow))
    return FamilySnapshot(
        *(first.name, first.kind, first.help, first.unit),
        *(first.label_names, first.bounds, first.merge, rows),
        _latest([part.exemplars for part in parts], lambda exemplar: exemplar.timestamp),
        _latest([part.timestamps for part in parts], float),
    )


def _added(rows: Sequence[HistogramRow]) -> HistogramRow:
    exemplars = [row.exemplar for row in rows if row.exemplar]
    return HistogramRow(
        [sum(counts) for counts in zip(*(row.counts for row in rows), strict=True)],
        sum(row.sum for row in rows),
        max(exemplars, key=lambda exemplar: exemplar.timestamp, default=None),
    )


def _latest(parts: Sequence[Mapping[Key, V]], age: Callable[[V], float]) -> dict[Key, V]:
    latest: dict[Key, V] = {}
    for part in parts:
        for key, value in part.items():
            if key not in latest or age(value) > age(latest[key]):
                latest[key] = value
    return latest
