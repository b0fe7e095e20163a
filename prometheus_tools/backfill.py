"""Recording rules over the past: records for a time in which their rules were not there yet."""

import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, product
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_tools import blocks
from prometheus_tools.api import Points, PrometheusAPI
from prometheus_tools.rulebook import RecordingRule, Rulebook
from prometheus_tools.scratch import scratch

Progress = Callable[[str], None]

_AT_ONCE = 2
"""Queries that Prometheus answers side by side; while one is read, another is worked out."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the past, ``start`` and ``end`` included, in seconds since the epoch.

    In it the rules are evaluated at the interval of their group, or at ``interval`` where that is
    longer: at multiples of it, counted from ``origin``.
    """

    start: int
    end: int
    interval: int = 0
    origin: int = 0

    def grid(self, rule: RecordingRule) -> tuple[int, int]:
        """The first evaluation of ``rule``, and the time between two."""
        step = max(rule.interval, self.interval)
        return self.start + (self.origin - self.start) % step, step


@dataclass(frozen=True, slots=True)
class Backfilled:
    """What a backfill has made. ``samples`` has, by record, how many; 0 where there was nothing."""

    samples: dict[str, int]
    blocks: list[Path]


def backfill(
    rules: Rulebook,
    names: Iterable[str],
    data: Path,
    stretches: Sequence[Stretch],
    prometheus_url: str = "",
    progress: Progress = lambda _record: None,
) -> Backfilled:
    """Evaluate the records called ``names``, and those that they read, in ``stretches``.

    These follow each other in time. What the records read comes from the blocks in ``data``, or
    from the Prometheus at ``prometheus_url``; blocks of the records are put into ``data``, all at
    the end. What is recorded already stays as it is. A Prometheus that runs on ``data`` is not
    disturbed: the rules are evaluated by one of our own, over links to the blocks.
    """
    data.mkdir(parents=True, exist_ok=True)
    samples: dict[str, int] = {}
    made: list[Path] = []
    # Links can't leave the file system of what they link to.
    with TemporaryDirectory(prefix=".backfill-", dir=data) as name:
        storage, finished = Path(name) / "storage", Path(name) / "finished"
        if not prometheus_url:
            blocks.link(blocks.blocks_in(data), storage)
        for layer in rules.layers(names):
            with scratch(storage, prometheus_url) as url, PrometheusAPI(url) as prometheus:
                texts = [Path(name) / f"{place}.om" for place in range(len(layer))]
                with ThreadPoolExecutor(_AT_ONCE) as pool:
                    asked = [
                        pool.map(
                            partial(_missing, prometheus), *_parts(rules.records[record], stretches)
                        )
                        for record in layer
                    ]
                    for record, text, answers in zip(layer, texts, asked, strict=True):
                        progress(record)
                        series = chain.from_iterable(answers)
                        samples[record] = blocks.write_openmetrics(text, record, series)
            new = _as_blocks(texts, finished)
            blocks.link(new, storage)
            made += new
        final = [Path(shutil.move(block, data / block.name)) for block in made]
    return Backfilled(samples, final)


def _as_blocks(texts: list[Path], folder: Path) -> list[Path]:
    """Blocks of several texts, as few as can be."""
    together = texts[0].with_name("together.om")
    with together.open("wb") as output:
        for text in texts:
            output.write(text.read_bytes().removesuffix(b"# EOF\n"))
            text.unlink()
        output.write(b"# EOF\n")
    return blocks.create(together, folder)


def _parts(
    rules: Sequence[RecordingRule], stretches: Sequence[Stretch]
) -> tuple[list[RecordingRule], list[Stretch]]:
    """Each of ``rules`` with each of ``stretches``."""
    pairs = list(product(rules, stretches))
    return [rule for rule, _ in pairs], [stretch for _, stretch in pairs]


def _missing(prometheus: PrometheusAPI, rule: RecordingRule, stretch: Stretch) -> list[Points]:
    """What ``rule`` would have recorded and Prometheus does not have."""
    first, step = stretch.grid(rule)
    recorded = [
        Points(_labels(points, rule), points.values)
        for points in prometheus.range(rule.expr, first, stretch.end, step)
    ]
    if recorded and prometheus.has(rule.name, first, stretch.end):
        present = {
            _key(points): points.values.keys()
            for points in prometheus.range(rule.name, first, stretch.end, step)
        }
        for points in recorded:
            for at in points.values.keys() & present.get(_key(points), set()):
                del points.values[at]
    return [points for points in recorded if points.values]


def _labels(points: Points, rule: RecordingRule) -> dict[str, str]:
    labels = {**points.labels, **rule.labels}
    labels.pop("__name__", None)
    return labels


def _key(points: Points) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pair for pair in points.labels.items() if pair[0] != "__name__"))
