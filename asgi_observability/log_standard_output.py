"""Standard output as a sink of lines: whole lines, whatever it is and whoever shares it."""

import errno
import fcntl
import io
import os
import select
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from asgi_observability.own_descriptor import OwnDescriptor

WAIT_MILLISECONDS = 1000
"""How long to wait at a time for a reader, where writing doesn't wait by itself."""


class StandardOutput:
    """The process's standard output; whoever runs the process collects it.

    A pipe takes only 4 KiB in one piece. Several workers that share it mix no lines as each writes
    so little at a time. Where they share ``lock_file`` as well, each writes more at a time, alone.

    Whoever replaces ``sys.stdout`` finds the lines in what it is now.
    """

    name = "stdout"

    def __init__(self, lock_file: Path | None = None) -> None:
        self._lock_file = lock_file
        self._lock: OwnDescriptor | None = None

    def write(self, lines: memoryview) -> int:
        """Write some of ``lines`` and say how many bytes. Raises OSError.

        BlockingIOError says that nobody reads at the moment.
        """
        stream: object = sys.stdout
        descriptor = _descriptor_of(stream)
        if descriptor is None and isinstance(stream, io.TextIOBase) and not stream.closed:
            _write_text(stream, lines)
            return len(lines)
        if descriptor is None:
            # It was closed, or is an object that only looks like a stream, and may log what it is
            # given: the lines would go round in circles.
            descriptor = _descriptor_of(sys.__stdout__)
        if descriptor is None:
            raise OSError(errno.EBADF, "standard output was closed")
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return _written(descriptor, lines)
        with self._alone() as alone:
            if alone:
                return _written(descriptor, lines)
        return _written(descriptor, _lines_in_one_piece(lines))

    def reopen(self) -> None:
        """It has no name by which it could be opened."""

    def close(self) -> None:
        """It isn't ours; the lock is, and is opened anew at need."""
        if self._lock:
            self._lock.close()
            self._lock = None

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        """Whether nobody else of those who share the lock writes meanwhile."""
        lock = self._open_lock()
        if lock is None:
            yield False
            return
        fcntl.flock(lock.number, fcntl.LOCK_EX)
        try:
            yield True
        finally:
            fcntl.flock(lock.number, fcntl.LOCK_UN)

    def _open_lock(self) -> OwnDescriptor | None:
        # The folder may have been removed and made again: the others lock the file that is there.
        if self._lock_file and not (self._lock and self._lock.status_in_place):
            self.close()
            with suppress(OSError):
                self._lock = OwnDescriptor(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        return self._lock


def _descriptor_of(stream: object) -> int | None:
    """The descriptor that ``stream`` writes to; None when it is closed or has none."""
    try:
        descriptor = stream.fileno()  # type: ignore[attr-defined]
    except Exception:  # whatever somebody has put there
        return None
    return descriptor if isinstance(descriptor, int) and descriptor >= 0 else None


def _write_text(stream: io.TextIOBase, lines: memoryview) -> None:
    text = str(lines, "utf-8", "replace")
    encoding = getattr(stream, "encoding", None)
    if isinstance(encoding, str):
        text = text.encode(encoding, "backslashreplace").decode(encoding)
    stream.write(text)
    stream.flush()


def _written(descriptor: int, lines: memoryview) -> int:
    """Write all of ``lines``, or as many as an error leaves, and say how many bytes."""
    written = 0
    while written < len(lines):
        try:
            written += os.write(descriptor, lines[written:])
        except BlockingIOError:
            # Others may write only when what was begun is whole.
            if not _has_room(descriptor) and not written:
                raise
        except OSError:
            if not written:
                raise
            break
    return written


def _has_room(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(WAIT_MILLISECONDS))


def _lines_in_one_piece(lines: memoryview) -> memoryview:
    """As many whole lines as a pipe takes at once, at least one."""
    if len(lines) <= select.PIPE_BUF:
        return lines
    end = bytes(lines[: select.PIPE_BUF]).rfind(b"\n") + 1
    return lines[: end or bytes(lines).find(b"\n") + 1 or len(lines)]
