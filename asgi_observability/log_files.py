"""Log files: one a process, rotated by size and day, compressed, and expired by age and space.

FOLDER/orchestrator-4711.jsonl                              written now, by process 4711
FOLDER/orchestrator-20261123T140000.123456Z-4711.jsonl.gz   rotated and compressed

A process locks the file that it writes, so that another can tell which files were left behind by
one that was killed, and compress those.
"""

import errno
import fcntl
import gzip
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

CURRENT = ".jsonl"
COMPRESSED = ".jsonl.gz"
HOUSEKEEPING_SECONDS = 600
_HALF_WRITTEN = ".new"
_DAY = 86400
_NEWLINE = ord("\n")
_OURS = re.compile(r"-\d+$")
_ROTATED = re.compile(r"-\d{8}T\d{6}\.\d{6}Z-\d+$")


@dataclass(frozen=True, slots=True)
class Keeping:
    """How large a file gets and what is kept of those that were rotated."""

    rotate_bytes: int = 128 * 1024 * 1024
    retention_days: float = 14
    max_total_bytes: int = 4 * 1024**3


class RotatingFile:
    """The file of this process in ``folder``, as a sink of lines. Raises OSError."""

    name = "file"

    def __init__(self, folder: Path, service: str, keeping: Keeping) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._service = service
        self._keeping = keeping
        self._descriptor = -1
        self._bytes = 0
        self._line_ended = True
        self._day_ends = 0.0
        self._housekeeper = Housekeeper(folder, keeping)
        self.reopen()
        self._housekeeper.start()

    @property
    def path(self) -> Path:
        """The file that is written."""
        return self._folder / f"{self._service}-{os.getpid()}{CURRENT}"

    def write(self, lines: memoryview) -> int:
        """Append to the file, after rotating it if it is time. Raises OSError."""
        if self._descriptor < 0:
            self.reopen()
        full = self._bytes + len(lines) > self._keeping.rotate_bytes
        if self._bytes and self._line_ended and (full or time.time() >= self._day_ends):
            self._rotate()
        written = os.write(self._descriptor, lines)
        self._bytes += written
        # A disk that fills up takes half a line; the rest of it belongs into the same file.
        self._line_ended = lines[written - 1] == _NEWLINE
        return written

    def reopen(self) -> None:
        """Open the file that has our name now: another one, if ours was moved away."""
        self.close()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        while True:
            descriptor = os.open(self.path, flags, 0o640)
            # Shared, because a forked process holds the parent's lock for a moment.
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            status = os.fstat(descriptor)
            # A predecessor of our number may have left it, and a housekeeper just taken it away.
            with suppress(FileNotFoundError):
                if os.stat(self.path).st_ino == status.st_ino:
                    break
            os.close(descriptor)
        self._descriptor = descriptor
        self._bytes, self._line_ended = status.st_size, True
        began = status.st_mtime if status.st_size else time.time()
        self._day_ends = (began // _DAY + 1) * _DAY

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _rotate(self) -> None:
        with suppress(FileNotFoundError):  # somebody else moved it away
            self.path.rename(self._folder / f"{self._service}-{_stamp()}-{os.getpid()}{CURRENT}")
        self.reopen()
        self._housekeeper.wake()


class Housekeeper:
    """Compresses what was rotated or left behind in ``folder``, and deletes what has expired.

    Only files with names as above: what others put or move there is theirs.
    One process at a time does it, in a thread of its own: compressing takes seconds.
    """

    def __init__(self, folder: Path, keeping: Keeping) -> None:
        self._folder = folder
        self._keeping = keeping
        self._wake = threading.Event()

    def start(self) -> None:
        """Do it now, whenever woken, and every ten minutes."""
        threading.Thread(target=self._run, name="log-housekeeper", daemon=True).start()

    def wake(self) -> None:
        """Do it soon."""
        self._wake.set()

    def keep_house(self) -> None:
        """Do it once, unless another process is at it."""
        with self._alone() as alone:
            if not alone:
                return
            for half in self._named(_ROTATED, f"{CURRENT}{_HALF_WRITTEN}"):
                half.unlink(missing_ok=True)
            for file in self._named(_OURS, CURRENT):
                with _left_behind(file) as left_behind:
                    if left_behind:
                        _compress(file)
            self._expire()

    def _run(self) -> None:
        while True:
            # A full disk or a folder that is gone: the next round may find it repaired.
            with suppress(OSError):
                self.keep_house()
            self._wake.wait(HOUSEKEEPING_SECONDS)
            self._wake.clear()

    def _named(self, ours: re.Pattern[str], ending: str) -> list[Path]:
        files = sorted(self._folder.glob(f"*{ending}"))
        return [file for file in files if ours.search(file.name.removesuffix(ending))]

    def _expire(self) -> None:
        files = [(file.stat(), file) for file in self._named(_ROTATED, COMPRESSED)]
        files.sort(key=lambda pair: pair[0].st_mtime, reverse=True)
        oldest = time.time() - self._keeping.retention_days * _DAY
        total = 0
        for status, file in files:
            total += status.st_size
            if status.st_mtime < oldest or total > self._keeping.max_total_bytes:
                file.unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[bool]:
        with (self._folder / ".housekeeping").open("w", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                    raise
                yield False
                return
            yield True


@contextmanager
def _left_behind(file: Path) -> Iterator[bool]:
    """Whether nobody writes ``file``; locked meanwhile, so that nobody begins to."""
    try:
        with file.open("rb") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
    except FileNotFoundError:
        yield False


def _compress(file: Path) -> None:
    """Replace ``file`` by its compressed form; readers meanwhile see the one or the other."""
    if not _ROTATED.search(file.stem):
        rotated = file.with_name(f"{file.stem.rpartition('-')[0]}-{_stamp()}-0{CURRENT}")
        file = file.rename(rotated)
    status = file.stat()
    if not status.st_size:
        file.unlink()
        return
    half = file.with_name(f"{file.name}{_HALF_WRITTEN}")
    half.touch(mode=status.st_mode & 0o777)
    with file.open("rb") as plain, gzip.open(half, "wb", compresslevel=6) as packed:
        shutil.copyfileobj(plain, packed, 1 << 20)
    # Its age is that of its last line.
    os.utime(half, (status.st_atime, status.st_mtime))
    half.rename(file.with_name(f"{file.stem}{COMPRESSED}"))
    file.unlink()


def _stamp() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
