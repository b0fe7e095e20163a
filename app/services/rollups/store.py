"""The rollup store: rows written and read, writers, leases; SQLite or PostgreSQL."""

import os
import socket
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Database
from app.migrations import ROLLUPS, upgrade
from app.services.rollups import tables
from app.services.rollups.buckets import Cell, Snapshot, numbers, packed, unpacked
from app.services.rollups.counted_time import Counting, Stretch, again, joined
from app.services.rollups.coverage import Segment
from app.services.rollups.merging import Row, Wanted
from app.services.rollups.row_store import RowKey, RowStore, insert_into, row_values, upsert
from app.services.rollups.running import Running, decoded, encoded
from app.services.rollups.tables import RowKind
from asgi_observability.metric import Metric

CLOCKS_AGREE_WITHIN_SECONDS = 30.0
"""What was counted later than this from now was counted by another clock, or before it was set."""

JOINED_AFTER_SECONDS = 3600.0
"""Stretches of counting that ended so long ago are made one where they touch."""


@dataclass(frozen=True, slots=True)
class WriterState:
    """A worker of some replica: what it said last, and when (Unix time)."""

    id: str
    host: str
    pid: int
    started: float
    last_seen: float
    state: dict[str, Any]


class Store(RowStore):
    """The tables of the rollups. Every method raises SQLAlchemyError or OSError."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, tables.rows, tables.series_names)
        self._prepared = False
        self._ids: dict[str, int] = {}
        self._started = time.time()
        self._minute_in_rows: tuple[str, int] | None = None

    async def prepare(self) -> None:
        """Bring the tables to their newest revision. Raises SchemaError, which is an OSError."""
        if not self._prepared:
            await upgrade(self._database, ROLLUPS)
            self._prepared = True

    async def write(
        self,
        buckets: Mapping[RowKey, Sequence[Snapshot]],
        writer: str,
        settled_until: int,
        state: Mapping[str, Any],
        ended: Collection[str] = (),
        running: Running | None = None,
        counting: Counting | None = None,
    ) -> None:
        """Write these buckets, that ``writer`` is alive and others have ended, or nothing.

        ``running`` is all of the minute that runs, which is in none of ``buckets``. Everything that
        a writer has ever counted must be written when it ends.
        """
        await self.prepare()
        snapshots = [snapshot for some in buckets.values() for snapshot in some]
        snapshots += running.snapshots if running else ()
        names = {name for snapshot in snapshots for name in snapshot.names}
        async with self._database.writing() as session:
            ids = self._ids | await self._number(session, names - self._ids.keys())
            in_rows = running and (writer, running.minute) == self._minute_in_rows
            heartbeat = _heartbeat(settled_until, state, counting)
            is_known = await self._update_writer(
                session,
                writer,
                {**heartbeat, **_running_values(None if in_rows else running, ids)},
            )
            if not is_known:
                # New, or settled by somebody who has made a row of the minute. There it is written
                # from now on until it ends, also when this transaction fails: never in two places.
                self._minute_in_rows = (writer, running.minute) if running else None
                in_rows = running is not None
                if counting:
                    await _tell_what_comes_again(session, writer)
                await self._add_writer(session, writer, heartbeat)
            if in_rows and running:
                key = RowKey(writer, tables.MINUTE, running.minute)
                buckets = {**buckets, key: running.snapshots}
            await self._write_rows(
                session,
                [
                    row_values(key, snapshot.kind, snapshot.row(ids))
                    for key, snapshots in buckets.items()
                    for snapshot in snapshots
                ],
            )
            await _forget(session, ended)
            if counting:
                await _tell_counted(session, writer, counting)
        # Not before the commit: numbers that were rolled back are given to others.
        self._ids = ids

    async def _update_writer(
        self, session: AsyncSession, writer: str, values: Mapping[str, Any]
    ) -> bool:
        """Whether the writer is known. Before its rows: who settles for it waits, see `settle`."""
        table = tables.writers
        connection = await session.connection()
        result = await connection.execute(update(table).where(table.c.id == writer).values(values))
        return result.rowcount > 0

    async def _add_writer(
        self, session: AsyncSession, writer: str, values: Mapping[str, Any]
    ) -> None:
        about = {
            "id": writer,
            "host": socket.gethostname()[:255],
            "pid": os.getpid(),
            "started": self._started,
        }
        await upsert(session, tables.writers, [{**about, **_running_values(None, {}), **values}])

    async def _write_rows(self, session: AsyncSession, values: list[dict[str, Any]]) -> None:
        # In one order: the consolidated rows that writers make out of date are locked in it.
        await upsert(session, self.rows, sorted(values, key=_place))

    async def read(
        self, asked: Sequence[tuple[RowKind, Segment]], metrics: Iterable[Metric]
    ) -> tuple[list[Row], Wanted, Sequence[Stretch], Sequence[Stretch]]:
        """The rows of all writers, of these kinds in these segments, and the series of ``metrics``.

        Then the stretches of counting there, and those of them that the clock passed twice.

        Of buckets that are consolidated the one row. The minutes that run are in rows of each
        resolution, so that any way to make up a range finds them.
        """
        await self.prepare()
        rows = tables.consolidated
        # As of one moment: a minute that ends goes from one table to the other.
        async with self._database.snapshot() as session:
            found = await self._read(session, asked, rows, rows.c.is_current)
            missing = _gaps(asked, found)
            found += await self._read(session, missing, self.rows)
            table = tables.writers
            columns = (table.c.running_minute, table.c.running)
            times = (table.c.counting_since, table.c.last_seen)
            alive = (await session.execute(select(*columns, *times))).all()
            stretches, repeated = await _counted_within(session, [each for _, each in asked])
            wanted = Wanted(await self.numbers_in(session, metrics))
        for minute, value, since, last_seen in alive:
            if since is not None:
                stretches.append(Stretch(since, last_seen))
            for kind, arrays in (decoded(value) if value else {}).items():
                found += (Row(r, kind, minute // r * r, arrays) for r in tables.RESOLUTIONS)
        return found, wanted, stretches, repeated

    async def join_counted(self, *, kept_since: float) -> None:
        """Make one of stretches of counting that touch, and delete what ended before then."""
        table = tables.counted
        ended = table.c.until < time.time() - JOINED_AFTER_SECONDS
        columns = (table.c.start, table.c.until, table.c.is_repeated)
        async with self._database.reading() as session:
            found = (await session.execute(select(*columns).where(ended))).all()
        if len(_joined_rows(found, kept_since)) == len(found):
            return
        async with self._database.writing() as session:
            # Who deletes them is the one who writes them anew.
            taken = delete(table).where(ended).returning(*columns)
            found = (await session.execute(taken)).all()
            await upsert(session, table, _joined_rows(found, kept_since))

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
            statement = insert_into(session)(table).values(
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

    async def settle(self, seen_before: float, coarse: Sequence[int]) -> int:
        """End the writers that went without saying so; gives how many.

        A writer brings its rows of ``coarse`` resolutions up to date when a minute ends. One that
        was killed leaves minutes behind that are in no coarse row yet. What is written are the sums
        of its own finer rows: settling twice changes nothing, and a writer that was only slow
        writes the same, or more, over it.
        """
        await self.prepare()
        table = tables.writers
        gone = (
            select(table.c.id, table.c.settled_until, table.c.running_minute, table.c.running)
            .where(table.c.last_seen < seen_before)
            .order_by(table.c.id)
        )
        async with self._database.reading() as session:
            if not (await session.execute(gone.limit(1))).all():
                return 0
        async with self._database.writing() as session:
            # Locked: what is read here must not be older than what its writer has written.
            found = (await session.execute(gone.with_for_update())).all()
            for writer, settled_until, minute, running in found:
                if running is not None:
                    key = RowKey(writer, tables.MINUTE, minute)
                    its_rows = [
                        row_values(key, kind, arrays) for kind, arrays in decoded(running).items()
                    ]
                    await self._write_rows(session, its_rows)
                await self._settle_writer(session, writer, settled_until, coarse)
            await _forget(session, [writer.id for writer in found])
        return len(found)

    async def _settle_writer(
        self, session: AsyncSession, writer: str, settled_until: int, coarse: Sequence[int]
    ) -> None:
        rows = tables.rows
        its = select(rows).where(rows.c.writer == writer, rows.c.kind.in_(list(RowKind)))
        unsettled = select(rows.c.kind, rows.c.bucket_start).where(
            rows.c.writer == writer,
            rows.c.kind.in_(list(RowKind)),
            rows.c.resolution == tables.MINUTE,
            rows.c.bucket_start >= settled_until,
        )
        minutes = (await session.execute(unsettled)).all()
        finer = tables.MINUTE
        # Each from the next finer, whole: what was settled before comes out the same again.
        for resolution in sorted(coarse):
            sums: dict[tuple[RowKey, RowKind], dict[int, Cell]] = {}
            for kind, start in {(k, m // resolution * resolution) for k, m in minutes}:
                parts = its.where(
                    rows.c.resolution == finer,
                    rows.c.kind == kind,
                    rows.c.bucket_start >= start,
                    rows.c.bucket_start < start + resolution,
                )
                cells = sums.setdefault((RowKey(writer, resolution, start), RowKind(kind)), {})
                for row in (await session.execute(parts)).mappings():
                    for number, cell in unpacked({name: row[name] for name in tables.ARRAYS}):
                        cells.setdefault(number, Cell()).add(cell)
            values = [
                row_values(key, kind, numbers([*cells]) | packed([*cells.values()]))
                for (key, kind), cells in sums.items()
            ]
            await self._write_rows(session, values)
            finer = resolution


async def _tell_counted(session: AsyncSession, writer: str, counting: Counting) -> None:
    values = [
        _stretch_row(writer, each, is_repeated=is_repeated)
        for is_repeated, stretches in ((False, counting.ended), (True, counting.repeated))
        for each in stretches
    ]
    await upsert(session, tables.counted, values)


async def _tell_what_comes_again(session: AsyncSession, writer: str) -> None:
    """When a writer begins, tell what others have counted by a clock that was later than now."""
    now = time.time()
    later = now + CLOCKS_AGREE_WITHIN_SECONDS
    table, alive = tables.counted, tables.writers
    queries = (
        select(table.c.start, table.c.until).where(table.c.until > later, ~table.c.is_repeated),
        select(alive.c.counting_since, alive.c.last_seen).where(
            alive.c.last_seen > later, alive.c.counting_since.is_not(None)
        ),
    )
    found = [Stretch(*row) for query in queries for row in await session.execute(query)]
    values = [_stretch_row(writer, each, is_repeated=True) for each in joined(again(now, found))]
    await upsert(session, table, values)


async def _counted_within(
    session: AsyncSession, segments: Sequence[Segment]
) -> tuple[list[Stretch], list[Stretch]]:
    """The stretches that have ended, and those that were passed twice."""
    table = tables.counted
    query = select(table.c.is_repeated, table.c.start, table.c.until).where(
        table.c.until > min((each.start for each in segments), default=0),
        table.c.start < max((each.end for each in segments), default=0),
    )
    once: list[Stretch] = []
    twice: list[Stretch] = []
    for is_repeated, start, until in await session.execute(query):
        (twice if is_repeated else once).append(Stretch(start, until))
    return once, twice


def _joined_rows(found: Iterable[Sequence[Any]], kept_since: float) -> list[dict[str, Any]]:
    """Rows of the table, from the start, end and kind of others."""
    by_kind: dict[bool, list[Stretch]] = {False: [], True: []}
    for start, until, is_repeated in found:
        by_kind[is_repeated].append(Stretch(start, until))
    return [
        _stretch_row("", each, is_repeated=is_repeated)
        for is_repeated, stretches in by_kind.items()
        for each in joined(stretches)
        if each.end > kept_since
    ]


def _stretch_row(writer: str, stretch: Stretch, *, is_repeated: bool) -> dict[str, Any]:
    start, until = stretch
    return {"writer": writer, "start": start, "is_repeated": is_repeated, "until": until}


async def _forget(session: AsyncSession, writers: Collection[str]) -> None:
    """Everything that they have counted is in rows, and for how long."""
    if writers:
        its = tables.writers.c.id.in_(writers)
        columns = (tables.writers.c[name] for name in ("id", "counting_since", "last_seen"))
        await upsert(
            session,
            tables.counted,
            [
                _stretch_row(writer, Stretch(since, last_seen), is_repeated=False)
                for writer, since, last_seen in await session.execute(select(*columns).where(its))
                if since is not None and since < last_seen
            ],
        )
        # The database keeps who has a minute that is not in a row yet.
        await session.execute(update(tables.writers).where(its).values(_running_values(None, {})))
        await session.execute(delete(tables.writers).where(its))


def _heartbeat(
    settled_until: int, state: Mapping[str, Any], counting: Counting | None
) -> dict[str, Any]:
    return {
        "last_seen": time.time(),
        "settled_until": settled_until,
        "state": dict(state),
        "counting_since": counting.since if counting else None,
    }


def _running_values(running: Running | None, ids: Mapping[str, int]) -> dict[str, Any]:
    if running is None:
        return {"running_minute": None, "running": None}
    return {"running_minute": running.minute, "running": encoded(running.snapshots, ids)}


def _place(values: Mapping[str, Any]) -> tuple[int, str, int]:
    return (values["resolution"], values["kind"], values["bucket_start"])


def _gaps(
    asked: Sequence[tuple[RowKind, Segment]], found: Sequence[Row]
) -> list[tuple[RowKind, Segment]]:
    """What of the segments is in none of the rows."""
    starts: dict[tuple[str, int], list[int]] = {}
    for row in found:
        starts.setdefault((row.kind, row.resolution), []).append(row.bucket_start)
    gaps: list[tuple[RowKind, Segment]] = []
    for kind, (resolution, start, end) in asked:
        its = sorted(s for s in starts.get((kind, resolution), ()) if start <= s < end)
        for before, after in pairwise([start - resolution, *its, end]):
            if before + resolution < after:
                gaps.append((kind, Segment(resolution, before + resolution, after)))
    return gaps
