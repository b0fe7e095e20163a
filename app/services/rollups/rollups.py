"""The rollups of one writer: what was noted, on its way from memory to the store and back."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from app.core import catalogue
from app.core.catalogue import BackgroundTask
from app.core.config import Retention, RollupSettings
from app.core.database_errors import database_trouble
from app.core.events import RollupFlushBroken, RollupFlushFailed
from app.services.rollups import coverage
from app.services.rollups.buckets import Bucket
from app.services.rollups.counted_time import Counted, CountedTime
from app.services.rollups.coverage import Segment
from app.services.rollups.facts import FactStore
from app.services.rollups.merging import Row, Wanted, merged
from app.services.rollups.row_store import RowKey, RowStore, parsed
from app.services.rollups.running import Running
from app.services.rollups.store import Store, WriterState
from app.services.rollups.tables import KIND_OF, MINUTE, RESOLUTIONS, RowKind
from app.services.rollups.totals import Totals
from asgi_observability.background import Background
from asgi_observability.event import FromCode
from asgi_observability.instruments import Instruments
from asgi_observability.logging import get_logger
from asgi_observability.metric import Metric
from asgi_observability.recorder import Batch

log = get_logger(__name__)

COARSE = RESOLUTIONS[:-1]
DEAD_AFTER_SECONDS = 30.0
"""Without a flush for this long a writer counts as ended."""

SETTLED_WITHIN_SECONDS = 120
"""Coarse buckets that ended less than this ago are read as minutes: a writer that was killed may
not have been settled yet."""

STORE_SECONDS = 10.0
"""A store that takes longer than this does not answer; a locked table or a lost network would
otherwise be waited for without end."""

_LOG_EVERY_SECONDS = 60.0
_DAY = 86400


class StoreUnreadableError(Exception):
    """The store does not answer; its words say why."""


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """Whether the store takes what is counted. ``since`` is when it last changed its mind."""

    is_up: bool
    reason: str | None
    since: datetime | None
    unwritten_events: int
    lost_events: int


class Rollups:
    """Counts, sums and sketches of ``metrics`` by minute, 5 minutes, hour and day.

    Each writer (a worker, from its start to its end) keeps rows of its own and writes them as
    absolute values: a flush that is repeated changes nothing, and readers add the writers up.
    What is not written yet stays in memory until a flush succeeds.
    """

    def __init__(
        self,
        store: Store,
        settings: RollupSettings,
        instruments: Instruments,
        writer: str,
        metrics: Collection[Metric],
        state: Callable[[], Mapping[str, Any]] = dict,
        facts: FactStore | None = None,
    ) -> None:
        """``metrics`` are those that this writer measures; ``facts`` are read beside them."""
        self._facts = facts
        self._store = store
        self._settings = settings
        self._writer = writer
        self._metrics = {metric.name for metric in metrics}
        self._state = state
        self._recorder = instruments.recorder
        self._background = Background(instruments)
        self._failures = instruments.counter(catalogue.ROLLUP_FLUSH_FAILURES).series()
        self._lost = instruments.counter(catalogue.ROLLUP_LOST_EVENTS).series()
        self._durations = instruments.histogram(catalogue.ROLLUP_FLUSH_DURATION).series()
        # Batches come from any thread.
        self._changing = Lock()
        self._epoch = 0
        self._minute: int | None = None
        self._closed_until = 0
        self._open = Bucket()
        self._open_is_written = True
        self._coarse: dict[int, tuple[int, Bucket]] = {}
        self._unwritten: dict[RowKey, Bucket] = {}
        self._ended: set[str] = set()
        self._flushing = asyncio.Lock()
        self._settle_at = float("-inf")
        self._logged_at = float("-inf")
        self._failed_since: datetime | None = None
        self._reason: str | None = None
        self._lost_events = 0
        self._counted = CountedTime(3 * settings.flush_seconds)
        self._recorder.subscribe(self.collect, metrics)

    # --- from memory to the store ---

    def collect(self, minute: int, batches: Sequence[Batch]) -> None:
        """Take what was noted in the minute that began at ``minute``, Unix seconds."""
        kept = [batch for batch in batches if batch.series.metric.name in self._metrics]
        if not kept:
            return
        with self._changing:
            # Also while a store that hangs keeps the flush waiting.
            self._counted.go_on()
            if minute != self._minute:
                self._close_minute()
                if minute < self._closed_until:
                    self._begin_epoch()
                self._minute = minute
            self._open.collect(kept)
            self._open_is_written = False

    async def flush(self) -> None:
        """Write what has changed. Raises SQLAlchemyError or OSError, and then keeps it."""
        async with self._flushing:
            self._recorder.drain()
            started = time.perf_counter()
            with self._changing:
                self._counted.go_on()
                counting = self._counted.to_write()
                if self._minute is not None and time.time() >= self._minute + MINUTE:
                    self._close_minute()
                unwritten, self._unwritten = self._unwritten, {}
                settled = self._minute if self._minute is not None else self._closed_until
                writer, ended, self._ended = self._writer_id, self._ended, set()
                # Of this moment: other threads go on counting in the minute that runs.
                snapshots = {key: [*bucket.snapshots()] for key, bucket in unwritten.items()}
                running = None
                if self._minute is not None:
                    running = Running(self._minute, [*self._open.snapshots()])
                self._open_is_written = True
            try:
                state = self._state()
                async with asyncio.timeout(STORE_SECONDS):
                    await self._store.write(
                        snapshots, writer, settled, state, ended, running, counting
                    )
            except BaseException as error:
                with self._changing:
                    self._open_is_written = self._minute is None
                    self._unwritten = unwritten | self._unwritten
                    self._ended |= ended
                    lost = self._give_up_oldest()
                # Outside of the lock: noting may drain the recorder, which comes back here.
                if lost:
                    self._lost_events += lost
                    self._lost.note(lost)
                self._has_failed(error)
                raise
            with self._changing:
                self._counted.is_written(counting)
            self._durations.note(time.perf_counter() - started)
            self._failed_since = self._reason = None

    async def _flush_what_is_new(self) -> None:
        """`flush`, unless all that has been noted is written."""
        self._recorder.drain()
        with self._changing:
            is_written = self._open_is_written and not self._unwritten and not self._ended
        if not is_written or self._reason is not None or self._flushing.locked():
            await self.flush()

    async def finish(self) -> None:
        """Write everything, the minute that runs included, and end. Raises as `flush` does."""
        self._recorder.drain()
        with self._changing:
            self._close_minute()
        await self.flush()
        await self._store.forget(self._writer_id)

    async def run(self) -> None:
        """Flush at the interval, and settle for writers that were killed, until cancelled."""
        await self._background.every(
            BackgroundTask.ROLLUP_FLUSH, self._settings.flush_seconds, self._try_to_flush
        )

    async def _try_to_flush(self) -> None:
        try:
            await self.flush()
            if time.monotonic() >= self._settle_at:
                self._settle_at = time.monotonic() + DEAD_AFTER_SECONDS
                async with asyncio.timeout(STORE_SECONDS):
                    await self._store.settle(time.time() - DEAD_AFTER_SECONDS, COARSE)
        except Exception as error:
            self._failures.note()
            if not isinstance(error, SQLAlchemyError | OSError):
                # A defect of ours: it must not end the flushing, nor stay unseen.
                log.event(RollupFlushBroken(), error)

    @property
    def health(self) -> StoreHealth:
        """How the store does, from the last flush."""
        with self._changing:
            unwritten = sum(bucket.events for bucket in self._unwritten_minutes().values())
        return StoreHealth(
            self._reason is None, self._reason, self._failed_since, unwritten, self._lost_events
        )

    # --- from the store to who asks ---

    async def read(
        self, asked: Sequence[tuple[int, int]], metrics: Collection[Metric]
    ) -> list[Totals]:
        """The totals of each range [start, end), whole minutes in Unix seconds, over all writers.

        This worker's notes up to now are in them, those of others up to their last flush. When the
        store does not answer, they hold what this worker has not written yet, and say so.
        """
        try:
            return await self.stored(asked, metrics)
        except StoreUnreadableError:
            return self._from_memory(asked, metrics)

    async def stored(
        self, asked: Sequence[tuple[int, int]], metrics: Collection[Metric]
    ) -> list[Totals]:
        """The same, or StoreUnreadableError when the store does not answer.

        Totals are complete where the whole of a range is still kept, and some worker counted in it.
        They say for how long one did.
        """
        measured, counted = await self._stored_measured(asked, metrics)
        of_facts = [metric for metric in metrics if metric in catalogue.FACTS]
        if self._facts is not None and of_facts:
            facts = await self._stored_facts(self._facts, asked, of_facts)
            for totals, its in zip(measured, facts, strict=True):
                totals.add(its)
        now = time.time()
        for (start, end), totals in zip(asked, measured, strict=True):
            seconds = counted.seconds(start, end)
            totals.counted_seconds = seconds
            totals.coverage = seconds / (min(end, now) - start) if start < now else None
            # What is there was counted, also where it is forgotten when; and now it is, by us.
            is_counted = seconds > 0 or totals.hold_anything or start <= now < end
            totals.complete &= is_counted and counted.is_certain(start, end)
        return measured

    async def _stored_measured(
        self, asked: Sequence[tuple[int, int]], metrics: Collection[Metric]
    ) -> tuple[list[Totals], Counted]:
        # In a thread, as is the merging: there may be thousands of ranges.
        composed = await asyncio.to_thread(self._composed_by_kind, asked, _kinds(metrics))
        wanted_rows = [(kind, s) for kind, parts in composed.items() for s in _joined(parts)]
        try:
            async with asyncio.timeout(STORE_SECONDS):
                await self._flush_what_is_new()
                rows, wanted, stretches, twice = await self._store.read(wanted_rows, metrics)
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnreadableError(_reason(error)) from error

        def answers() -> list[Totals]:
            found = merged(rows, composed, wanted)
            for place, (start, end) in enumerate(asked):
                found[place].complete = all(
                    coverage.is_filled(parts[place], start, end) for parts in composed.values()
                )
            return found

        with self._changing:
            self._counted.go_on()
            to_write = self._counted.to_write()
            own = (self._counted.running, *to_write.ended)
        counted = Counted([*stretches, *own], [*twice, *to_write.repeated])
        return await asyncio.to_thread(answers), counted

    async def _stored_facts(
        self, facts: FactStore, asked: Sequence[tuple[int, int]], metrics: Collection[Metric]
    ) -> list[Totals]:
        kept = {kind: self._kept({kind}) for kind in _kinds(metrics)}

        def composed() -> dict[RowKind, list[list[Segment]]]:
            # Their rows of all resolutions are written together: none is behind another.
            return {
                kind: [list(coverage.composed(*each, kept[kind])) for each in asked]
                for kind in kept
            }

        segments = await asyncio.to_thread(composed)
        wanted_rows = [(kind, s) for kind, parts in segments.items() for s in _joined(parts)]
        try:
            async with asyncio.timeout(STORE_SECONDS):
                return await facts.read_totals(asked, segments, wanted_rows, metrics)
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnreadableError(_reason(error)) from error

    def _composed_by_kind(
        self, asked: Sequence[tuple[int, int]], kinds: Collection[RowKind]
    ) -> dict[RowKind, list[list[Segment]]]:
        """Each kind for itself: what one has lost at the edges of an old range, another has."""
        kept = {kind: self._kept({kind}) for kind in kinds}
        return {kind: [list(self._composed(*each, kept[kind])) for each in asked] for kind in kinds}

    async def series(self, metrics: Collection[Metric]) -> list[tuple[Metric, Mapping[str, str]]]:
        """Every series of ``metrics`` there has been. Raises StoreUnreadableError."""
        found: dict[tuple[str, ...], tuple[Metric, Mapping[str, str]]] = {}
        try:
            async with asyncio.timeout(STORE_SECONDS):
                for store in self._stores:
                    await store.prepare()
                    for metric, labels in (await store.numbers(metrics)).values():
                        found[metric.name, *labels.values()] = metric, labels
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnreadableError(_reason(error)) from error
        return [*found.values()]

    @property
    def _stores(self) -> list[RowStore]:
        return [self._store, *([self._facts] if self._facts else [])]

    def finest_step(self, start: int, metrics: Collection[Metric]) -> int | None:
        """The shortest step in seconds (60, 300, 3600 or 86400) that is kept since ``start``.

        None where nothing is kept of that age.
        """
        return coverage.finest_step(start, self._kept(_kinds(metrics)))

    def oldest_kept(self, metrics: Collection[Metric]) -> int:
        """Since when anything is kept of all ``metrics``, Unix seconds."""
        return min(self._kept(_kinds(metrics)).values())

    def first_inexact(self, edges: Collection[int], metrics: Collection[Metric]) -> int | None:
        """The first of ``edges`` at which no range can be cut exactly any more."""
        kept = self._kept(_kinds(metrics))
        return next((edge for edge in edges if not coverage.is_edge(edge, kept)), None)

    def aligned(self, start: int, end: int, metrics: Collection[Metric]) -> tuple[int, int]:
        """The range widened to what the resolutions kept for ``metrics`` can answer exactly."""
        return coverage.aligned(start, end, self._kept(_kinds(metrics)))

    async def writers(self) -> list[WriterState]:
        """The workers of all replicas that are alive. Raises SQLAlchemyError or OSError."""
        return await self._store.writers(time.time() - DEAD_AFTER_SECONDS)

    def _composed(self, start: int, end: int, kept: dict[int, int]) -> Sequence[Segment]:
        settled = int(time.time()) - SETTLED_WITHIN_SECONDS
        recent = max(start, min(end, settled // MINUTE * MINUTE))
        return [
            *coverage.composed(start, recent, kept),
            *([Segment(MINUTE, recent, end)] if recent < end else []),
        ]

    def _kept(self, kinds: Collection[RowKind]) -> dict[int, int]:
        """Since when each resolution is kept, for the kind that expires first.

        Whole days of UTC expire, as in `Expiry`.
        """
        return kept_since(self._settings, kinds)

    def _from_memory(
        self, asked: Sequence[tuple[int, int]], metrics: Collection[Metric]
    ) -> list[Totals]:
        wanted_metrics = {metric.name: metric for metric in metrics}
        with self._changing:
            minutes = self._unwritten_minutes()
            snapshots = [(s, key.bucket_start) for key, b in minutes.items() for s in b.snapshots()]
        names = sorted({name for snapshot, _ in snapshots for name in snapshot.names})
        ids = {name: number for number, name in enumerate(names)}
        rows = [Row(MINUTE, s.kind.value, start, s.row(ids)) for s, start in snapshots]
        series = {number: parsed(name) for name, number in ids.items()}
        wanted = Wanted(
            {
                number: (wanted_metrics[metric], labels)
                for number, (metric, labels) in series.items()
                if metric in wanted_metrics
            }
        )
        minutes_asked = [[Segment(MINUTE, *each)] for each in asked]
        answers = merged(rows, dict.fromkeys(_kinds(metrics), minutes_asked), wanted)
        for totals in answers:
            totals.complete = False
        return answers

    # --- the minute that runs; the lock is held ---

    @property
    def _writer_id(self) -> str:
        return f"{self._writer[:24]}-{self._epoch}"

    def _key(self, resolution: int, start: int) -> RowKey:
        return RowKey(self._writer_id, resolution, start)

    def _unwritten_minutes(self) -> dict[RowKey, Bucket]:
        minutes = {key: b for key, b in self._unwritten.items() if key.resolution == MINUTE}
        if self._minute is not None and not self._open_is_written:
            minutes[self._key(MINUTE, self._minute)] = self._open
        return minutes

    def _close_minute(self) -> None:
        """Make a row of the minute that has ended, and add it to the longer buckets it lies in."""
        if self._minute is None:
            return
        self._unwritten[self._key(MINUTE, self._minute)] = self._open
        for resolution in COARSE:
            start = self._minute // resolution * resolution
            running = self._coarse.get(resolution)
            if running is None or running[0] != start:
                running = self._coarse[resolution] = (start, Bucket())
            running[1].add(self._open)
            self._unwritten[self._key(resolution, start)] = running[1]
        self._closed_until = self._minute + MINUTE
        self._minute = None
        self._open = Bucket()
        self._open_is_written = True

    def _begin_epoch(self) -> None:
        """The clock was set back: go on as another writer, so that no row is overwritten."""
        self._ended.add(self._writer_id)
        self._epoch += 1
        self._coarse = {}
        self._closed_until = 0

    def _give_up_oldest(self) -> int:
        lost = 0
        for resolution in RESOLUTIONS:
            keys = sorted(
                (key for key in self._unwritten if key.resolution == resolution),
                key=lambda key: key.bucket_start,
            )
            for key in keys[: -self._settings.max_unwritten_minutes]:
                bucket = self._unwritten.pop(key)
                if resolution == MINUTE:
                    lost += bucket.events
                    self._counted.lose(key.bucket_start, key.bucket_start + MINUTE)
        return lost

    def _has_failed(self, error: BaseException) -> None:
        if not isinstance(error, SQLAlchemyError | OSError):
            return
        self._failed_since = self._failed_since or datetime.now(UTC)
        self._reason = _reason(error)
        if time.monotonic() - self._logged_at >= _LOG_EVERY_SECONDS:
            self._logged_at = time.monotonic()
            # The store holds no personal data, so neither do its driver's errors.
            log.event(RollupFlushFailed(reason=FromCode(self._reason)))


def kept_since(settings: RollupSettings, kinds: Collection[RowKind]) -> dict[int, int]:
    """Since when each resolution is kept, Unix seconds, for the kind that expires first."""
    now = int(time.time())
    return {
        resolution: int(now - min(getattr(days, kind) for kind in kinds) * _DAY) // _DAY * _DAY
        for resolution, days in retentions(settings).items()
    }


def retentions(settings: RollupSettings) -> dict[int, Retention]:
    """The retention of each resolution."""
    return {
        60: settings.retention_1m,
        300: settings.retention_5m,
        3600: settings.retention_1h,
        86400: settings.retention_1d,
    }


def _reason(error: BaseException) -> str:
    """What is wrong with the store; the driver's own words where we have none."""
    trouble = database_trouble(error) if isinstance(error, SQLAlchemyError) else None
    if trouble and trouble.reason:
        return trouble.reason
    return str(getattr(error, "orig", error)) or f"no answer in {STORE_SECONDS:.0f} s"


def _kinds(metrics: Collection[Metric]) -> set[RowKind]:
    return {KIND_OF[metric.kind] for metric in metrics}


def _joined(composed: Sequence[Sequence[Segment]]) -> list[Segment]:
    """Segments without overlaps: a row is fetched once, however many ranges it is in."""
    joined: list[Segment] = []
    for segment in sorted({segment for segments in composed for segment in segments}):
        last = joined[-1] if joined else None
        if last and last.resolution == segment.resolution and segment.start <= last.end:
            joined[-1] = Segment(last.resolution, last.start, max(last.end, segment.end))
        else:
            joined.append(segment)
    return joined
