"""Which files in a folder of logs are ours: those that we noted, never those that look so.

FOLDER/.owned/billing-4711                                  we made billing-4711.jsonl
FOLDER/.owned/billing-20261123T140000.123456Z-4711          and what it was when it was rotated
FOLDER/.owned/billing.recognised                            those of older releases were noted

People keep exports, backups and other services' logs in the same folder, under any name.
"""

import os
import re
import stat
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import orjson

CURRENT = ".jsonl"
COMPRESSED = ".jsonl.gz"
FORGET_SECONDS = 3600
"""How long a file is gone before its note is removed."""

_FOLDER = ".owned"
_PLAIN = re.compile(r"-\d+(?:\.\d+)?")
_ROTATED = re.compile(r"-\d{8}T\d{6}\.\d{6}Z-\d+")
_LINE_HAS = frozenset({"timestamp", "level", "event", "logger", "service"})
_FIRST_BYTES = 8192


class OwnFiles:
    """Notes of which files in ``folder`` this service made. Raises OSError.

    A file is noted before it is made, so that none of ours is ever taken for somebody else's.
    """

    def __init__(self, folder: Path, service: str) -> None:
        self.prefix = service.replace("/", "%2F")
        """What the names of our files begin with."""
        self._folder = folder
        self._service = service
        self._notes = folder / _FOLDER
        # When which note was made, and since when there is no file for it.
        self._gone: dict[str, tuple[int, float]] = {}

    def note(self, stem: str) -> None:
        """The file called ``stem``, whatever its ending, is ours."""
        with suppress(FileExistsError):
            self._notes.mkdir()
            # Whoever may keep logs here may note them.
            self._notes.chmod(stat.S_IMODE(self._folder.stat().st_mode))
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        note = os.open(self._notes / stem, flags, 0o640)
        try:
            os.utime(note)
        finally:
            os.close(note)

    def is_noted(self, stem: str) -> bool:
        """Whether the file called ``stem`` is ours."""
        try:
            return stat.S_ISREG((self._notes / stem).lstat().st_mode)
        except FileNotFoundError:
            return False

    def plain(self) -> Iterator[Path]:
        """Ours that aren't compressed."""
        return self._ours(CURRENT)

    def compressed(self) -> Iterator[Path]:
        """Ours that are."""
        return self._ours(COMPRESSED)

    def recognise(self) -> None:
        """Note the files of releases that took no notes, by their name and what is in them.

        Those that are named after a process only once: `billing-2024.jsonl` may be an export.
        """
        all_noted = f"{self.prefix}.recognised"
        first_time = not self.is_noted(all_noted)
        for ending in (CURRENT, COMPRESSED):
            for stem, path in self._named(ending):
                if (
                    (first_time or self.is_rotated(stem))
                    and not self.is_noted(stem)
                    and self._has_our_line(path)
                ):
                    self.note(stem)
        if first_time:
            self.note(all_noted)

    def forget(self) -> None:
        """Remove the notes of files that were gone for long each time that this was called."""
        now, gone = time.monotonic(), dict[str, tuple[int, float]]()
        for note in self._notes.iterdir():
            stem = note.name
            files = (self._folder / f"{stem}{ending}" for ending in (CURRENT, COMPRESSED))
            if not self._could_be(stem) or any(map(os.path.lexists, files)):
                continue
            with suppress(FileNotFoundError):
                # By no clock that may be set: a note is a little older than its file.
                noted_at = note.lstat().st_mtime_ns
                before, since = self._gone.get(stem, (0, now))
                gone[stem] = noted_at, since if before == noted_at else now
                if now - gone[stem][1] >= FORGET_SECONDS:
                    note.unlink()
        self._gone = gone

    def _ours(self, ending: str) -> Iterator[Path]:
        return (path for stem, path in self._named(ending) if self.is_noted(stem))

    def is_rotated(self, stem: str) -> bool:
        """Whether a file called ``stem`` isn't written any more."""
        return bool(_ROTATED.fullmatch(stem.removeprefix(self.prefix)))

    def _named(self, ending: str) -> Iterator[tuple[str, Path]]:
        for path in sorted(self._folder.glob(f"*{ending}")):
            stem = path.name.removesuffix(ending)
            with suppress(FileNotFoundError):
                if self._could_be(stem) and stat.S_ISREG(path.lstat().st_mode):
                    yield stem, path

    def _could_be(self, stem: str) -> bool:
        if not stem.startswith(f"{self.prefix}-"):
            return False
        is_plain = _PLAIN.fullmatch(stem.removeprefix(self.prefix))
        return bool(is_plain) or self.is_rotated(stem)

    def _has_our_line(self, path: Path) -> bool:
        """Whether the first line of ``path`` is one that we wrote."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                data = file.read(_FIRST_BYTES)
            if path.name.endswith(COMPRESSED):
                data = zlib.decompressobj(wbits=31).decompress(data, _FIRST_BYTES)
            fields = orjson.loads(data.partition(b"\n")[0])
        except (OSError, ValueError, zlib.error):
            return False
        return (
            isinstance(fields, dict)
            and fields.keys() >= _LINE_HAS
            and fields["service"] == self._service
        )
