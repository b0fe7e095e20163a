"""The overview as it changes, for any number of readers.

It is computed once an interval, and only while somebody reads. Each change is sent as the whole
overview, made into bytes once for all readers: a client that shows the last one it got can't differ
from the server. A slow reader gets the newest when it reads on. Nothing is queued for anybody.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime

import orjson

from app.core import catalogue
from app.core.events import StreamNotComputed
from asgi_observability.instruments import Instruments
from asgi_observability.logging import get_logger

log = get_logger(__name__)

ADMITTED_AGAIN_SECONDS = 2.0
"""How often it is asked whether a reader may still read, at least."""
_RETRY_MS = 1000


class Broadcast:
    """Server-sent events: snapshots, and heartbeats that say whether the last one still holds."""

    def __init__(
        self,
        snapshot: Callable[[], Awaitable[bytes]],
        instruments: Instruments,
        interval_seconds: float,
        heartbeat_seconds: float,
    ) -> None:
        self._read = snapshot
        self._interval = interval_seconds
        self._heartbeat = heartbeat_seconds
        # Another worker, and this one after a restart, counts its own snapshots.
        self._epoch = secrets.token_hex(4)
        self._number = 0
        self._snapshot = b""
        self._computed_at: datetime | None = None
        self._failing = False
        self._next = asyncio.Event()
        self._readers = 0
        self._computing: asyncio.Task[None] | None = None
        self._is_fresh = False
        self._is_closed = False
        instruments.sampled(catalogue.METRICS_STREAM_READERS, read=lambda: self._readers)

    async def events(
        self, last_event_id: str | None, may_read: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        """The events for one reader who has seen ``last_event_id``, until it leaves.

        They end within 2 seconds (`ADMITTED_AGAIN_SECONDS`) after ``may_read`` says no.
        """
        self._readers += 1
        if self._computing is None or self._computing.done():
            # Nobody has read for a while: what is there is old.
            self._is_fresh = False
            self._computing = asyncio.create_task(self._compute())
        try:
            yield b"retry: %d\n\n" % _RETRY_MS + self._heartbeat_event()
            said_current, said_at = self._is_current, time.monotonic()
            seen = self._number_of(last_event_id)
            while not self._is_closed and may_read():
                waiting = self._next
                if self._is_fresh and seen != self._number:
                    seen, said_current, said_at = self._number, True, time.monotonic()
                    yield self._snapshot
                    continue
                left = said_at + self._heartbeat - time.monotonic()
                if left <= 0 or said_current != self._is_current:
                    said_current, said_at = self._is_current, time.monotonic()
                    yield self._heartbeat_event()
                    continue
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, ADMITTED_AGAIN_SECONDS)):
                        await waiting.wait()
        finally:
            self._readers -= 1

    def close(self) -> None:
        """End every stream: the service stops."""
        self._is_closed = True
        self._wake()
        if self._computing:
            self._computing.cancel()

    @property
    def _is_current(self) -> bool:
        return self._is_fresh and not self._failing

    def _number_of(self, event_id: str | None) -> int:
        epoch, _, number = (event_id or "").partition("-")
        return int(number) if epoch == self._epoch and number.isdecimal() else 0

    async def _compute(self) -> None:
        while self._readers:
            started = time.monotonic()
            try:
                state = await self._read()
            except Exception as error:
                # The readers' stream outlives whatever is wrong for a moment, and says so.
                log.event(StreamNotComputed(), error)
                if not self._failing:
                    self._failing = True
                    self._wake()
            else:
                self._take(state)
            await asyncio.sleep(max(0.0, self._interval - (time.monotonic() - started)))

    def _take(self, state: bytes) -> None:
        event = b"event: snapshot\ndata: %b\n\n" % state
        is_changed = not self._snapshot.endswith(event) or not self._number
        if is_changed:
            self._number += 1
            self._snapshot = b"id: %b-%d\n%b" % (self._epoch.encode(), self._number, event)
        self._computed_at = datetime.now(UTC)
        if is_changed or self._failing or not self._is_fresh:
            self._is_fresh, self._failing = True, False
            self._wake()

    def _heartbeat_event(self) -> bytes:
        """What tells a reader that the connection lives, and whether what it shows still holds."""
        said = {
            "computed_at": self._computed_at,
            "is_current": self._is_current,
            "next_within_seconds": self._heartbeat,
        }
        return b"event: heartbeat\ndata: %b\n\n" % orjson.dumps(said)

    def _wake(self) -> None:
        waiting, self._next = self._next, asyncio.Event()
        waiting.set()
