"""Archives: what has expired, as files that ordinary tools read.

One file a day, resolution and kind: gzip-compressed NDJSON, a line for each bucket, writer and
series. `zcat`, `jq`, DuckDB and pandas read them; so does `read` here.
"""

import gzip
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import orjson

from app.services.rollups.buckets import unpacked
from app.services.rollups.row_store import parsed
from app.services.rollups.tables import ARRAYS

_NAME = re.compile(
    r"rollups-(?P<resolution>\d+)s-(?P<kind>[a-z]+)-(?P<day>\d{4}-\d\d-\d\d)-(?P<part>\d+)\.ndjson\.gz"
)


@dataclass(frozen=True, slots=True)
class Archive:
    """One file of expired rollups. ``resolution`` in seconds, ``day`` in UTC."""

    path: Path
    resolution: int
    kind: str
    day: date
    part: int
    size: int


class ArchiveError(Exception):
    """An archive can't be read; the message says which and why."""


def archives(folder: Path) -> list[Archive]:
    """The archives in ``folder``, oldest day first; none when the folder is not there."""
    found = []
    for path in folder.glob("rollups-*.ndjson.gz"):
        if match := _NAME.fullmatch(path.name):
            found.append(
                Archive(
                    path,
                    int(match["resolution"]),
                    kind=match["kind"],
                    day=date.fromisoformat(match["day"]),
                    part=int(match["part"]),
                    size=path.stat().st_size,
                )
            )
    return sorted(found, key=lambda archive: (archive.day, archive.resolution, archive.path.name))


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of an archive. Raises ArchiveError on a file that is damaged or none of ours."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)
    except (OSError, EOFError, ValueError) as error:
        raise ArchiveError(f"{path} can't be read: {error}") from error


def rows_of_last_part(folder: Path, resolution: int, kind: str, day: date) -> set[bytes]:
    """The digests of the rows in the day's last archive; none when it is damaged."""
    parts = _parts(folder, resolution, kind, day)
    if not parts:
        return set()
    digests: dict[tuple[str, str], Any] = {}
    # One that is damaged was so after it was written: its rows are no longer in the store.
    with suppress(ArchiveError):
        for line in read(max(parts, key=lambda archive: archive.part).path):
            row = (line["time"], line["writer"])
            digests.setdefault(row, blake2b(digest_size=16)).update(_encoded(line))
    return {digest.digest() for digest in digests.values()}


class Part:
    """A new file of rows; unless it is finished, nothing of it stays. Methods raise OSError.

    A file that is there is never written to: what came late gets a part of its own. Rows whose
    digests are in ``archived`` are left out.
    """

    def __init__(
        self,
        folder: Path,
        resolution: int,
        kind: str,
        day: date,
        names: Mapping[int, str],
        archived: set[bytes],
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        part = 1 + max((a.part for a in _parts(folder, resolution, kind, day)), default=0)
        self.path = folder / f"rollups-{resolution}s-{kind}-{day}-{part}.ndjson.gz"
        self._temporary = self.path.with_suffix(".new")
        self._names = names
        self._archived = archived
        self._file = self._temporary.open("wb")
        self._output = gzip.GzipFile(fileobj=self._file, mode="wb")

    def write(self, rows: Iterable[Mapping[str, Any]]) -> int:
        """Add the rows that are not archived yet; gives how many."""
        written = 0
        for row in rows:
            lines = [*_lines(row, self._names)]
            if blake2b(b"".join(lines), digest_size=16).digest() not in self._archived:
                self._output.writelines(lines)
                written += 1
        return written

    def finish(self) -> None:
        """Have the file on disk, under its name."""
        self._output.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self.path)
        _sync(self.path.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._output.close()
        self._file.close()
        self._temporary.unlink(missing_ok=True)


def _parts(folder: Path, resolution: int, kind: str, day: date) -> list[Archive]:
    wanted = (resolution, kind, day)
    return [a for a in archives(folder) if (a.resolution, a.kind, a.day) == wanted]


def _sync(folder: Path) -> None:
    """Make the new name last, as the file's content does."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lines(row: Mapping[str, Any], names: Mapping[int, str]) -> Iterator[bytes]:
    start = datetime.fromtimestamp(row["bucket_start"], UTC)
    for number, cell in unpacked({name: row[name] for name in ARRAYS}):
        metric, labels = parsed(names[number])
        line = {
            "time": start,
            "resolution_seconds": row["resolution"],
            "metric": metric,
            "labels": labels,
            "writer": row["writer"],
            "count": cell.count,
            "sum": cell.sum,
            "min": cell.minimum,
            "max": cell.maximum,
            "bins": {str(key): count for key, count in sorted(cell.bins.items())},
        }
        yield _encoded(line)


def _encoded(line: Mapping[str, Any]) -> bytes:
    return orjson.dumps(line, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)
