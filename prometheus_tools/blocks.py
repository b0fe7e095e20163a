"""Blocks of Prometheus's storage: made of OpenMetrics text, and moved to where they belong."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, repeat
from pathlib import Path
from typing import TextIO

from prometheus_tools.api import Points
from prometheus_tools.toolchain import locate

LONGEST = "40000h"
"""Years, so that a text makes one block: promtool reads all of it once for each.

Blocks begin and end with their samples, but are cut at multiples of this, by the epoch.
"""


END = "# EOF\n"
"""The last line of OpenMetrics text."""


class BlocksError(Exception):
    """No blocks could be made; the message says why."""


def create(openmetrics: Path, folder: Path) -> list[Path]:
    """Make blocks of a file of OpenMetrics text in ``folder``; returns the new ones.

    They are made in a hidden folder and moved, so that Prometheus sees whole blocks only. Several
    may be made at once. Raises BlocksError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=".backfill-", dir=folder))
    command = ("tsdb", "create-blocks-from", "openmetrics", "--quiet")
    done = subprocess.run(
        [
            str(locate("promtool").path),
            *command,
            f"--max-block-duration={LONGEST}",
            str(openmetrics),
            str(making),
        ],
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )
    try:
        if done.returncode:
            raise BlocksError(f"{openmetrics}: promtool made no blocks: {done.stderr.strip()}")
        return [block.rename(folder / block.name) for block in blocks_in(making)]
    finally:
        shutil.rmtree(making, ignore_errors=True)


def create_each(texts: Sequence[Path], folder: Path) -> list[Path]:
    """The same of several files, side by side: promtool keeps one processor busy."""
    if not texts:
        return []
    with ThreadPoolExecutor(len(texts)) as pool:
        return list(chain.from_iterable(pool.map(create, texts, repeat(folder))))


def blocks_in(folder: Path) -> list[Path]:
    """The blocks in a data folder of Prometheus, in the order they were made."""
    return sorted(meta.parent for meta in folder.glob("[0-9A-Z]*/meta.json"))


def link(blocks: Iterable[Path], folder: Path) -> None:
    """Make ``blocks`` appear in ``folder`` too, without copying: no block is ever written to."""
    for block in blocks:
        for file in block.rglob("*"):
            target = folder / block.name / file.relative_to(block)
            if file.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(file, target)


def write_openmetrics(output: TextIO, name: str, series: Iterable[Points]) -> int:
    """Write the series of one record, under its ``name``; returns the number of samples."""
    samples = 0
    output.write(f"# TYPE {name} gauge\n")
    for points in series:
        labels = ",".join(
            f'{label}="{_escaped(value)}"'
            for label, value in points.labels.items()
            if label != "__name__"
        )
        selector = f"{name}{{{labels}}}"
        lines = [f"{selector} {v!r} {int(at)}\n" for at, v in points.values.items()]
        output.write("".join(lines))
        samples += len(points.values)
    return samples


def append(openmetrics: Path, more: Path) -> None:
    """Add the text of the file ``more`` to the file ``openmetrics``."""
    with openmetrics.open("r+b") as output, more.open("rb") as added:
        output.seek(-len(END), os.SEEK_END)
        shutil.copyfileobj(added, output)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
