"""Answers as a table, and what Grafana's transformations make of it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dashboards.preview.answers import Answers
from dashboards.preview.dashboard import Target, Transformation
from dashboards.preview.fields import Cell

TIME = "Time"
VALUE = "Value"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows by column name; a row may lack a column."""

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Cell], ...]
    refs: Mapping[str, str]
    """The query of each column of values."""
    times: frozenset[str] = frozenset()
    """The columns of times."""


class UnknownTransformationError(Exception):
    """A transformation that is not done here; the message names it."""


def table(
    answers: Answers, targets: Sequence[Target], transformations: Sequence[Transformation]
) -> Table:
    """The answers as Grafana would show them in a table. Raises UnknownTransformationError."""
    tables = [_of_query(target, answers, len(targets) > 1) for target in targets]
    for transformation in transformations:
        if transformation.name not in _TRANSFORMATIONS:
            raise UnknownTransformationError(transformation.name)
        tables = _TRANSFORMATIONS[transformation.name](tables, transformation.options)
    return tables[0] if tables else Table((), (), {})


def sorted_by(found: Table, wanted: Sequence[Mapping[str, Any]], key: str) -> Table:
    """Sorted by the columns that ``wanted`` names under ``key``; the first counts most.

    No value is less than all others.
    """
    rows = list(found.rows)
    for each in reversed(wanted):
        column = str(each.get(key, ""))
        is_text = any(isinstance(row.get(column), str) for row in rows)
        order = _as_text if is_text else _as_number
        rows.sort(key=lambda row: order(row.get(column)), reverse=bool(each.get("desc")))
    return replace(found, rows=tuple(rows))


def _as_number(cell: Cell) -> tuple[bool, float]:
    return (True, cell) if isinstance(cell, float) and cell == cell else (False, 0.0)


def _as_text(cell: Cell) -> list[tuple[bool, int, str]]:
    """Without regard to capitals, and with the numbers in it by their size."""
    parts = re.findall(r"\d+|\D+", str("" if cell is None else cell).lower())
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def _of_query(target: Target, answers: Answers, is_one_of_many: bool) -> Table:
    """A row for each series at its last sample: time, labels, value."""
    value = f"{VALUE} #{target.ref}" if is_one_of_many else VALUE
    series = [each for each in answers.series if each.ref == target.ref]
    labels = sorted({label for each in series for label in each.labels})
    return Table(
        (TIME, *labels, value),
        tuple(
            {
                TIME: float(each.times[-1]) * 1000,
                **dict.fromkeys(labels, ""),
                **each.labels,
                value: float(each.values[-1]),
            }
            for each in series
            if len(each.values)
        ),
        {value: target.ref},
        frozenset((TIME,)),
    )


def _merge(tables: list[Table], _options: Mapping[str, Any]) -> list[Table]:
    """One table; rows that agree in all columns which both have become one."""
    if len(tables) < 2:
        return tables
    columns = tuple(dict.fromkeys(name for table in tables for name in table.columns))
    keys = [name for name in columns if all(name in table.columns for table in tables)]
    rows: list[dict[str, Cell]] = []
    for row in (row for table in tables for row in table.rows):
        same = [
            other
            for other in rows
            if all(other[key] == row[key] for key in keys)
            and all(other[name] == row[name] for name in row.keys() & other.keys())
        ]
        for other in same:
            other |= row
        if not same:
            rows.append(dict(row))
    refs = {name: ref for table in tables for name, ref in table.refs.items()}
    times = frozenset(name for table in tables for name in table.times)
    return [Table(columns, tuple(rows), refs, times)]


def _organize(tables: list[Table], options: Mapping[str, Any]) -> list[Table]:
    """Columns left out, in another order, under other names."""
    excluded = {name for name, out in (options.get("excludeByName") or {}).items() if out}
    included = {name for name, kept in (options.get("includeByName") or {}).items() if kept}
    index: Mapping[str, int] = options.get("indexByName") or {}
    names: Mapping[str, str] = options.get("renameByName") or {}

    def organized(table: Table) -> Table:
        kept = [name for name in table.columns if name not in excluded]
        if included:
            kept = [name for name in kept if name in included]
        kept.sort(key=lambda name: index.get(name, len(index) + table.columns.index(name)))
        return Table(
            tuple(names.get(name) or name for name in kept),
            tuple(
                {names.get(k) or k: v for k, v in row.items() if k in kept} for row in table.rows
            ),
            {names.get(k) or k: ref for k, ref in table.refs.items()},
            frozenset(names.get(name) or name for name in table.times),
        )

    return [organized(table) for table in tables]


_TRANSFORMATIONS: Mapping[str, Callable[[list[Table], Mapping[str, Any]], list[Table]]] = {
    "merge": _merge,
    "organize": _organize,
}
