"""Which files a question is about."""

import gzip
import os
import re
import tempfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from asgi_observability.log_own_files import COMPRESSED, CURRENT

_ROTATED_AT = re.compile(r"-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{6}Z)-\d+$")
_CHUNK = 1 << 20


class QueryError(ValueError):
    """The question can't be answered; the message says what to change."""


@dataclass
class LogFiles:
    """The files to read, and what is to be said about the others."""

    paths: list[Path]
    notes: list[str] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """Their size on disk."""
        return sum(path.stat().st_size for path in self.paths)


def find_files(places: Iterable[Path], since: str | None) -> LogFiles:
    """The log files in ``places``, folders or files, that may hold lines from ``since`` on.

    A file's name says when it was rotated: none of its lines is younger. Raises QueryError when
    there is no file at all.
    """
    found = LogFiles([])
    skipped = 0
    for place in places:
        if not place.exists():
            raise QueryError(f"{place} does not exist; name a folder of log files, or a file")
        for path in sorted(_in(place)):
            if since and (rotated := _rotated_at(path)) and rotated < since:
                skipped += 1
            elif not os.access(path, os.R_OK):
                found.notes.append(f"{path}: skipped, it can't be read (permissions)")
            elif path.stat().st_size:
                found.paths.append(path)
    if not found.paths and not skipped:
        where = ", ".join(map(str, places))
        problem = found.notes[0] if found.notes else f"no *{CURRENT} or *{COMPRESSED} in {where}"
        raise QueryError(f"{problem}; --in names the folder of log files")
    return found


def readable_part(path: Path) -> Path | None:
    """A copy of what can be read of a cut-off compressed file; None when it is whole."""
    if not path.name.endswith(".gz"):
        return None
    descriptor, name = tempfile.mkstemp(suffix=CURRENT)
    with os.fdopen(descriptor, "wb") as part:
        try:
            with gzip.open(path) as packed:
                while chunk := packed.read1(_CHUNK):
                    part.write(chunk)
        except (OSError, EOFError, zlib.error):
            return Path(name)
    Path(name).unlink()
    return None


def _in(place: Path) -> Iterable[Path]:
    if place.is_file():
        return [place]
    plain, packed = place.glob(f"*{CURRENT}"), place.glob(f"*{COMPRESSED}")
    compressed = {path.name.removesuffix(COMPRESSED): path for path in packed}
    # While it is being compressed, a file is there twice.
    rest = [path for path in plain if path.name.removesuffix(CURRENT) not in compressed]
    return [*compressed.values(), *rest]


def _rotated_at(path: Path) -> str | None:
    match = _ROTATED_AT.search(path.name.removesuffix(COMPRESSED).removesuffix(CURRENT))
    return "{}-{}-{}T{}:{}:{}".format(*match.groups()) if match else None
