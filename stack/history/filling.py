"""Making a history: metrics, and what the rules would have recorded.

In two halves, one after the other in time: promtool keeps one processor busy for most of the time
that a history takes, and two of it two.
"""

import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

from alerts import paths
from alerts.prometheus_config import evaluation_seconds
from prometheus_tools import blocks
from prometheus_tools.backfill import Stretch, evaluate
from prometheus_tools.rulebook import RecordingRule, Rulebook, rulebook
from simulator.history.openmetrics import write_parts
from simulator.history.past import Past
from stack.history.due import MAKING

_FAR_SECONDS = 300
"""Between two evaluations of a rule: the most that Prometheus sees without a gap."""
_WEEKS = re.compile(r"\[\d+w\]")


def fill(data: Path, past: Past) -> None:
    """Give the unused Prometheus of ``data`` the metrics of ``past`` and the records of its rules.

    There is one block for each half, for Prometheus warns of blocks that overlap. They appear at
    the end: interrupted, the next call begins anew. Raises OSError, BlocksError, PrometheusError,
    ScratchError and ToolMissing.
    """
    began = time.monotonic()
    print(f"  {'history':<14}synthetic, since {past.start:%Y-%m-%d}", end=" ", flush=True)
    making = data / MAKING
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    older, newer, storage = making / "older.om", making / "newer.om", making / "storage"
    begins, _ = _halves(past)
    try:
        with (
            older.open("w", encoding="utf-8") as first,
            newer.open("w", encoding="utf-8") as second,
        ):
            write_parts(past, (first, second), (begins,))
        texts = [text for text in (older, newer) if text.stat().st_size > len(blocks.END)]
        blocks.create_each(texts, storage)
        rules = _rules()
        evaluate(
            rules,
            rules.records,
            storage,
            lambda stretch: newer if stretch.start >= begins else older,
            _stretches(past, rules),
        )
        for block in blocks.create_each(texts, making / "finished"):
            block.rename(data / block.name)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    print(f"{time.monotonic() - began:6.1f} s", flush=True)


def _halves(past: Past) -> tuple[int, int]:
    """When the newer half begins, and in it the last day; the older half may be empty."""
    start, end = int(past.start.timestamp()), int(past.end.timestamp())
    day = max(start, end - 24 * 3600)
    return (start + day) // 2, day


def _rules() -> Rulebook:
    """The committed rules, which the stack's Prometheus evaluates from now on."""
    files = sorted(paths.RULES.glob("*.yml"))
    rules = rulebook([file.read_text(encoding="utf-8") for file in files], evaluation_seconds())
    records = {name: tuple(map(_hourly, rules.records[name])) for name in rules.records}
    return replace(rules, records=records)


def _hourly(rule: RecordingRule) -> RecordingRule:
    """What looks back over weeks changes little within an hour: its value holds for so long."""
    if not _WEEKS.search(rule.expr):
        return rule
    return replace(rule, expr=f"last_over_time(({rule.expr})[1h:1h])")


def _stretches(past: Past, rules: Rulebook) -> list[Stretch]:
    """When which rules are evaluated.

    Those about weeks in all of it; in the last day all of them; in the last hours as often as live,
    because what is added up over hours has to weigh the same. It goes up to the very end: the last
    records are seen until the live ones are there.
    """
    start, end = int(past.start.timestamp()), int(past.end.timestamp())
    half, day = _halves(past)
    live = max(start, end - 6 * 3600)
    seldom = (
        name
        for name, written in rules.records.items()
        if all(rule.interval >= _FAR_SECONDS for rule in written)
    )
    weeks = frozenset(rules.closure(seldom))
    return [
        Stretch(start, half - 1, _FAR_SECONDS, end, weeks),
        Stretch(half, day - 1, _FAR_SECONDS, end, weeks),
        Stretch(day, live, _FAR_SECONDS, end),
        Stretch(live + 1, end, origin=end),
    ]
