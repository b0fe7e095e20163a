"""Rows of arrays in a database, with the numbers of their series: what all stores share."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Table,
    bindparam,
    delete,
    func,
    literal,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Database
from app.services.rollups.buckets import Arrays
from app.services.rollups.coverage import Segment
from app.services.rollups.merging import Row
from app.services.rollups.tables import ARRAYS, RowKind
from asgi_observability.metric import Metric

_DAY = 86400
_AT_ONCE = 400
"""Values in one IN or INSERT: SQLite takes a bounded number of parameters."""

_SERIES = re.compile(r"(?P<metric>[^{]+)(?:\{(?P<labels>.*)\})?")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class RowKey:
    """Whose bucket it is. ``resolution`` in seconds, ``bucket_start`` in Unix time."""

    writer: str
    resolution: int
    bucket_start: int


class RowStore:
    """A table of rows and one of series. Every method raises SQLAlchemyError or OSError."""

    def __init__(self, database: Database, rows: Table, series_names: Table) -> None:
        self._database = database
        self.rows = rows
        self.series_names = series_names
        self._names: dict[int, str] = {}
        self._parsed: dict[int, tuple[str, dict[str, str]]] = {}

    async def prepare(self) -> None:
        """Make sure that the tables are there."""

    async def _read(
        self,
        session: AsyncSession,
        asked: Sequence[tuple[RowKind, Segment]],
        rows: Table,
        *conditions: ColumnElement[bool],
    ) -> list[Row]:
        """What a table of arrays holds of these kinds in these segments."""
        columns = [rows.c.resolution, rows.c.kind, rows.c.bucket_start]
        arrays = [rows.c[name] for name in ARRAYS]
        # One range of the primary key each.
        parts = [
            select(*columns, *arrays).where(
                rows.c.resolution == segment.resolution,
                rows.c.kind == kind.value,
                rows.c.bucket_start >= segment.start,
                rows.c.bucket_start < segment.end,
                *conditions,
            )
            for kind, segment in asked
        ]
        found: list[Any] = []
        for first in range(0, len(parts), 100):
            some = parts[first : first + 100]
            query = union_all(*some) if len(some) > 1 else some[0]
            found += (await session.execute(query)).all()
        return [
            Row(resolution, kind, start, dict(zip(ARRAYS, blobs, strict=True)))
            for resolution, kind, start, *blobs in found
        ]

    async def numbers(self, metrics: Iterable[Metric]) -> dict[int, tuple[Metric, dict[str, str]]]:
        """The series of ``metrics`` that the store knows, by number: metric and labels."""
        async with self._database.reading() as session:
            return await self.numbers_in(session, metrics)

    async def numbers_in(
        self, session: AsyncSession, metrics: Iterable[Metric]
    ) -> dict[int, tuple[Metric, dict[str, str]]]:
        """The same, as the session sees it."""
        wanted = {metric.name: metric for metric in metrics}
        names = await self.names_in(session)
        for number in names.keys() - self._parsed.keys():
            self._parsed[number] = parsed(names[number])
        return {
            number: (wanted[metric], labels)
            for number, (metric, labels) in self._parsed.items()
            if metric in wanted
        }

    async def names(self) -> dict[int, str]:
        """Every series that the store knows, by number."""
        async with self._database.reading() as session:
            return await self.names_in(session)

    async def names_in(self, session: AsyncSession) -> dict[int, str]:
        """The same, as the session sees it."""
        table = self.series_names
        # They only ever become more, though not in the order of their numbers.
        if await session.scalar(select(func.count()).select_from(table)) != len(self._names):
            found = (await session.execute(select(table.c.id, table.c.name))).all()
            self._names = {row.id: row.name for row in found}
        return self._names

    async def days_before(self, resolution: int, kind: RowKind, until: int) -> list[int]:
        """The days (Unix time of their UTC midnight) with rows that begin before ``until``."""
        await self.prepare()
        rows = self.rows
        # The driver divides integers as integers on both databases.
        day = (rows.c.bucket_start - rows.c.bucket_start % _DAY).label("day")
        query = (
            select(day)
            .where(
                rows.c.resolution == resolution,
                rows.c.kind == kind.value,
                rows.c.bucket_start < until,
            )
            .distinct()
            .order_by(day)
        )
        async with self._database.reading() as session:
            return list((await session.scalars(query)).all())

    async def page_of_day(
        self,
        resolution: int,
        kind: RowKind,
        day: int,
        after: tuple[int, str] | None,
        limit: int,
    ) -> Sequence[Mapping[str, Any]]:
        """Rows of the UTC day that begins at ``day``, all columns, in the order of their keys.

        ``after`` is the bucket's start and the writer of the row that they follow.
        """
        rows = self.rows
        order = (rows.c.bucket_start, rows.c.writer)
        query = (
            select(rows)
            .where(
                rows.c.resolution == resolution,
                rows.c.kind == kind.value,
                rows.c.bucket_start >= day,
                rows.c.bucket_start < day + _DAY,
            )
            .order_by(*order)
            .limit(limit)
        )
        if after is not None:
            query = query.where(tuple_(*order) > tuple_(*map(literal, after)))
        async with self._database.reading() as session:
            return [dict(row) for row in (await session.execute(query)).mappings()]

    async def delete_rows(self, found: Sequence[Mapping[str, Any]]) -> None:
        """Delete exactly the rows with these keys, all or none."""
        rows = self.rows
        keys = [column.name for column in rows.primary_key]
        statement = delete(rows).where(*(rows.c[name] == bindparam(f"key_{name}") for name in keys))
        values = [{f"key_{name}": row[name] for name in keys} for row in found]
        async with self._database.writing() as session:
            await (await session.connection()).execute(statement, values)

    async def _number(self, session: AsyncSession, names: set[str]) -> dict[str, int]:
        """Give each new series its number, the same for all writers."""
        table, numbers = self.series_names, {}
        ordered = sorted(names)
        for first in range(0, len(ordered), _AT_ONCE):
            some = ordered[first : first + _AT_ONCE]
            await session.execute(
                insert_into(session)(table)
                .values([{"name": name} for name in some])
                .on_conflict_do_nothing()
            )
            query = select(table.c.name, table.c.id).where(table.c.name.in_(some))
            for name, number in await session.execute(query):
                numbers[name] = number
        return numbers


def parsed(name: str) -> tuple[str, dict[str, str]]:
    """The metric's name and the labels of a series such as ``metric{label="value"}``."""
    match = _SERIES.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no series")
    return match["metric"], dict(_LABEL.findall(match["labels"] or ""))


def row_values(key: RowKey, kind: RowKind, arrays: Arrays) -> dict[str, Any]:
    return {
        "resolution": key.resolution,
        "kind": kind.value,
        "bucket_start": key.bucket_start,
        "writer": key.writer,
        **arrays,
    }


def insert_into(session: AsyncSession) -> Any:
    return sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert


async def upsert(session: AsyncSession, table: Any, values: list[dict[str, Any]]) -> None:
    """Insert rows, each over the one with the same key."""
    if not values:
        return
    statement = insert_into(session)(table)
    changed = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if not column.primary_key
    }
    await session.execute(
        statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed),
        values,
    )
