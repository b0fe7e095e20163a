"""Writing lines without ever waiting: a bounded queue, and a thread that empties it into a sink."""

import fcntl
import os
import sys
import threading
import weakref
from collections import deque
from enum import StrEnum
from pathlib import Path
from typing import Protocol

FLUSH_SECONDS = 0.05
"""How long a line may wait to be written with others; an urgent one doesn't."""

RETRY_SECONDS = 1.0
"""How long to wait before a sink that failed is tried again."""

CLOSE_SECONDS = 5.0
"""How long a stopping service waits for its last lines to be written."""

RESERVED_SHARE = 0.2
"""Of the queue, kept free for urgent lines."""

BATCH_BYTES = 256 * 1024


class DropReason(StrEnum):
    """Why a line was not written."""

    SAMPLED = "sampled"
    QUEUE_FULL = "queue_full"
    BROKEN = "broken"


class Sink(Protocol):
    """Where lines end up."""

    name: str

    def write(self, lines: memoryview) -> int:
        """Write some of ``lines`` and say how many bytes. Raises OSError."""
        ...

    def reopen(self) -> None:
        """Begin anew at the place that has the sink's name now."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class StandardOutput:
    """The process's standard output; whoever runs the process collects it.

    Several workers that share it also share ``lock_file``: a pipe takes only 4 KiB in one piece,
    and to write in such small ones would cost a busy process its time.
    """

    name = "stdout"

    def __init__(self, lock_file: Path | None = None) -> None:
        self._lock = lock_file.open("w", encoding="utf-8") if lock_file else None

    def write(self, lines: memoryview) -> int:
        """Write all of ``lines``, alone. Raises OSError."""
        if self._lock:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            output = sys.stdout.buffer
            output.write(lines)
            output.flush()
        except ValueError as error:  # it was closed
            raise OSError(str(error)) from error
        finally:
            if self._lock:
                fcntl.flock(self._lock, fcntl.LOCK_UN)
        return len(lines)

    def reopen(self) -> None:
        """It has no name by which it could be opened."""

    def close(self) -> None:
        """It isn't ours; the lock is."""
        if self._lock:
            self._lock.close()


class Writer:
    """A queue of ``max_bytes`` in front of ``sink``.

    `put` never waits. When the queue is full the newest lines are dropped and counted; a sink that
    fails, a full disk for instance, is tried again with the lines that wait.
    """

    def __init__(self, sink: Sink, max_bytes: int) -> None:
        self.sink = sink
        self.dropped = 0
        self.write_errors = 0
        self.problem = ""
        self._limit = int(max_bytes * (1 - RESERVED_SHARE))
        self._urgent_limit = max_bytes
        self._lines: deque[bytes] = deque()
        self._batch = memoryview(b"")
        self._reopen = False
        self._start()
        _writers.add(self)

    @property
    def queued_bytes(self) -> int:
        """What waits to be written."""
        return self._put_bytes - self._written_bytes

    def put(self, line: bytes, *, urgent: bool = False) -> bool:
        """Queue ``line``, which ends in a newline; False when it was dropped."""
        size = len(line)
        with self._adding:
            queued = self._put_bytes - self._written_bytes + size
            if queued > (self._urgent_limit if urgent else self._limit):
                self.dropped += 1
                return False
            self._put_bytes += size
            self._lines.append(line)
        if urgent or queued > BATCH_BYTES:
            self._wake.set()
        return True

    def flush(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Wait until everything queued is written; False when that takes longer."""
        with self._progress:
            target = self._put_bytes
            self._wake.set()
            return self._progress.wait_for(lambda: self._written_bytes >= target, seconds)

    def reopen(self) -> None:
        """Have the sink begin anew before the next line: safe in a signal handler."""
        self._reopen = True
        self._wake.set()

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write what is queued, for at most ``seconds``, and stop."""
        self._closing.set()
        self._wake.set()
        self._thread.join(seconds)
        if not self._thread.is_alive():
            self.sink.close()

    def _start(self) -> None:
        self._put_bytes = self._written_bytes = 0
        # Guards the queue; notified when some of it was written.
        self._adding = threading.Lock()
        self._progress = threading.Condition(self._adding)
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def start_in_child(self) -> None:
        """Begin anew in a forked process; what was queued is the parent's to write."""
        self._lines.clear()
        self._batch = memoryview(b"")
        self._reopen = True
        self._start()

    def _run(self) -> None:
        works = True
        while True:
            # A sink that failed is left alone for a while, however urgent the next line.
            if works:
                self._wake.wait(FLUSH_SECONDS)
            else:
                self._closing.wait(RETRY_SECONDS)
            self._wake.clear()
            is_last = self._closing.is_set()
            works = self._write_queued()
            if is_last:
                return

    def _write_queued(self) -> bool:
        try:
            if self._reopen:
                self._reopen = False
                self.sink.reopen()
            while self._batch or self._take():
                written = self.sink.write(self._batch)
                self._batch = self._batch[written:]
                with self._progress:
                    self._written_bytes += written
                    self._progress.notify_all()
        except OSError as error:
            self.write_errors += 1
            self.problem = os.strerror(error.errno) if error.errno else type(error).__name__
            return False
        return True

    def _take(self) -> bool:
        """The next batch of lines; False when none waits."""
        lines, size = [], 0
        while self._lines and size < BATCH_BYTES:
            lines.append(self._lines.popleft())
            size += len(lines[-1])
        self._batch = memoryview(b"".join(lines))
        return bool(lines)


_writers: "weakref.WeakSet[Writer]" = weakref.WeakSet()


def _start_in_child() -> None:
    # Threads stay behind when a process forks, as gunicorn does with --preload.
    for writer in list(_writers):
        writer.start_in_child()


os.register_at_fork(after_in_child=_start_in_child)
