"""The folder in which the processes of one service leave each other what they count.

Each process has two files. `worker-<token>.lock` is locked as long as it lives: the kernel lets go
of the lock however the process ends, and no clock, process number or file time is asked.
`worker-<token>.snapshot` is what it counts, replaced whole.

What dead processes counted is in `departed`, with the tokens of those that are in it. So a process
that is killed while it buries others neither loses nor counts anything twice: until `departed` is
replaced they are read from their own files, and from then on these are not read any more.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

import orjson

from asgi_observability.snapshot import FamilySnapshot, merged, packed, unpacked

READS = 50
"""How often a reader begins again because somebody buries at the same time."""

JOIN_SECONDS = 60.0
"""A file of a process that was killed while it joined is removed after this time."""

TOUCH_SECONDS = 3600.0
"""Programs that clean temporary folders go by the age of files, so those in use are touched."""

_COUNTS = frozenset({"counter", "histogram", "summary"})

Families = list[FamilySnapshot]


@dataclass(frozen=True, slots=True)
class Others:
    """What the other processes have left: one list each of those that live, one of all dead."""

    live: list[Families] = field(default_factory=list)
    departed: Families = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Departed:
    tokens: frozenset[str] = frozenset()
    families: Families = field(default_factory=list)
    version: tuple[int, int, int] | None = None


class WorkersFolder:
    """``folder``, seen from one process. It is made if it is not there.

    What it can't do raises OSError; a later call tries again. What can't be understood, such as a
    snapshot of another release, is left out and told to ``on_unreadable``.
    """

    def __init__(self, folder: Path, on_unreadable: Callable[[], None]) -> None:
        self.folder = folder
        self._on_unreadable = on_unreadable
        self._departed_file = folder / "departed"
        self._token = ""
        self._lock: int | None = None
        self._touched_at = time.monotonic()

    def write(self, families: Families) -> None:
        """Leave what this process counts, whole or not at all. Raises OSError."""
        self._join()
        _replace(self._file("snapshot"), packed(families))
        if time.monotonic() - self._touched_at > TOUCH_SECONDS:
            self._touched_at = time.monotonic()
            for file in (self._file("lock"), self._departed_file):
                with suppress(FileNotFoundError):
                    os.utime(file)

    def others(self) -> Others:
        """What the other processes counted, as of their last snapshots. Raises OSError."""
        for _ in range(READS):
            departed = self._departed()
            others = Others(departed=departed.families)
            dead: list[Families] = []
            for token in self._tokens() - departed.tokens - {self._token}:
                # First this: what a dead process has left does not change any more.
                is_alive = self._is_alive(token)
                families = self._snapshot(token)
                if is_alive:
                    others.live.append(families)
                else:
                    dead.append(_counts(families))
            if self._departed_version() == departed.version:
                return Others(others.live, merged([*dead, departed.families]))
        raise OSError(f"{self.folder} changes faster than it can be read")

    def bury(self) -> None:
        """Put together what dead processes counted, unless another process does. Raises OSError."""
        with self._burying() as is_alone:
            if not is_alone:
                return
            self._forget_half_joined()
            departed = self._departed()
            dead = {token for token in self._tokens() if not self._is_alive(token)}
            new = dead - departed.tokens
            if new:
                counted = [_counts(self._snapshot(token)) for token in sorted(new)]
                # Where releases differ about a metric, the first of these is right.
                families = merged([*counted, departed.families])
                # Those buried before are named again as long as they have files.
                named = orjson.dumps(sorted(dead))
                _replace(self._departed_file, named + b"\n" + packed(families))
            for token in dead:
                for kind in ("new", "snapshot", "lock"):
                    self._file(kind, token).unlink(missing_ok=True)

    def leave(self) -> None:
        """Let go: what this process has counted is a dead one's from now on."""
        self._token = ""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # A forked process only closes its copy: the parent still holds the lock.
    begin_in_child = leave

    def _join(self) -> None:
        if self._lock is not None:
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._lock), self._file("lock").stat()):
                    return
            # Somebody removed the folder.
            self.leave()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        token = token_hex(8)
        joining = self.folder / f"joining-{token}.lock"
        lock = os.open(joining, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # Before anybody can see it under its name and take its owner for dead.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            joining.rename(self._file("lock", token))
        except OSError:
            os.close(lock)
            joining.unlink(missing_ok=True)
            raise
        self._token, self._lock = token, lock

    def _file(self, kind: str, token: str = "") -> Path:
        return self.folder / f"worker-{token or self._token}.{kind}"

    def _tokens(self) -> set[str]:
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return set()
        return {name[7:].partition(".")[0] for name in names if name.startswith("worker-")}

    def _is_alive(self, token: str) -> bool:
        if token == self._token:
            return True
        try:
            lock = os.open(self._file("lock", token), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def _snapshot(self, token: str) -> Families:
        try:
            return unpacked(self._file("snapshot", token).read_bytes())
        except FileNotFoundError:
            # It has counted nothing yet.
            return []
        except ValueError:
            self._on_unreadable()
            return []

    def _departed(self) -> _Departed:
        try:
            with self._departed_file.open("rb") as file:
                version = _version(os.fstat(file.fileno()))
                content = file.read()
        except FileNotFoundError:
            return _Departed()
        tokens, _, families = content.partition(b"\n")
        try:
            return _Departed(frozenset(orjson.loads(tokens)), unpacked(families), version)
        except ValueError:
            self._on_unreadable()
            return _Departed(version=version)

    def _departed_version(self) -> tuple[int, int, int] | None:
        try:
            return _version(self._departed_file.stat())
        except FileNotFoundError:
            return None

    def _forget_half_joined(self) -> None:
        for file in self.folder.glob("joining-*.lock"):
            with suppress(FileNotFoundError):
                if time.time() - file.stat().st_mtime > JOIN_SECONDS:
                    file.unlink()

    @contextmanager
    def _burying(self) -> Iterator[bool]:
        lock = os.open(self.folder / "bury.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(lock)


def _counts(families: Families) -> Families:
    """What must not go back when its process ends; a gauge is only of those that live."""
    return [family for family in families if family.kind in _COUNTS]


def _version(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _replace(file: Path, content: bytes) -> None:
    """Whole or not at all: readers never see half a file."""
    new = file.with_suffix(".new")
    try:
        new.write_bytes(content)
        new.replace(file)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise
