"""The rollup store: rows written and read, writers, leases; SQLite or PostgreSQL."""

import os
import re
import socket
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, func, inspect, select, union_all
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.catalogue import Metric
from app.core.database import Database
from app.services.rollups import tables
from app.services.rollups.buckets import Arrays, Cell, Snapshot, numbers, packed, unpacked
from app.services.rollups.merging import Row
from app.services.rollups.ranges import Segment
from app.services.rollups.tables import ARRAYS, RowKind

_DAY = 86400
_AT_ONCE = 400
"""Values in one IN or INSERT: SQLite takes a bounded number of parameters."""

_SERIES = re.compile(r"(?P<metric>[^{]+)(?:\{(?P<labels>.*)\})?")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


class StoreVersionError(OSError):
    """The store has the schema of another release and is not touched."""


@dataclass(frozen=True, slots=True)
class RowKey:
    """Whose bucket it is. ``resolution`` in seconds, ``bucket_start`` in Unix time."""

    writer: str
    resolution: int
    bucket_start: int


@dataclass(frozen=True, slots=True)
class WriterState:
    """A worker of some replica: what it said last, and when (Unix time)."""

    id: str
    host: str
    pid: int
    started: float
    last_seen: float
    state: dict[str, Any]


class Store:
    """The tables of the rollups. Every method raises SQLAlchemyError or OSError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._prepared = False
        self._ids: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._parsed: dict[int, tuple[str, dict[str, str]]] = {}
        self._started = time.time()

    async def prepare(self) -> None:
        """Create what is missing. Raises StoreVersionError for a store of another release."""
        if self._prepared:
            return
        versions = tables.schema_versions
        async with self._database.reading() as session:
            connection = await session.connection()
            if await connection.run_sync(lambda c: inspect(c).has_table(versions.name)):
                _check_version(await session.scalar(select(versions.c.version)))
        await self._database.create_tables(tables.metadata)
        async with self._database.writing() as session:
            await session.execute(
                _insert(session)(versions)
                .values(id=1, version=tables.SCHEMA_VERSION)
                .on_conflict_do_nothing()
            )
            _check_version(await session.scalar(select(versions.c.version)))
        self._prepared = True

    async def write(
        self,
        buckets: Mapping[RowKey, Sequence[Snapshot]],
        writer: str,
        settled_until: int,
        state: Mapping[str, Any],
        ended: Collection[str] = (),
    ) -> None:
        """Write these buckets, that ``writer`` is alive and others have ``ended``, or nothing.

        Everything that a writer has ever counted must be written when it ends.
        """
        await self.prepare()
        names = {
            name
            for snapshots in buckets.values()
            for snapshot in snapshots
            for name in snapshot.names
        }
        async with self._database.writing() as session:
            # The heartbeat first: it makes who settles for this writer wait, see `settle`.
            await _upsert(
                session,
                tables.writers,
                [
                    {
                        "id": writer,
                        "host": socket.gethostname()[:255],
                        "pid": os.getpid(),
                        "started": self._started,
                        "last_seen": time.time(),
                        "settled_until": settled_until,
                        "state": dict(state),
                    }
                ],
            )
            ids = self._ids | await self._number(session, names - self._ids.keys())
            values = [
                _values(key, snapshot.kind, snapshot.row(ids))
                for key, snapshots in buckets.items()
                for snapshot in snapshots
            ]
            await _upsert(session, tables.rows, values)
            await _forget(session, ended)
        # Not before the commit: numbers that were rolled back are given to others.
        self._ids = ids

    async def read(self, asked: Sequence[tuple[RowKind, Segment]]) -> list[Row]:
        """The rows of all writers, of these kinds in these segments."""
        await self.prepare()
        rows = tables.rows
        columns = [rows.c.resolution, rows.c.kind, rows.c.bucket_start]
        arrays = [rows.c[name] for name in ARRAYS]
        # One range of the primary key each.
        parts = [
            select(*columns, *arrays).where(
                rows.c.resolution == segment.resolution,
                rows.c.kind == kind.value,
                rows.c.bucket_start >= segment.start,
                rows.c.bucket_start < segment.end,
            )
            for kind, segment in asked
        ]
        found: list[Any] = []
        async with self._database.reading() as session:
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
        wanted = {metric.name: metric for metric in metrics}
        names = await self.names()
        for number in names.keys() - self._parsed.keys():
            self._parsed[number] = parsed(names[number])
        return {
            number: (wanted[metric], labels)
            for number, (metric, labels) in self._parsed.items()
            if metric in wanted
        }

    async def names(self) -> dict[int, str]:
        """Every series that the store knows, by number."""
        table = tables.series_names
        async with self._database.reading() as session:
            # They only ever become more, though not in the order of their numbers.
            if await session.scalar(select(func.count()).select_from(table)) != len(self._names):
                found = (await session.execute(select(table.c.id, table.c.name))).all()
                self._names = {row.id: row.name for row in found}
        return self._names

    async def first_bucket(self, kept: Mapping[int, int]) -> int | None:
        """When the first bucket of all began, Unix seconds; None where there is none yet.

        As precisely as tells a resolution of which nothing has expired; ``kept`` says since when
        each is kept.
        """
        first = {resolution: await self._first_bucket(resolution) for resolution in sorted(kept)}
        known = [start for start in first.values() if start is not None]
        if not known:
            return None
        return next(
            (start for r, start in first.items() if start is not None and kept[r] <= min(known)),
            min(known),
        )

    async def _first_bucket(self, resolution: int) -> int | None:
        rows = tables.rows
        # One look-up in the primary key each.
        firsts = [
            select(func.min(rows.c.bucket_start).label("start")).where(
                rows.c.resolution == resolution, rows.c.kind == kind.value
            )
            for kind in RowKind
        ]
        async with self._database.reading() as session:
            found = (await session.scalars(union_all(*firsts))).all()
        return min((start for start in found if start is not None), default=None)

    async def forget(self, writer: str) -> None:
        """Say that ``writer`` has ended, with everything written."""
        async with self._database.writing() as session:
            await _forget(session, [writer])

    async def writers(self, seen_since: float) -> list[WriterState]:
        """The writers that have been seen since then (Unix time)."""
        await self.prepare()
        table = tables.writers
        columns = [table.c[name] for name in WriterState.__dataclass_fields__]
        async with self._database.reading() as session:
            query = select(*columns).where(table.c.last_seen >= seen_since)
            return [WriterState(*row) for row in await session.execute(query)]

    async def take_lease(self, name: str, holder: str, seconds: float) -> bool:
        """Whether ``holder`` alone may do ``name`` for the next ``seconds``."""
        await self.prepare()
        table, now = tables.leases, time.time()
        async with self._database.writing() as session:
            statement = _insert(session)(table).values(
                name=name, holder=holder, until=now + seconds
            )
            taken = await session.execute(
                statement.on_conflict_do_update(
                    index_elements=["name"],
                    set_={"holder": holder, "until": now + seconds},
                    where=(table.c.until < now) | (table.c.holder == holder),
                ).returning(table.c.holder)
            )
            return taken.scalar_one_or_none() == holder

    async def days_before(self, resolution: int, kind: RowKind, until: int) -> list[int]:
        """The days (Unix time of their UTC midnight) with rows that begin before ``until``."""
        await self.prepare()
        rows = tables.rows
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

    async def rows_of_day(
        self, resolution: int, kind: RowKind, day: int
    ) -> Sequence[Mapping[str, Any]]:
        """Every row of the UTC day that begins at ``day``, all columns."""
        rows = tables.rows
        query = select(rows).where(
            rows.c.resolution == resolution,
            rows.c.kind == kind.value,
            rows.c.bucket_start >= day,
            rows.c.bucket_start < day + _DAY,
        )
        async with self._database.reading() as session:
            return [dict(row) for row in (await session.execute(query)).mappings()]

    async def delete_rows(self, found: Sequence[Mapping[str, Any]]) -> None:
        """Delete exactly these rows, all or none."""
        rows = tables.rows
        keys = [column.name for column in rows.primary_key]
        statement = delete(rows).where(*(rows.c[name] == bindparam(f"key_{name}") for name in keys))
        values = [{f"key_{name}": row[name] for name in keys} for row in found]
        async with self._database.writing() as session:
            await (await session.connection()).execute(statement, values)

    async def settle(self, seen_before: float, coarse: Sequence[int]) -> int:
        """End the writers that went without saying so; gives how many.

        A writer brings its rows of ``coarse`` resolutions up to date when a minute ends. One that
        was killed leaves minutes behind that are in no coarse row yet. What is written are absolute
        values again: a writer that was only slow writes the same, or more, over it.
        """
        await self.prepare()
        table = tables.writers
        gone = (
            select(table.c.id, table.c.settled_until)
            .where(table.c.last_seen < seen_before)
            .order_by(table.c.id)
        )
        async with self._database.reading() as session:
            if not (await session.execute(gone.limit(1))).all():
                return 0
        async with self._database.writing() as session:
            # Locked: what is read here must not be older than what its writer has written.
            found = (await session.execute(gone.with_for_update())).all()
            for writer, settled_until in found:
                await self._settle_writer(session, writer, settled_until, coarse)
            await _forget(session, [writer for writer, _ in found])
        return len(found)

    async def _settle_writer(
        self, session: AsyncSession, writer: str, settled_until: int, coarse: Sequence[int]
    ) -> None:
        rows = tables.rows
        its = select(rows).where(rows.c.writer == writer, rows.c.kind.in_(list(RowKind)))
        unsettled = its.where(
            rows.c.resolution == tables.MINUTE, rows.c.bucket_start >= settled_until
        )
        minutes = (await session.execute(unsettled)).mappings().all()
        settled: dict[tuple[RowKey, RowKind], dict[int, Cell]] = {}
        for resolution in coarse:
            starts = {minute["bucket_start"] // resolution * resolution for minute in minutes}
            before = its.where(rows.c.resolution == resolution, rows.c.bucket_start.in_(starts))
            for row in (*(await session.execute(before)).mappings(), *minutes):
                start = row["bucket_start"] // resolution * resolution
                key = (RowKey(writer, resolution, start), RowKind(row["kind"]))
                cells = settled.setdefault(key, {})
                for number, cell in unpacked(row):
                    cells.setdefault(number, Cell()).add(cell)
        values = [
            _values(key, kind, numbers([*cells]) | packed([*cells.values()]))
            for (key, kind), cells in settled.items()
        ]
        await _upsert(session, rows, values)

    @staticmethod
    async def _number(session: AsyncSession, names: set[str]) -> dict[str, int]:
        """Give each new series its number, the same for all writers."""
        table, numbers = tables.series_names, {}
        ordered = sorted(names)
        for first in range(0, len(ordered), _AT_ONCE):
            some = ordered[first : first + _AT_ONCE]
            await session.execute(
                _insert(session)(table)
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


def _values(key: RowKey, kind: RowKind, arrays: Arrays) -> dict[str, Any]:
    return {
        "resolution": key.resolution,
        "kind": kind.value,
        "bucket_start": key.bucket_start,
        "writer": key.writer,
        **arrays,
    }


def _check_version(version: int | None) -> None:
    if version not in (None, tables.SCHEMA_VERSION):
        raise StoreVersionError(
            f"the rollup store has schema version {version}, "
            f"this release writes {tables.SCHEMA_VERSION}"
        )


async def _forget(session: AsyncSession, writers: Collection[str]) -> None:
    if writers:
        await session.execute(delete(tables.writers).where(tables.writers.c.id.in_(writers)))


def _insert(session: AsyncSession) -> Any:
    return sqlite_insert if session.get_bind().dialect.name == "sqlite" else postgresql_insert


async def _upsert(session: AsyncSession, table: Any, values: list[dict[str, Any]]) -> None:
    """Insert rows, each over the one with the same key."""
    if not values:
        return
    statement = _insert(session)(table)
    changed = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if not column.primary_key
    }
    await session.execute(
        statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed),
        values,
    )
