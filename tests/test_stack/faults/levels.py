"""What is normal: the level of each series that rules look far back on."""

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alerts.signals.slo import burn_rate
from tests.test_stack.faults.answers import Answers
from tests.test_stack.faults.reach import SHORT_SECONDS, Reach

SETTLED_SECONDS = 150
"""The end of the healthy time, over which everything but counters is averaged."""

_BURN = burn_rate("6h").name

FRESH_SECONDS = 3600
"""How long levels are good for: traffic has a daily rhythm."""


@dataclass(frozen=True, slots=True)
class Level:
    """A series and its level: a counter's increase per second, anything else's value.

    ``labels`` include the name; an instance is called by its port's variable. ``seconds`` is how
    far back rules read it.
    """

    labels: dict[str, str]
    value: float
    is_counter: bool
    seconds: float


def read(reaches: list[Reach], answers: Answers, instances: Mapping[str, str]) -> list[Level]:
    """The levels of what ``reaches`` select in a Prometheus that has settled.

    ``instances`` are the values of the instance label by what the levels call them.
    """
    found: dict[frozenset[tuple[str, str]], Level] = {}
    # Where two selectors have a series in common, the one that is read furthest back counts.
    for reach in sorted(reaches, key=lambda reach: reach.seconds):
        for level in _levels(reach, answers, {v: k for k, v in instances.items()}):
            found[frozenset(level.labels.items())] = level
    return list(found.values())


def unhealthy(levels: Sequence[Level]) -> list[str]:
    """The objectives whose budget burnt faster than allowed, and how many times as fast.

    As a past that would be told for weeks, whatever the fault.
    """
    return [
        f"{level.labels['slo']} {level.value:.1f} times as fast as allowed"
        for level in levels
        if level.labels["__name__"] == _BURN and level.value > 1
    ]


def save(levels: list[Level], reaches: list[Reach], file: Path) -> None:
    """Write ``levels``, of what ``reaches`` select, for later runs."""
    kept = {"reaches": _plain(reaches), "levels": _plain(levels)}
    file.write_text(json.dumps(kept, indent=1))


def load(file: Path, reaches: list[Reach]) -> list[Level] | None:
    """What ``save`` wrote; None if there is no file, or it is too old or of other ``reaches``."""
    if not file.exists() or time.time() - file.stat().st_mtime > FRESH_SECONDS:
        return None
    kept = json.loads(file.read_text())
    if kept["reaches"] != _plain(reaches):
        return None
    return [Level(**level) for level in kept["levels"]]


def _plain(records: Sequence[Level | Reach]) -> list[dict[str, Any]]:
    return [asdict(record) for record in records]


def _levels(reach: Reach, answers: Answers, names: Mapping[str, str]) -> Iterator[Level]:
    if reach.is_counter:
        expr = f"rate({reach.selector}[{SHORT_SECONDS}s])"
    else:
        expr = f"avg_over_time({reach.selector}[{SETTLED_SECONDS}s])"
    for labels, value in answers.vector(expr):
        if "instance" in labels:
            labels["instance"] = names.get(labels["instance"], labels["instance"])
        if math.isfinite(value):
            yield Level({**labels, "__name__": reach.name}, value, reach.is_counter, reach.seconds)
