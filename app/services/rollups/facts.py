"""Facts of the business added up: read as soon as they are committed, folded now and then.

A transaction leaves one row in the outbox (`app.core.facts`). One worker at a time takes rows out
of it and adds them to the rows of every resolution, in one transaction: what is killed on the way
has done nothing, and what is done twice finds nothing to do. Readers add what is in neither yet.
"""

import asyncio
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

import orjson
from sqlalchemy import delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import catalogue
from app.core.catalogue import BackgroundTask
from app.core.database import Database
from app.core.facts import outbox
from app.services.rollups import tables
from app.services.rollups.buckets import Cell, numbers, packed, unpacked
from app.services.rollups.coverage import Segment
from app.services.rollups.merging import Row, Wanted, merged
from app.services.rollups.row_store import RowKey, RowStore, parsed, row_values, upsert
from app.services.rollups.sketch import binned
from app.services.rollups.tables import ARRAYS, KIND_OF, MINUTE, RESOLUTIONS, RowKind
from app.services.rollups.totals import Totals
from asgi_observability.background import Background
from asgi_observability.metric import Kind, Metric

WRITER = "facts"
"""Stands for a worker in the rows: they are everybody's."""

FOLD_SECONDS = 5.0
"""How old the oldest row of the outbox is when it is folded, whatever the number of workers."""

AT_ONCE = 2000
"""Rows of the outbox that one transaction folds: what memory holds, and what others wait for."""

_KINDS = {metric.name: metric.kind for metric in catalogue.FACTS}

Cells = dict[tuple[int, RowKind], dict[str, Cell]]
"""What was counted, by minute (Unix time) and kind, and by series."""


class FactStore(RowStore):
    """The outbox and the rows of facts, in the business database.

    Every method raises SQLAlchemyError or OSError.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database, tables.fact_rows, tables.fact_series)

    async def run(self, background: Background) -> None:
        """Fold until cancelled."""
        await background.every(BackgroundTask.FACT_FOLDING, FOLD_SECONDS, self._fold_what_is_due)

    async def _fold_what_is_due(self) -> None:
        oldest = select(outbox.c.told_at).order_by(outbox.c.id).limit(1)
        async with self._database.reading() as session:
            told_at = await session.scalar(oldest)
        # Otherwise another worker has folded meanwhile.
        if told_at is not None and time.time() - told_at >= FOLD_SECONDS:
            while await self.fold() == AT_ONCE:
                pass

    async def fold(self) -> int:
        """Add up to AT_ONCE rows of the outbox to the rows of facts, and take them out of it.

        Gives how many; none while another worker does it.
        """
        oldest = select(outbox.c.id).order_by(outbox.c.id).limit(AT_ONCE)
        taken = delete(outbox).where(outbox.c.id.in_(oldest.scalar_subquery()))
        async with self._database.writing() as session:
            if not await self._database.try_lock(session, "fold facts"):
                return 0
            result = await session.execute(
                taken.returning(outbox.c.told_at, outbox.c.counts).execution_options(
                    synchronize_session=False
                )
            )
            rows = [(told_at, counts) for told_at, counts in result]
            if rows:
                await self._add(session, await asyncio.to_thread(_cells, rows))
        return len(rows)

    async def read_totals(
        self,
        asked: Sequence[tuple[int, int]],
        segments: Mapping[RowKind, Sequence[Sequence[Segment]]],
        wanted_rows: Sequence[tuple[RowKind, Segment]],
        metrics: Collection[Metric],
    ) -> list[Totals]:
        """The totals of each range [start, end) in Unix time, made up of its ``segments``.

        All is read as of one moment: a fact is in the outbox or in the rows, never in both.
        """
        unfolded = select(outbox.c.told_at, outbox.c.counts).where(
            outbox.c.told_at >= min(start for start, _ in asked),
            outbox.c.told_at < max(end for _, end in asked),
        )
        async with self._database.snapshot() as session:
            told = [(told_at, counts) for told_at, counts in await session.execute(unfolded)]
            rows = await self._read(session, wanted_rows, self.rows)
            names = dict(await self.names_in(session))

        by_name = {metric.name: metric for metric in metrics}

        def added_up() -> list[Totals]:
            cells = _cells(told)
            ids = {name: number for number, name in names.items()}
            for name in {name for by_series in cells.values() for name in by_series}:
                ids.setdefault(name, len(ids) + max(names, default=0) + 1)
            series = {number: parsed(name) for name, number in ids.items()}
            wanted = {
                number: (by_name[metric], labels)
                for number, (metric, labels) in series.items()
                if metric in by_name
            }
            return merged([*rows, *_rows_of(cells, ids)], segments, Wanted(wanted))

        return await asyncio.to_thread(added_up)

    async def _add(self, session: AsyncSession, cells: Cells) -> None:
        """Add to the rows; the transaction has them for itself."""
        ids = {name: number for number, name in (await self.names_in(session)).items()}
        ids |= await self._number(session, {n for by in cells.values() for n in by} - ids.keys())
        wholes: dict[tuple[int, str, int], dict[int, Cell]] = {}
        for (minute, kind), by_series in cells.items():
            for resolution in RESOLUTIONS:
                key = (resolution, kind.value, minute // resolution * resolution)
                whole = wholes.setdefault(key, {})
                for name, cell in by_series.items():
                    whole.setdefault(ids[name], Cell()).add(cell)
        rows = self.rows
        keys = tuple_(rows.c.resolution, rows.c.kind, rows.c.bucket_start)
        found = await session.execute(
            select(rows).where(keys.in_([*wholes]), rows.c.writer == WRITER)
        )
        for row in found.mappings():
            whole = wholes[row["resolution"], row["kind"], row["bucket_start"]]
            for number, cell in unpacked({name: row[name] for name in ARRAYS}):
                whole.setdefault(number, Cell()).add(cell)
        values = [
            row_values(
                RowKey(WRITER, resolution, start),
                RowKind(kind),
                numbers([*whole]) | packed([*whole.values()]),
            )
            for (resolution, kind, start), whole in sorted(wholes.items())
        ]
        await upsert(session, rows, values)


def _cells(told: Iterable[tuple[int, str]]) -> Cells:
    """What rows of the outbox counted."""
    noted: dict[tuple[int, str], list[float]] = {}
    for told_at, counts in told:
        minute = told_at // MINUTE * MINUTE
        for name, value in orjson.loads(counts):
            noted.setdefault((minute, name), []).append(value)
    cells: Cells = {}
    for (minute, name), values in noted.items():
        # A metric of another release counts as it did there, as far as it can be known.
        kind = _KINDS.get(parsed(name)[0], Kind.COUNTER)
        cell = Cell(len(values), sum(values), min(values), max(values))
        if kind is Kind.HISTOGRAM:
            cell.bins.update(binned(values))
        cells.setdefault((minute, KIND_OF[kind]), {})[name] = cell
    return cells


def _rows_of(cells: Cells, ids: Mapping[str, int]) -> Iterable[Row]:
    """The same as rows of every resolution, so that any way to make up a range finds them."""
    for (minute, kind), by_series in cells.items():
        arrays = packed([*by_series.values()]) | numbers([ids[name] for name in by_series])
        for resolution in RESOLUTIONS:
            yield Row(resolution, kind.value, minute // resolution * resolution, arrays)
