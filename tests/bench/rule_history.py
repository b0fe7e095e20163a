"""What rules read of the past, and a past for them to read, backfilled into a Prometheus.

Nothing here knows a rule: what is read how far back, and how densely it is recorded, is found in
the rule files.
"""

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from math import sin
from pathlib import Path
from typing import Any

import promql_parser as promql
from promql_parser import MatrixSelector, SubqueryExpr, VectorSelector

from prometheus_tools.toolchain import locate
from tests.bench.exposition import Growth, grows

LOOKBACK_SECONDS = 300
"""How old a sample may be that still counts as the present one."""

LONGEST_BLOCK = "500h"
"""The file is read once for each block."""

Labels = Mapping[str, str]
Sample = tuple[Labels, float]


@dataclass(frozen=True, slots=True)
class Group:
    """A group of rules; ``interval`` is that of its evaluation, in seconds."""

    name: str
    interval: float
    rules: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Reading:
    """A stretch of a series' past that some rule reads, in seconds before now."""

    name: str
    oldest: float
    newest: float


def groups(documents: Iterable[dict[str, Any]], interval: float) -> list[Group]:
    """The groups of rule files; ``interval`` is that of those that have none of their own."""
    return [
        Group(each["name"], _seconds(each.get("interval")) or interval, each["rules"])
        for document in documents
        for each in document["groups"]
    ]


def readings(all_groups: Iterable[Group]) -> list[Reading]:
    """What the rules read, each stretch once."""
    found = {
        reading: None
        for group in all_groups
        for rule in group.rules
        for reading in _read_by(promql.parse(rule["expr"]), 0, 0)
    }
    return list(found)


def density(all_groups: Iterable[Group], scrape_interval: float) -> Callable[[str], float]:
    """Tells, by the name of a series, the seconds between its samples."""
    recorded = {
        rule["record"]: group.interval
        for group in all_groups
        for rule in group.rules
        if "record" in rule
    }
    return lambda name: recorded.get(name, scrape_interval)


def _read_by(node: promql.Expr, width: float, offset: float) -> Iterator[Reading]:
    """What ``node`` reads where it is evaluated over the ``width`` seconds before ``offset``."""
    match node:
        case VectorSelector():
            own = _seconds(node.offset) + offset
            if node.name:
                yield Reading(node.name, own + width + LOOKBACK_SECONDS, own)
        case MatrixSelector():
            yield from _read_by(node.vector_selector, width + node.range.total_seconds(), offset)
        case SubqueryExpr():
            wider = width + node.range.total_seconds()
            yield from _read_by(node.expr, wider, offset + _seconds(node.offset))
        case _:
            parts = [getattr(node, part, None) for part in ("lhs", "rhs", "expr", "param")]
            for part in [*parts, *getattr(node, "args", ())]:
                if part is not None:
                    yield from _read_by(part, width, offset)


def _seconds(duration: Any) -> float:
    """``duration`` as a timedelta, as Prometheus writes it, or None."""
    if duration is None:
        return 0
    if isinstance(duration, str):
        duration = promql.parse_duration(duration)
    return float(duration.total_seconds())


def stretches(read: Iterable[Reading], name: str) -> list[tuple[float, float]]:
    """Of the series called ``name``: what is read of the past, from oldest to newest, merged."""
    found: list[tuple[float, float]] = []
    for reading in sorted((each for each in read if each.name == name), key=lambda r: -r.oldest):
        if found and reading.oldest >= found[-1][1]:
            oldest, newest = found.pop()
            found.append((oldest, min(newest, reading.newest)))
        else:
            found.append((reading.oldest, reading.newest))
    return found


def backfill(
    folder: Path,
    series: Mapping[str, Sequence[Sample]],
    read: Iterable[Reading],
    every: Callable[[str], float],
    growth: Growth,
    now: float,
) -> int:
    """Make blocks in ``folder`` of what is read of ``series``; gives the number of samples.

    ``series`` are label sets by name, each with its value at ``now``; ``every`` tells the seconds
    between samples.
    """
    file = folder / "history.txt"
    count = 0
    with file.open("w") as output:
        for name, samples in series.items():
            times = [
                step * every(name)
                for oldest, newest in stretches(read, name)
                for step in range(
                    int((now - oldest) // every(name)), int((now - newest) // every(name)) + 1
                )
            ]
            for labels, value in samples:
                selector = ",".join(
                    f"{label}={json.dumps(text, ensure_ascii=False)}"
                    for label, text in labels.items()
                )
                if grows(name):
                    values = _grown(value, times, growth, now)
                elif value in (0, 1) or name.endswith("_time_seconds"):
                    # Whether something is so, or since when: all is well, so it has not changed.
                    values = repeat(value, len(times))
                else:
                    values = _waving(value, times)
                output.writelines(
                    f"{name}{{{selector}}} {past:.9g} {at}\n"
                    for at, past in zip(times, values, strict=True)
                )
                count += len(times)
        output.write("# EOF\n")
    command = [locate("promtool").path, "tsdb", "create-blocks-from", "openmetrics"]
    blocks = [f"--max-block-duration={LONGEST_BLOCK}", "--quiet", file, folder / "data"]
    subprocess.run([*command, *blocks], check=True, capture_output=True)
    file.unlink()
    return count


def _grown(value: float, times: Sequence[float], growth: Growth, now: float) -> Iterator[float]:
    """A counter on its way to ``value`` at ``now``."""
    return (value * (at - growth.began) / (now - growth.began) for at in times)


def _waving(value: float, times: Sequence[float]) -> Iterator[float]:
    """A gauge around ``value``, by a tenth in the rhythm of a day."""
    return (value * (1 + sin(at / 13751) / 10) for at in times)
