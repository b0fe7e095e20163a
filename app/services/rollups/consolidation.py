"""Buckets that have ended get one row of all writers, so that reading costs what one writer does.

The writers' rows stay, and consolidated rows are nothing but their sums: they can be made again at
any time, in any order, by anybody. When a row is written after all (by a worker that stood still,
or when one is settled), the database says of the bucket's consolidated row that it is out of date
(app/migrations/rollups/consolidated.py); readers then take the writers' rows until it is made anew.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import delete, func, select

from app.core import catalogue
from app.core.catalogue import BackgroundTask
from app.core.config import RollupSettings
from app.core.database import Database
from app.services.rollups.merging import as_one_row
from app.services.rollups.rollups import (
    DEAD_AFTER_SECONDS,
    SETTLED_WITHIN_SECONDS,
    kept_since,
)
from app.services.rollups.row_store import parsed, upsert
from app.services.rollups.store import Store
from app.services.rollups.tables import ARRAYS, MINUTE, RESOLUTIONS, RowKind, consolidated
from asgi_observability.background import Background
from asgi_observability.metric import Kind

LOCK = "consolidate rollups"
"""Taken alone here and shared by who writes rows, in a trigger of PostgreSQL."""

INTERVAL_SECONDS = 10.0

WRITTEN_WITHIN_SECONDS = 10
"""How long after its end a minute is waited for: its writers flush once a second."""

AT_ONCE = 2
"""Buckets in one transaction: who wants to write a row waits for it."""

BUCKETS_IN_A_ROUND = 60
"""Buckets of one kind and length that one round catches up with, after an upgrade or a pause."""

_GAUGES = {metric.name: metric for metric in catalogue.metrics() if metric.kind is Kind.GAUGE}


class Consolidation:
    """Consolidates what has ended. Methods raise SQLAlchemyError or OSError."""

    def __init__(self, database: Database, store: Store, settings: RollupSettings) -> None:
        self._database = database
        self._store = store
        self._settings = settings

    async def run(self, background: Background) -> None:
        """Consolidate until cancelled."""
        await background.every_beginning_later(
            BackgroundTask.ROLLUP_CONSOLIDATION, INTERVAL_SECONDS, self.consolidate_many_writers
        )

    async def consolidate_many_writers(self) -> None:
        """`consolidate`, where there are several writers: one's rows are as good as their sums."""
        if len(await self._store.writers(time.time() - DEAD_AFTER_SECONDS)) > 1:
            await self.consolidate()

    async def consolidate(self) -> int:
        """Bring the consolidated rows up to date, newest first; gives how many were made.

        Those of older buckets follow in later rounds.
        """
        await self._store.prepare()
        made = 0
        for resolution in RESOLUTIONS:
            for kind in RowKind:
                due = await self._due(resolution, kind)
                for first in range(0, len(due), AT_ONCE):
                    some = due[first : first + AT_ONCE]
                    if not await self._make(resolution, kind, some):
                        return made
                    made += len(some)
        return made

    async def _due(self, resolution: int, kind: RowKind) -> list[int]:
        """The starts of the buckets to consolidate, the newest first."""
        wait = WRITTEN_WITHIN_SECONDS if resolution == MINUTE else SETTLED_WITHIN_SECONDS
        ended = int(time.time() - wait) // resolution * resolution
        table, rows = consolidated, self._store.rows
        of_kind = (table.c.resolution == resolution, table.c.kind == kind.value)
        async with self._database.reading() as session:
            extremes = select(func.min(table.c.bucket_start), func.max(table.c.bucket_start))
            oldest, newest = (await session.execute(extremes.where(*of_kind))).one()
            if newest is None:
                oldest, newest = ended, ended - resolution
            out_of_date = (
                select(table.c.bucket_start)
                .where(*of_kind, ~table.c.is_current, table.c.bucket_start < ended)
                .order_by(table.c.bucket_start.desc())
                .limit(BUCKETS_IN_A_ROUND)
            )
            changed = (await session.scalars(out_of_date)).all()
            kept = kept_since(self._settings, {kind})[resolution]
            if kept < oldest:
                first = select(func.min(rows.c.bucket_start)).where(
                    rows.c.resolution == resolution, rows.c.kind == kind.value
                )
                kept = max(kept, await session.scalar(first) or oldest)
        if oldest < kept:
            await self._expire(resolution, kind, kept)
        # Without a hole in between, so that the two ends say what is there.
        ahead = range(max(newest + resolution, kept), ended, resolution)[:BUCKETS_IN_A_ROUND]
        behind = range(oldest - resolution, kept - 1, -resolution)[:BUCKETS_IN_A_ROUND]
        return [*ahead, *changed, *behind]

    async def _expire(self, resolution: int, kind: RowKind, until: int) -> None:
        table = consolidated
        async with self._database.writing() as session:
            await session.execute(
                delete(table).where(
                    table.c.resolution == resolution,
                    table.c.kind == kind.value,
                    table.c.bucket_start < until,
                )
            )

    async def _make(self, resolution: int, kind: RowKind, starts: Sequence[int]) -> bool:
        """Consolidate these buckets; False while somebody writes rows or does the same."""
        rows = self._store.rows
        query = select(rows.c.bucket_start, *(rows.c[name] for name in ARRAYS)).where(
            rows.c.resolution == resolution,
            rows.c.kind == kind.value,
            rows.c.bucket_start.in_(starts),
        )
        async with self._database.writing() as session:
            if not await self._database.try_lock(session, LOCK):
                return False
            found: dict[int, list[Mapping[str, bytes]]] = {start: [] for start in starts}
            for row in (await session.execute(query.order_by(rows.c.writer))).mappings():
                found[row["bucket_start"]].append({name: row[name] for name in ARRAYS})
            # After the rows: the number of each of their series is there.
            names = await self._store.names_in(session)
            values = await asyncio.to_thread(lambda: [*_added_up(resolution, kind, found, names)])
            await upsert(session, consolidated, values)
        return True


def _added_up(
    resolution: int,
    kind: RowKind,
    found: Mapping[int, Sequence[Mapping[str, bytes]]],
    names: Mapping[int, str],
) -> Iterator[dict[str, Any]]:
    """The consolidated row of each bucket, also of those without rows."""
    summed: set[int] = set()
    unknown: set[int] = set()
    if kind is RowKind.SAMPLES:
        for number, name in names.items():
            gauge = _GAUGES.get(parsed(name)[0])
            if gauge is None:
                unknown.add(number)
            elif gauge.merge == "livesum":
                summed.add(number)
    for start, rows in found.items():
        arrays = as_one_row(rows, resolution, summed)
        yield {
            "resolution": resolution,
            "kind": kind.value,
            "bucket_start": start,
            # How a gauge of another release is added up is known there only.
            "is_current": unknown.isdisjoint(np.frombuffer(arrays["series"], "<i4").tolist()),
            **arrays,
        }
