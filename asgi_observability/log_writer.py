"""Writing lines without ever waiting: a bounded queue, and a thread that empties it into a sink.

Whoever puts a line takes no lock, for a signal handler or a finalizer may put another at any moment
in between: a lock that the same thread holds already would stop it for ever. So the thread is
started with `_thread`, and woken by a `Wakeup`.
"""

import _thread
import os
import sys
import time
import weakref
from collections import deque
from enum import StrEnum
from itertools import repeat, starmap
from typing import Protocol

from asgi_observability.wakeup import Wakeup

FLUSH_SECONDS = 0.05
"""How long a line may wait to be written with others; an urgent one doesn't."""

IDLE_SECONDS = 1.0
"""How long no line comes until the thread looks as seldom as this; the next line wakes it."""

RETRY_SECONDS = 1.0
"""How long to wait before a sink that failed is tried again."""

CLOSE_SECONDS = 5.0
"""How long a stopping service waits for its last lines to be written."""

SETTLED_SECONDS = 1.0
"""How long a settled writer waits for a line, until one has taken longer."""

RESERVED_SHARE = 0.2
"""Of the queue, kept free for urgent lines."""

BATCH_LINES = 512
"""How many lines are written at once."""

CROWDED_BYTES = 256 * 1024
"""With how many waiting, or half of the queue, the thread is woken before its time."""

ROOM_BYTES = 4096
"""As long as a line that is put without a look may be."""


class DropReason(StrEnum):
    """Why a line was not written."""

    SAMPLED = "sampled"
    QUEUE_FULL = "queue_full"
    BROKEN = "broken"


class Sink(Protocol):
    """Where lines end up. Only the writer's thread uses it."""

    name: str

    def write(self, lines: memoryview) -> int:
        """Write some of ``lines`` and say how many bytes.

        Raises BlockingIOError when it takes none at the moment, and OSError when it fails.
        """
        ...

    def reopen(self) -> None:
        """Begin anew at the place that has the sink's name now."""
        ...

    def close(self) -> None:
        """Let go of it; writing opens it again."""
        ...


class Writer:
    """A queue of ``max_bytes`` in front of ``sink``.

    `put` never waits. When the queue is full the newest lines are dropped and counted; a sink that
    fails, a full disk for instance, is tried again with the lines that wait. No exception ends the
    thread: what it catches is counted in ``write_errors``.

    Each thread, and each signal handler or finalizer within one, may exceed ``max_bytes`` by the
    one line that it is putting.
    """

    def __init__(self, sink: Sink, max_bytes: int) -> None:
        self.sink = sink
        self.dropped = 0
        self.write_errors = 0
        self.problem = ""
        self._limit = int(max_bytes * (1 - RESERVED_SHARE))
        self._urgent_limit = max_bytes
        self._crowded = min(CROWDED_BYTES, max_bytes // 2)
        self._reopen = False
        self._closed = False
        self._begin()
        _writers.add(self)

    @property
    def queued_bytes(self) -> int:
        """What waits to be written."""
        return max(0, self.put_bytes - self._gone_bytes)

    def put(self, line: bytes, urgent: bool = False) -> bool:
        """Queue ``line``, which ends in a newline; False when it was dropped."""
        size = len(line)
        queued = self.put_bytes - self._gone_bytes + size
        if queued > self._limit and not (urgent and queued <= self._urgent_limit):
            self.dropped += 1
            return False
        self.put_bytes += size
        self.lines.append(line)
        if urgent or self._eager or queued > self._crowded:
            self._wake_thread()
            if self._settled:
                self._await_line()
        return True

    def flush(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Wait until everything put before is written; False when that takes longer."""
        if _thread.get_ident() == self._thread:
            return False  # a finalizer, run by the very thread that it would wait for
        if self._closed:
            return not self.lines and not self._batch
        mark = Wakeup()
        self.lines.append(mark)
        self._wake_thread()
        return mark.wait(seconds)

    def settle(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Write what is queued, as `flush`, and from now on have each `put` wait for its line.

        For a process that may be ended at any moment without being asked again.
        """
        self._settled = self._eager = True
        self.unasked_until = 0
        self._patience = SETTLED_SECONDS
        return self.flush(seconds)

    def resume(self) -> None:
        """Take back `settle`: the process goes on."""
        self._settled = False
        self._eager = not self._started.locked()

    def reopen(self) -> None:
        """Have the sink begin anew before the next line: safe in a signal handler."""
        self._reopen = True
        self._wake_thread()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write what is queued, for at most ``seconds``, and stop; what is put later is dropped."""
        if self._closed:
            return
        self._limit = self._urgent_limit = -1
        self.unasked_until = 0
        self._close_by = time.monotonic() + seconds
        self._closing = True
        if self.lines and not self._started.locked():
            self._wake_thread()
        if self._started.locked():
            self._wake_thread()
            self._stop.wake()
            if not self._ended.wait(seconds):
                return
        self._closed = True
        self._close_sink()

    def begin_in_child(self) -> None:
        """Begin anew in a forked process; what was queued is the parent's to write.

        The thread stays behind; the first line starts another.
        """
        self._begin()
        self._close_sink()

    def _begin(self) -> None:
        # Lines, and who waits until all lines before are written.
        self.lines: deque[bytes | Wakeup] = deque()
        self._batch = memoryview(b"")
        self._marks: list[Wakeup] = []
        # The first is only changed by those who put, the second only by the thread.
        self.put_bytes = self._gone_bytes = 0
        self._thread = 0
        self._started = _thread.allocate_lock()
        self._wake, self._stop, self._ended = Wakeup(), Wakeup(), Wakeup()
        # Whether ordinary lines wake the thread: when it isn't there, doesn't look, or must hurry.
        self._eager = True
        self.unasked_until = 0
        """As long as ``put_bytes`` is less, there is room for a line and nobody to be woken: who
        adds to both as `put` does need not call it. No other thread comes between the look and the
        line, see `asgi_observability.cells`."""
        self._settled = False
        self._closing = self._closed = False
        self._patience = SETTLED_SECONDS
        self._close_by = 0.0

    def _wake_thread(self) -> None:
        """Have the thread look at once; started by whoever is first to come."""
        if not self._started.locked() and self._started.acquire(blocking=False):
            try:
                _thread.start_new_thread(self._run, ())
            except RuntimeError as error:  # there are too many; the next line tries again
                self._failed(error)
                self._started.release()
                return
        self._wake.wake()

    def _await_line(self) -> None:
        try:
            if _thread.get_ident() == self._thread:
                return
            if sys.is_finalizing():
                # Threads don't run any more. If ours was in the middle of a batch, it stays so.
                if not self._batch:
                    self._write_queued()
            elif self._patience and not self.flush(self._patience):
                self._patience = 0.0
        except Exception as error:
            self._failed(error)

    def _run(self) -> None:
        self._thread = _thread.get_ident()
        self._look_by_itself()
        seen, seen_at = 0, time.monotonic()
        while True:
            is_last = self._closing
            try:
                works = self._write_queued()
            except BlockingIOError:
                # Nobody reads: nothing is broken, and there may be time left.
                works, is_last = True, is_last and time.monotonic() >= self._close_by
            except BaseException as error:
                works = False
                self._failed(error)
            if is_last:
                break
            # A sink that failed is left alone for a while, however urgent the next line.
            if not works:
                self._stop.wait(RETRY_SECONDS)
                continue
            if self._gone_bytes != seen:
                seen, seen_at = self._gone_bytes, time.monotonic()
            if self._batch or self.lines or time.monotonic() - seen_at < IDLE_SECONDS:
                self._wake.wait(FLUSH_SECONDS)
                continue
            self._eager = True
            self.unasked_until = 0
            # Whoever put a line just before didn't know that it has to wake the thread.
            if not self.lines:
                self._wake.wait(IDLE_SECONDS)
            self._look_by_itself()
        self._ended.wake()

    def _look_by_itself(self) -> None:
        self._eager = False
        if self._settled:
            self._eager = True
        self._ask_nothing()

    def _ask_nothing(self) -> None:
        """Let lines be put without a look at anything else."""
        self.unasked_until = self._gone_bytes + self._crowded - ROOM_BYTES
        # Another thread may have settled or closed it just now.
        if self._eager or self._limit < 0:
            self.unasked_until = 0

    def _write_queued(self) -> bool:
        if self._reopen:
            self._reopen = False
            self.sink.reopen()
        while self._batch or self._take():
            written = self.sink.write(self._batch)
            self._batch = self._batch[written:]
            self._gone_bytes += written
            if not self._batch:
                self._tell()
        # Two threads that put at once may have counted one line for two. Nothing waits now.
        self._gone_bytes = self.put_bytes
        self._ask_nothing()
        return True

    def _take(self) -> bool:
        """The next batch of lines; False when none waits."""
        queue = self.lines
        while queue:
            taken = list(starmap(queue.popleft, repeat((), min(len(queue), BATCH_LINES))))
            try:
                self._batch = memoryview(self._joined(taken))
            except MemoryError:
                self.dropped += sum(not isinstance(line, Wakeup) for line in taken)
                raise
            if self._batch:
                return True
            self._tell()
        return False

    def _joined(self, taken: "list[bytes | Wakeup]") -> bytes:
        try:
            return b"".join(taken)  # type: ignore[arg-type]
        except TypeError:  # somebody waits until the lines before are written
            self._marks += [mark for mark in taken if isinstance(mark, Wakeup)]
            return b"".join(line for line in taken if not isinstance(line, Wakeup))

    def _tell(self) -> None:
        """Release those who wait for what is written now."""
        while self._marks:
            self._marks.pop().wake()

    def _close_sink(self) -> None:
        try:
            self.sink.close()
        except Exception as error:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        self.write_errors += 1
        number = error.errno if isinstance(error, OSError) else None
        self.problem = os.strerror(number) if number else type(error).__name__


def writers() -> list[Writer]:
    """All there are in this process."""
    return list(_writers)


_writers: "weakref.WeakSet[Writer]" = weakref.WeakSet()


def _begin_in_child() -> None:
    for writer in writers():
        writer.begin_in_child()


os.register_at_fork(after_in_child=_begin_in_child)
