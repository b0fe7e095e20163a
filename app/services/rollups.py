"""Rollups: exact counts and sums by minute, in SQL, for the JSON endpoint.

Each writer (a worker, from its start to its end) keeps rows of its own and writes them as absolute
values: a flush that is repeated changes nothing, and readers add the writers up. Counts not
written yet stay in memory until a flush succeeds.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import BigInteger, Column, Float, MetaData, String, Table, func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import SQLAlchemyError

from app.core import catalogue
from app.core.database import Database
from app.core.instrumentation import Instruments

log = structlog.get_logger(__name__)

MINUTE = 60
metadata = MetaData()

# Time leads the key: a range of time is read whatever the series, and stays cheap as history grows.
rollups = Table(
    "metric_rollups",
    metadata,
    Column("bucket_start", BigInteger, primary_key=True, comment="Unix time, seconds"),
    Column("series", String(200), primary_key=True),
    Column("writer", String(32), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("sum", Float, nullable=False),
)


@dataclass(slots=True)
class Total:
    """How often something happened, and the sum of its values in the series' unit."""

    count: int = 0
    sum: float = 0.0

    @property
    def mean(self) -> float:
        """The mean value; 0 when nothing happened."""
        return self.sum / self.count if self.count else 0.0


class Rollups:
    """The rollups of one writer, and the sum over all writers."""

    def __init__(
        self, database: Database, writer: str, instruments: Instruments, flush_seconds: float
    ) -> None:
        self._database = database
        self._writer = writer
        self._flush_seconds = flush_seconds
        self._failures = instruments.counter(catalogue.ROLLUP_FLUSH_FAILURES).child()
        self._buckets: dict[tuple[int, str], Total] = {}
        self._changed: set[tuple[int, str]] = set()
        self._flushing = asyncio.Lock()

    def add(self, series: str, value: float = 0.0) -> None:
        """Count one event of ``series`` now; ``value`` is in the unit that the series has."""
        key = (int(time.time()) // MINUTE * MINUTE, series)
        bucket = self._buckets.setdefault(key, Total())
        bucket.count += 1
        bucket.sum += value
        self._changed.add(key)

    async def flush(self) -> None:
        """Write what has changed. Raises SQLAlchemyError or OSError, and then keeps it."""
        async with self._flushing:
            changed, self._changed = self._changed, set()
            if not changed:
                return
            rows = [self._row(key) for key in changed]
            try:
                async with self._database.writing() as session:
                    dialect = session.get_bind().dialect.name
                    insert = sqlite_insert if dialect == "sqlite" else postgresql_insert
                    statement = insert(rollups)
                    await session.execute(
                        statement.on_conflict_do_update(
                            index_elements=["bucket_start", "series", "writer"],
                            set_={
                                "count": statement.excluded["count"],
                                "sum": statement.excluded["sum"],
                            },
                        ),
                        rows,
                    )
            except BaseException:
                self._changed |= changed
                raise
            self._forget_complete_minutes()

    async def run(self) -> None:
        """Flush at the interval until cancelled; failures are counted, logged and tried again."""
        while True:
            await asyncio.sleep(self._flush_seconds)
            try:
                await self.flush()
            except (SQLAlchemyError, OSError) as error:
                self._failures.inc()
                log.warning("rollup_flush_failed", error_type=type(error).__name__)

    async def totals(self, since: int, until: int) -> Mapping[str, Total]:
        """Totals by series over the minutes that begin in [since, until), Unix seconds.

        This writer's counts up to now are in it; those of others up to their last flush.
        Raises SQLAlchemyError or OSError when the store does not answer.
        """
        await self.flush()
        query = (
            select(rollups.c.series, func.sum(rollups.c.count), func.sum(rollups.c.sum))
            .where(rollups.c.bucket_start >= since, rollups.c.bucket_start < until)
            .group_by(rollups.c.series)
        )
        async with self._database.reading() as session:
            rows = (await session.execute(query)).all()
        return {series: Total(int(count), float(total)) for series, count, total in rows}

    def _row(self, key: tuple[int, str]) -> dict[str, object]:
        bucket_start, series = key
        bucket = self._buckets[key]
        return {
            "bucket_start": bucket_start,
            "series": series,
            "writer": self._writer,
            "count": bucket.count,
            "sum": bucket.sum,
        }

    def _forget_complete_minutes(self) -> None:
        # Two hours of slack: a clock set back by less continues its minutes, not restarts them.
        horizon = int(time.time()) - 2 * 3600
        done = [key for key in self._buckets if key[0] < horizon and key not in self._changed]
        for key in done:
            del self._buckets[key]
