"""Archives: what has expired, as files that ordinary tools read.

One file a day, resolution and kind: gzip-compressed NDJSON, a line for each bucket, writer and
series. `zcat`, `jq`, DuckDB and pandas read them; so does `read` here.
"""

import gzip
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson

from app.services.rollups.buckets import unpacked
from app.services.rollups.row_store import parsed

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
                    match["kind"],
                    date.fromisoformat(match["day"]),
                    int(match["part"]),
                    path.stat().st_size,
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


def write(
    folder: Path,
    resolution: int,
    kind: str,
    day: date,
    rows: Iterable[Any],
    names: dict[int, str],
) -> Path:
    """Write rows to a new file, on disk when this returns. Raises OSError.

    A file that is there is never written to: what came late gets a part of its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = 1 + max(
        (
            a.part
            for a in archives(folder)
            if (a.resolution, a.kind, a.day) == (resolution, kind, day)
        ),
        default=0,
    )
    path = folder / f"rollups-{resolution}s-{kind}-{day}-{part}.ndjson.gz"
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        with gzip.open(file, "wb") as output:
            for row in rows:
                output.writelines(_lines(row, names))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync(folder)
    return path


def _sync(folder: Path) -> None:
    """Make the new name last, as the file's content does."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lines(row: Any, names: dict[int, str]) -> Iterator[bytes]:
    start = datetime.fromtimestamp(row["bucket_start"], UTC)
    for number, cell in unpacked(row):
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
        yield orjson.dumps(line, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)
