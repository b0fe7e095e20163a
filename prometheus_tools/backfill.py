"""Recording rules over the past: records for a time in which their rules were not there yet."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import product
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
    longer: at multiples of it, counted from ``origin``. ``only`` are the records that are meant;
    None means all.
    """

    start: int
    end: int
    interval: int = 0
    origin: int = 0
    only: frozenset[str] | None = None

    def has(self, record: str) -> bool:
        """Whether ``record`` is meant."""
        return self.only is None or record in self.only

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
    from the Prometheus at ``prometheus_url``; a block of the records is put into ``data`` at the
    end. What is recorded already stays as it is. A Prometheus that runs on ``data`` is not
    disturbed: the rules are evaluated by one of our own, over links to the blocks.
    """
    data.mkdir(parents=True, exist_ok=True)
    # Links can't leave the file system of what they link to.
    with TemporaryDirectory(prefix=".backfill-", dir=data) as name:
        storage, text = Path(name) / "storage", Path(name) / "records.om"
        if not prometheus_url:
            blocks.link(blocks.blocks_in(data), storage)
        text.write_text(blocks.END, encoding="utf-8")
        samples = evaluate(
            rules,
            names,
            storage=storage,
            text_of=lambda _: text,
            stretches=stretches,
            prometheus_url=prometheus_url,
            progress=progress,
        )
        # One block of all, for blocks that overlap are what Prometheus warns of.
        made = blocks.create(text, Path(name) / "finished") if any(samples.values()) else []
        final = [Path(shutil.move(block, data / block.name)) for block in made]
    return Backfilled(samples, final)


def evaluate(
    rules: Rulebook,
    names: Iterable[str],
    storage: Path,
    text_of: Callable[[Stretch], Path],
    stretches: Sequence[Stretch],
    prometheus_url: str = "",
    progress: Progress = lambda _record: None,
) -> dict[str, int]:
    """Evaluate the records; returns how many samples each has.

    What they would have recorded in a stretch is appended to the OpenMetrics text ``text_of`` it.
    Layer by layer: blocks of each are put into ``storage``, where the next one reads them.
    """
    samples: Counter[str] = Counter()
    layer_texts = {
        text: text.with_suffix(".layer") for text in dict.fromkeys(map(text_of, stretches))
    }
    for layer in rules.layers(names):
        written: Counter[Path] = Counter()
        with (
            scratch(storage, prometheus_url) as url,
            PrometheusAPI(url) as prometheus,
            ThreadPoolExecutor(_AT_ONCE) as pool,
            ExitStack() as files,
        ):
            outputs = {
                text: files.enter_context(layer_text.open("w", encoding="utf-8"))
                for text, layer_text in layer_texts.items()
            }
            asked = [
                pool.map(
                    partial(_missing, prometheus),
                    product(rules.records[record], [s for s in stretches if s.has(record)]),
                )
                for record in layer
            ]
            for record, answers in zip(layer, asked, strict=True):
                progress(record)
                samples[record] = 0
                for stretch, series in answers:
                    text = text_of(stretch)
                    count = blocks.write_openmetrics(outputs[text], record, series)
                    written[text] += count
                    samples[record] += count
            for output in outputs.values():
                output.write(blocks.END)
        filled = [text for text in layer_texts if written[text]]
        blocks.create_each([layer_texts[text] for text in filled], storage)
        for text in filled:
            blocks.append(text, layer_texts[text])
    return samples


def _missing(
    prometheus: PrometheusAPI, asked: tuple[RecordingRule, Stretch]
) -> tuple[Stretch, list[Points]]:
    """The stretch, and what ``rule`` would have recorded and Prometheus does not have."""
    rule, stretch = asked
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
    return stretch, [points for points in recorded if points.values]


def _labels(points: Points, rule: RecordingRule) -> dict[str, str]:
    labels = {**points.labels, **rule.labels}
    labels.pop("__name__", None)
    return labels


def _key(points: Points) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(pair for pair in points.labels.items() if pair[0] != "__name__"))
