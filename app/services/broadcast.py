"""The overview as it changes, for any number of readers.

It is computed once an interval, and only while somebody reads. Readers share the last changes: one
that is slow keeps its place in them, and gets the whole state when its place is gone. Nothing is
queued for anybody.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
from pydantic import BaseModel

from app.core import catalogue
from app.core.events import StreamNotComputed
from app.core.instrumentation import Instruments
from app.core.logging import get_logger

log = get_logger(__name__)

KEPT_CHANGES = 60
_RETRY_MS = 1000


class Broadcast:
    """Server-sent events: a snapshot, then what has changed, as RFC 7386 merge patches."""

    def __init__(
        self,
        overview: Callable[[], Awaitable[BaseModel]],
        instruments: Instruments,
        interval_seconds: float,
        heartbeat_seconds: float,
    ) -> None:
        self._overview = overview
        self._interval = interval_seconds
        self._heartbeat = heartbeat_seconds
        # Another worker, and this one after a restart, counts its own changes.
        self._epoch = secrets.token_hex(4)
        self._number = 0
        self._state: dict[str, Any] = {}
        self._snapshot = b""
        self._changes: deque[tuple[int, bytes]] = deque(maxlen=KEPT_CHANGES)
        self._next = asyncio.Event()
        self._readers = 0
        self._computing: asyncio.Task[None] | None = None
        self._is_fresh = False
        self._is_closed = False
        instruments.sampled(catalogue.METRICS_STREAM_READERS, read=lambda: self._readers)

    async def events(self, last_event_id: str | None) -> AsyncIterator[bytes]:
        """The events for one reader who has seen ``last_event_id``, until it leaves."""
        self._readers += 1
        if self._computing is None or self._computing.done():
            # Nobody has read for a while: what is there is old.
            self._is_fresh = False
            self._changes.clear()
            self._computing = asyncio.create_task(self._compute())
        try:
            yield b"retry: %d\n\n" % _RETRY_MS
            seen = self._number_of(last_event_id)
            while not self._is_closed:
                waiting = self._next
                if self._is_fresh and seen != self._number:
                    data, seen = self._since(seen), self._number
                    yield data
                    continue
                try:
                    async with asyncio.timeout(self._heartbeat):
                        await waiting.wait()
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            self._readers -= 1

    def close(self) -> None:
        """End every stream: the service stops."""
        self._is_closed = True
        self._wake()
        if self._computing:
            self._computing.cancel()

    def _number_of(self, event_id: str | None) -> int:
        epoch, _, number = (event_id or "").partition("-")
        return int(number) if epoch == self._epoch and number.isdecimal() else 0

    def _since(self, seen: int) -> bytes:
        """What a reader lacks who has seen change number ``seen``."""
        if seen and self._changes and self._changes[0][0] <= seen + 1 <= self._number:
            return b"".join(data for number, data in self._changes if number > seen)
        return self._event("snapshot", self._snapshot)

    async def _compute(self) -> None:
        while self._readers:
            started = time.monotonic()
            try:
                answer = await self._overview()
            except Exception as error:
                # The readers' stream outlives whatever is wrong for a moment.
                log.event(StreamNotComputed(), error)
            else:
                self._take(orjson.loads(answer.model_dump_json(exclude_unset=True)))
            await asyncio.sleep(max(0.0, self._interval - (time.monotonic() - started)))

    def _take(self, state: dict[str, Any]) -> None:
        change = merge_patch(self._state, state)
        if change or not self._number:
            self._number += 1
            self._state, self._snapshot = state, orjson.dumps(state)
            self._changes.append((self._number, self._event("change", orjson.dumps(change))))
        if change or not self._is_fresh:
            self._is_fresh = True
            self._wake()

    def _event(self, name: str, data: bytes) -> bytes:
        return b"id: %b-%d\nevent: %b\ndata: %b\n\n" % (
            self._epoch.encode(),
            self._number,
            name.encode(),
            data,
        )

    def _wake(self) -> None:
        waiting, self._next = self._next, asyncio.Event()
        waiting.set()


def merge_patch(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What turns ``before`` into ``after`` by RFC 7386: null takes a member away."""
    patch: dict[str, Any] = dict.fromkeys(before.keys() - after.keys())
    for name, value in after.items():
        old = before.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            if change := merge_patch(old, value):
                patch[name] = change
        elif name not in before or old != value:
            patch[name] = value
    return patch
