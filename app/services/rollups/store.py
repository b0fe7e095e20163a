"""The rollup store: rows written and read, writers, leases; SQLite or PostgreSQL."""

import os
import socket
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import Database
from app.migrations import ROLLUPS, upgrade
from app.services.rollups import tables
from app.services.rollups.buckets import Cell, Snapshot, numbers, packed, unpacked
from app.services.rollups.row_store import RowKey, RowStore, insert_into, row_values, upsert
from app.services.rollups.tables import RowKind

_DAY = 86400
_AT_ONCE = 400
"""Values in one IN or INSERT: SQLite takes a bounded number of parameters."""


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
            await upsert(
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
                row_values(key, snapshot.kind, snapshot.row(ids))
                for key, snapshots in buckets.items()
                for snapshot in snapshots
            ]
            await upsert(session, tables.rows, values)
            await _forget(session, ended)
        # Not before the commit: numbers that were rolled back are given to others.
        self._ids = ids

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
            await upsert(session, rows, values)
            finer = resolution


async def _forget(session: AsyncSession, writers: Collection[str]) -> None:
    if writers:
        await session.execute(delete(tables.writers).where(tables.writers.c.id.in_(writers)))
