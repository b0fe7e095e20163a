"""Making a history: metrics, and what the rules would have recorded, in one block."""

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
from simulator.history.openmetrics import write
from simulator.history.past import Past
from stack.history.due import MAKING

_FAR_SECONDS = 300
"""Between two evaluations of a rule: the most that Prometheus sees without a gap."""
_WEEKS = re.compile(r"\[\d+w\]")


def fill(data: Path, past: Past) -> None:
    """Give the unused Prometheus of ``data`` the metrics of ``past`` and the records of its rules.

    They are in one block, for Prometheus warns of blocks that overlap. It appears at the end:
    interrupted, the next call begins anew. Raises OSError, BlocksError, PrometheusError,
    ScratchError and ToolMissing.
    """
    began = time.monotonic()
    print(f"  {'history':<14}synthetic, since {past.start:%Y-%m-%d}", end=" ", flush=True)
    making = data / MAKING
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    text, storage = making / "history.om", making / "storage"
    try:
        with text.open("w", encoding="utf-8") as output:
            write(past, output)
        blocks.create(text, storage)
        rules = _rules()
        evaluate(rules, rules.records, storage, text, _stretches(past, rules))
        for block in blocks.create(text, making / "finished"):
            block.rename(data / block.name)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    print(f"{time.monotonic() - began:6.1f} s", flush=True)


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
    day, live = (max(start, end - hours * 3600) for hours in (24, 6))
    seldom = (
        name
        for name, written in rules.records.items()
        if all(rule.interval >= _FAR_SECONDS for rule in written)
    )
    return [
        Stretch(start, day - 1, _FAR_SECONDS, end, frozenset(rules.closure(seldom))),
        Stretch(day, live, _FAR_SECONDS, end),
        Stretch(live + 1, end, origin=end),
    ]
