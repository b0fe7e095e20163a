"""Answers as a table, and what Grafana's transformations make of it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dashboards.preview.answers import Answers, Series
from dashboards.preview.dashboard import Target, Transformation

Cell = float | str
TIME = "Time"
VALUE = "Value"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows by column name; a row may lack a column."""

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Cell], ...]
    refs: Mapping[str, str]
    """The query of each column of values."""


class UnknownTransformationError(Exception):
    """A transformation that is not done here; the message names it."""


def table(
    answers: Answers, targets: Sequence[Target], transformations: Sequence[Transformation]
) -> Table:
    """The answers as Grafana would show them in a table. Raises UnknownTransformationError."""
    tables = [_of_query(target, answers, len(targets) > 1) for target in targets]
    tables = [each for each in tables if each.rows] or tables[:1]
    for transformation in transformations:
        if transformation.name not in _TRANSFORMATIONS:
            raise UnknownTransformationError(transformation.name)
        tables = _TRANSFORMATIONS[transformation.name](tables, transformation.options)
    return tables[0] if tables else Table((), (), {})


def sorted_by(found: Table, wanted: Sequence[Mapping[str, Any]], key: str) -> Table:
    """Sorted by the columns that ``wanted`` names under ``key``; the first counts most."""
    rows = list(found.rows)
    for each in reversed(wanted):
        column = str(each.get(key, ""))
        present = [row for row in rows if not _is_missing(row.get(column))]
        absent = [row for row in rows if _is_missing(row.get(column))]
        numeric = all(isinstance(row[column], float) for row in present)
        present.sort(
            key=lambda row: row[column] if numeric else str(row[column]),
            reverse=bool(each.get("desc")),
        )
        rows = present + absent
    return replace(found, rows=tuple(rows))


def _of_query(target: Target, answers: Answers, is_one_of_many: bool) -> Table:
    """A row for each series at its last sample: time, labels, value."""
    value = f"{VALUE} #{target.ref}" if is_one_of_many else VALUE
    series = [each for each in answers.series if each.ref == target.ref]
    labels = sorted({label for each in series for label in each.labels})
    return Table(
        (TIME, *labels, value),
        tuple({**each.labels, TIME: _last_time(each), value: _last(each)} for each in series),
        {value: target.ref},
    )


def _last(series: Series) -> float:
    return float(series.values[-1]) if len(series.values) else math.nan


def _last_time(series: Series) -> float:
    """Milliseconds, as Grafana has times."""
    return float(series.times[-1]) * 1000 if len(series.times) else math.nan


def _merge(tables: list[Table], _options: Mapping[str, Any]) -> list[Table]:
    """One table; rows that agree in all columns which both have become one."""
    if not tables:
        return []
    rows: list[dict[str, Cell]] = []
    for table in tables:
        for row in table.rows:
            for other in rows:
                shared = row.keys() & other.keys()
                if shared and all(row[name] == other[name] for name in shared):
                    other |= row
                    break
            else:
                rows.append(dict(row))
    return [_with_rows(tables, rows)]


def _join(tables: list[Table], options: Mapping[str, Any]) -> list[Table]:
    """One table; rows that agree in one column become one."""
    by = str(options.get("byField") or TIME)
    joined: dict[Cell, dict[str, Cell]] = {}
    for table in tables:
        for row in table.rows:
            if by in row:
                joined.setdefault(row[by], {}).update(
                    {k: v for k, v in row.items() if k not in joined.get(row[by], {})}
                )
    rows = list(joined.values())
    if options.get("mode") == "inner":
        values = {name for table in tables for name in table.refs}
        rows = [row for row in rows if values <= row.keys()]
    return [_with_rows(tables, rows)] if tables else []


def _with_rows(tables: Sequence[Table], rows: Sequence[Mapping[str, Cell]]) -> Table:
    columns = tuple(dict.fromkeys(name for table in tables for name in table.columns))
    # Values stand behind all labels, as in the single tables.
    values = {name for table in tables for name in table.refs}
    ordered = (*(n for n in columns if n not in values), *(n for n in columns if n in values))
    refs = {name: ref for table in tables for name, ref in table.refs.items()}
    return Table(ordered, tuple(rows), refs)


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
        )

    return [organized(table) for table in tables]


def _sort(tables: list[Table], options: Mapping[str, Any]) -> list[Table]:
    return [sorted_by(table, options.get("sort") or (), "field") for table in tables]


def _limit(tables: list[Table], options: Mapping[str, Any]) -> list[Table]:
    count = int(options.get("limitField") or 10)
    return [replace(table, rows=table.rows[:count]) for table in tables]


def _is_missing(cell: Cell | None) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


_TRANSFORMATIONS: Mapping[str, Callable[[list[Table], Mapping[str, Any]], list[Table]]] = {
    "merge": _merge,
    "joinByField": _join,
    "organize": _organize,
    "sortBy": _sort,
    "limit": _limit,
}
