"""Log files: one a process, rotated by size and day, compressed, and expired by age and space.

FOLDER/orchestrator-4711.jsonl                              written now, by process 4711
FOLDER/orchestrator-20261123T140000.123456Z-4711.jsonl.gz   rotated and compressed

A process locks the file that it writes, so that another can tell which files were left behind by
one that was killed, and compress those. What is somebody else's stays as it is
(`asgi_observability.log_own_files`).
"""

import errno
import fcntl
import gzip
import os
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from asgi_observability.event import FromCode
from asgi_observability.events import LogHousekeepingFailed
from asgi_observability.log_own_files import COMPRESSED, CURRENT, OwnFiles
from asgi_observability.logger import get_logger
from asgi_observability.own_descriptor import OwnDescriptor
from asgi_observability.wakeup import Wakeup

log = get_logger(__name__)

HOUSEKEEPING_SECONDS = 600
_HALF_WRITTEN = ".new"
_DAY = 86400
_NEWLINE = ord("\n")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_LINKS = os.O_NOFOLLOW | os.O_CLOEXEC
_PRIVATE = 0o640


@dataclass(frozen=True, slots=True)
class Keeping:
    """How large a file gets and what is kept of those that were rotated."""

    rotate_bytes: int = 128 * 1024 * 1024
    retention_days: float = 14
    max_total_bytes: int = 4 * 1024**3


class RotatingFile:
    """The file of this process in ``folder``, as a sink of lines. Raises OSError.

    It follows its name: when somebody has moved or removed the file, or the folder, the next lines
    go into a new one.
    """

    name = "file"

    def __init__(self, folder: Path, service: str, keeping: Keeping) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._keeping = keeping
        self._own = OwnFiles(folder, service)
        self._own.recognise()
        self._file: OwnDescriptor | None = None
        self._line_ended = True
        self._day_ends = 0.0
        self._housekeeper = Housekeeper(folder, service, keeping)
        self._open()

    @property
    def path(self) -> Path:
        """The file that is written."""
        return self._folder / f"{self._stem}{CURRENT}"

    def write(self, lines: memoryview) -> int:
        """Append to the file, after rotating it if it is time. Raises OSError."""
        file = self._file_for(lines)
        try:
            written = os.write(file.number, lines)
        except OSError as error:
            if error.errno not in _FULL:
                self._close_file()
            raise
        # A disk that fills up takes half a line; the rest of it belongs into the same file.
        self._line_ended = lines[written - 1] == _NEWLINE
        return written

    def reopen(self) -> None:
        """Open the file that has our name now, unless half a line was written."""
        if self._line_ended:
            self._open()

    def close(self) -> None:
        """Let go of the file."""
        self._housekeeper.stop()
        self._close_file()

    def _close_file(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def _file_for(self, lines: memoryview) -> OwnDescriptor:
        if not self._line_ended and self._file and self._file.status:
            return self._file
        status = self._file.status_in_place if self._file else None
        if status is None or self._file is None:
            return self._open()
        is_full = status.st_size + len(lines) > self._keeping.rotate_bytes
        if status.st_size and (is_full or time.time() >= self._day_ends):
            return self._rotate()
        return self._file

    def _open(self) -> OwnDescriptor:
        self._close_file()
        with suppress(FileExistsError):
            self._folder.mkdir()
        stem = f"{self._own.prefix}-{os.getpid()}"
        stems = (f"{stem}.{number}" if number else stem for number in count())
        self._stem = next(stem for stem in stems if self._may_be_ours(stem))
        while True:
            self._own.note(self._stem)
            file = OwnDescriptor(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _PRIVATE)
            try:
                # Shared, because a forked process holds the parent's lock for a moment.
                fcntl.flock(file.number, fcntl.LOCK_SH)
            except OSError:
                file.close()
                raise
            # A predecessor of our number may have left it, and a housekeeper just taken it away.
            if status := file.status_in_place:
                break
            file.close()
        self._file = file
        began = status.st_mtime if status.st_size else time.time()
        self._day_ends = (began // _DAY + 1) * _DAY
        self._housekeeper.start()
        return file

    def _may_be_ours(self, stem: str) -> bool:
        try:
            status = os.lstat(self._folder / f"{stem}{CURRENT}")
        except FileNotFoundError:
            return True
        return stat.S_ISREG(status.st_mode) and self._own.is_noted(stem)

    def _rotate(self) -> OwnDescriptor:
        stem = f"{self._own.prefix}-{_stamp()}-{os.getpid()}"
        self._own.note(stem)
        with suppress(FileNotFoundError):  # somebody else moved it away
            self.path.rename(self._folder / f"{stem}{CURRENT}")
        file = self._open()
        self._housekeeper.wake()
        return file


class Housekeeper:
    """Compresses what was rotated or left behind in ``folder``, and deletes what has expired.

    Only files of ``service``: what others put or move there is theirs.
    One process at a time does it, in a thread of its own: compressing takes seconds.
    """

    def __init__(self, folder: Path, service: str, keeping: Keeping) -> None:
        self._folder = folder
        self._keeping = keeping
        self._own = OwnFiles(folder, service)
        # Of the thread that does it; without one there is none.
        self._wakeup: Wakeup | None = None

    def start(self) -> None:
        """Do it now, whenever woken, and every ten minutes."""
        if self._wakeup is None:
            self._wakeup = Wakeup()
            try:
                threading.Thread(
                    target=self._run, args=(self._wakeup,), name="log-housekeeper", daemon=True
                ).start()
            except RuntimeError:  # there are too many threads; the next file tries again
                self._wakeup = None

    def wake(self) -> None:
        """Do it soon."""
        if self._wakeup:
            self._wakeup.wake()

    def stop(self) -> None:
        """Don't do it any more, once a round that is under way is done."""
        wakeup, self._wakeup = self._wakeup, None
        if wakeup:
            wakeup.wake()

    def keep_house(self) -> None:
        """Do it once, unless another process is at it. Raises OSError when something was left."""
        with self._alone() as alone:
            if not alone:
                return
            self._own.recognise()
            problem: OSError | None = None
            for file in self._own.plain():
                try:
                    with _left_behind(file) as held:
                        if held is not None:
                            self._compress(file, held)
                except OSError as error:  # the disk is full, for instance: what has expired goes
                    problem = error
            self._expire()
            self._own.forget()
            if problem:
                raise problem

    def _run(self, wakeup: Wakeup) -> None:
        while self._wakeup is wakeup:
            try:
                self.keep_house()
            except Exception as error:
                # A full disk or a folder that is gone: the next round may find it repaired.
                if self._wakeup is wakeup:
                    name = FromCode(type(error).__name__)
                    log.event(LogHousekeepingFailed(error_type=name), error)
            wakeup.wait(HOUSEKEEPING_SECONDS)

    def _compress(self, file: Path, held: int) -> None:
        """Replace ``file`` by its compressed form; readers meanwhile see the one or the other."""
        stem = _stem(file)
        status = os.fstat(held)
        if not status.st_size:
            file.unlink()
            return
        if not self._own.is_rotated(stem):
            stem = f"{self._own.prefix}-{_stamp()}-0"
            self._own.note(stem)
            file = file.rename(self._folder / f"{stem}{CURRENT}")
        half = file.with_name(f"{file.name}{_HALF_WRITTEN}")
        half.unlink(missing_ok=True)  # of one that was interrupted
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS
        target = os.open(half, flags, status.st_mode & 0o777)
        try:
            with (
                os.fdopen(target, "wb") as raw,
                os.fdopen(os.dup(held), "rb") as plain,
                gzip.GzipFile(file.name, "wb", compresslevel=6, fileobj=raw) as packed,
            ):
                shutil.copyfileobj(plain, packed, 1 << 20)
                packed.close()
                raw.flush()
                os.fsync(raw.fileno())
        except OSError:
            half.unlink(missing_ok=True)  # it would take the last room of a full disk
            raise
        # Its age is that of its last line.
        os.utime(half, (status.st_atime, status.st_mtime))
        half.rename(self._folder / f"{stem}{COMPRESSED}")
        file.unlink()

    def _expire(self) -> None:
        # What could not be compressed, for there was no room, takes the most of it.
        plain = (file for file in self._own.plain() if self._own.is_rotated(_stem(file)))
        files: list[tuple[os.stat_result, Path]] = []
        for file in (*self._own.compressed(), *plain):
            with suppress(FileNotFoundError):
                files.append((file.lstat(), file))
        files.sort(key=lambda pair: pair[0].st_mtime, reverse=True)
        oldest = time.time() - self._keeping.retention_days * _DAY
        total = 0
        for status, file in files:
            total += status.st_size
            if status.st_mtime < oldest or total > self._keeping.max_total_bytes:
                file.unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        # Whoever may only read it may lock it: services of other users keep house here as well.
        lock = os.open(self._folder / ".housekeeping", os.O_RDONLY | os.O_CREAT | _NO_LINKS, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(lock)


@contextmanager
def _left_behind(file: Path) -> Iterator[int | None]:
    """``file``, open, if nobody writes it; locked meanwhile, so that nobody begins to."""
    try:
        held = os.open(file, os.O_RDONLY | os.O_NONBLOCK | _NO_LINKS)
    except FileNotFoundError:
        yield None
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield None
    else:
        yield held
    finally:
        os.close(held)


def _stem(file: Path) -> str:
    return file.name.removesuffix(COMPRESSED).removesuffix(CURRENT)


def _stamp() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
