"""Reading the rollups with 1, 30 and 400 days of history, and what a day of events leaves."""

import math
import random
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from itertools import islice, product
from pathlib import Path

from sqlalchemy.engine import make_url

from app.core import catalogue
from app.core.config import ASYNC_DRIVERS, RollupSettings
from app.core.database import Database
from app.core.instrumentation import orchestrator_instruments
from app.services.rollups import MINUTE, RESOLUTIONS, Rollups, Store
from app.services.rollups.buckets import Bucket, Snapshot
from app.services.rollups.rollups import retentions
from app.services.rollups.row_store import RowKey
from asgi_observability.metric import Kind, Metric
from asgi_observability.recorder import Batch, Series

WRITERS = 4
SERIES = {Kind.COUNTER: 80, Kind.HISTOGRAM: 25, Kind.GAUGE: 15}
HISTORIES = (1, 30, 400)
ROUNDS = 30
DAY = 86400
ROWS_AT_ONCE = 400
EVENTS_A_DAY = 1_000_000
METRICS = list(catalogue.metrics())
SETTINGS = RollupSettings()


async def run() -> None:
    """Print the medians of reads that took turns, and their ratios to one day of history."""
    with tempfile.TemporaryDirectory() as folder:
        databases = {days: _database(Path(folder) / f"{days}.db") for days in HISTORIES}
        now = int(time.time()) // DAY * DAY
        for days, database in databases.items():
            started = time.perf_counter()
            rows = await _fill(Store(database), now, days)
            megabytes = (Path(folder) / f"{days}.db").stat().st_size / 1e6
            print(
                f"{days:>4} days: {rows:>7} rows, {megabytes:>6.1f} MB, "
                f"filled in {time.perf_counter() - started:.0f} s",
                flush=True,
            )
        await _compare(databases)
        for database in databases.values():
            await database.close()
        await _remember(_database(Path(folder) / "memory.db"))


async def _compare(databases: dict[int, Database]) -> None:
    until = int(time.time()) // MINUTE * MINUTE + MINUTE
    asked = {
        "last hour": [(until - 3600, until)],
        "7 days": [(until - 7 * DAY, until)],
        "30 days": [(until - 30 * DAY, until)],
        "400 days": [(until - 400 * DAY, until)],
        "24 hours in 24 steps": [
            (until - h * 3600, until - (h - 1) * 3600) for h in range(24, 0, -1)
        ],
    }
    readers = {
        days: Rollups(Store(database), SETTINGS, orchestrator_instruments(), "reader", METRICS)
        for days, database in databases.items()
    }
    milliseconds: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        for question, ranges in asked.items():
            for days, reader in readers.items():
                started = time.perf_counter()
                await reader.stored(ranges, METRICS)
                elapsed = (time.perf_counter() - started) * 1000
                milliseconds.setdefault((question, days), []).append(elapsed)
    print(f"\n{'ms, median of ' + str(ROUNDS):<22}", *(f"{d:>5} days" for d in HISTORIES), " ratio")
    for question in asked:
        medians = [statistics.median(milliseconds[question, days]) for days in HISTORIES]
        columns = " ".join(f"{median:>10.1f}" for median in medians)
        print(f"{question:<22} {columns} {medians[-1] / medians[0]:>6.2f}")
    print("Goals: last hour 10 ms, any range over 30 days 25 ms; 1.5 of the cost at one day.")


async def _remember(database: Database) -> None:
    """A day of events into one worker, written every ten minutes."""
    rollups = Rollups(Store(database), SETTINGS, orchestrator_instruments(), "writer", METRICS)
    series = [*series_of_a_busy_service()]
    rng = random.Random(1)
    each = EVENTS_A_DAY // 1440 // len(series) + 1
    start = int(time.time()) // DAY * DAY - DAY
    tracemalloc.start()
    sizes = []
    for minute in range(1440):
        rollups.collect(
            start + minute * MINUTE,
            [Batch(one, [rng.lognormvariate(-1, 1) for _ in range(each)]) for one in series],
        )
        if minute % 10 == 9:
            await rollups.flush()
        if minute % 720 == 719:
            sizes.append(tracemalloc.get_traced_memory()[0] / 1e6)
    tracemalloc.stop()
    await database.close()
    print(
        f"\nmemory of a worker after {1440 * each * len(series):,} events of {len(series)} series: "
        f"{sizes[0]:.1f} MB after half the day, {sizes[1]:.1f} MB after the day"
    )


async def _fill(store: Store, now: int, days: int) -> int:
    """Write what writers would have kept of ``days``, the last of them today; gives the rows."""
    variants = [[*_bucket(seed, 20).snapshots()] for seed in range(8)]
    pending: dict[RowKey, list[Snapshot]] = {}
    rows = 0
    for resolution in RESOLUTIONS:
        kept = retentions(SETTINGS)[resolution]
        end = int(time.time()) // resolution * resolution + resolution
        for start in range(now - days * DAY, end, resolution):
            age = (end - start) / DAY
            for writer in range(WRITERS):
                snapshots = [
                    snapshot
                    for snapshot in variants[(start // resolution + writer) % len(variants)]
                    if age <= getattr(kept, snapshot.kind)
                ]
                if snapshots:
                    pending[RowKey(f"{writer}", resolution, start)] = snapshots
                    rows += len(snapshots)
            if len(pending) >= ROWS_AT_ONCE:
                await store.write(pending, "0", end, {})
                pending = {}
    await store.write(pending, "0", int(time.time()), {})
    return rows


def _bucket(seed: int, events: int) -> Bucket:
    rng = random.Random(seed)
    bucket = Bucket()
    bucket.collect(
        Batch(series, [rng.lognormvariate(-1, 1) for _ in range(events)])
        for series in series_of_a_busy_service()
    )
    return bucket


def series_of_a_busy_service() -> Iterator[Series]:
    """As many series of each kind as a busy service has, from the catalogue."""
    for kind, count in SERIES.items():
        metrics = [metric for metric in METRICS if metric.kind is kind]
        share = math.ceil(count / len(metrics))
        everything = [Series(m, values) for m in metrics for values in islice(_values(m), share)]
        rest = [Series(m, values) for m in metrics for values in islice(_values(m), share, None)]
        yield from (everything + rest)[:count]


def _values(metric: Metric) -> Iterator[tuple[str, ...]]:
    choices: Sequence[Sequence[str]] = [
        label.values or [f"{label.name}-{number}" for number in range(12)]
        for label in metric.labels
    ]
    return product(*choices)


def _database(file: Path) -> Database:
    url = make_url(f"sqlite:///{file}").set(drivername=ASYNC_DRIVERS["sqlite"])
    return Database(url, pool_size=2)
