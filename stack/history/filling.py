"""Making a history: metrics, blocks of them, and what the rules would have recorded."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from alerts import paths
from alerts.prometheus_config import evaluation_seconds
from prometheus_tools import blocks
from prometheus_tools.backfill import Stretch, backfill
from prometheus_tools.rulebook import Rulebook, rulebook
from simulator.history.openmetrics import Detail, write
from simulator.history.past import Past
from stack.history.due import FINISHED, MAKING

_FAR_SECONDS = 300
"""Between two evaluations of a rule: the most that Prometheus sees without a gap."""
_PART_SECONDS = 7 * 86400
_NEAR_SECONDS = 15
_NEAR = timedelta(hours=6)
"""Where the rules are evaluated as often as they are live: burn rates over hours add them up."""


def fill(data: Path, past: Past, detail: Detail | None = None) -> None:
    """Give the unused Prometheus of ``data`` the metrics of ``past`` and the records of its rules.

    They appear all at once, at the end. Interrupted there, the next call moves the rest in; before,
    it begins anew. Prints a line for each part. Raises OSError, BlocksError, PrometheusError,
    ScratchError and ToolMissing.
    """
    making, finished = data / MAKING, data / FINISHED
    shutil.rmtree(making, ignore_errors=True)
    if not finished.exists():
        making.mkdir(parents=True)
        try:
            _make(making, past, detail or Detail())
            (making / "blocks").rename(finished)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    for block in blocks.blocks_in(finished):
        block.rename(data / block.name)
    shutil.rmtree(finished)


def _make(folder: Path, past: Past, detail: Detail) -> None:
    text, finished = folder / "history.om", folder / "blocks"
    with _timed(f"metrics since {past.start:%Y-%m-%d}"), text.open("w") as output:
        write(past, output, detail)
    with _timed("blocks of them"):
        blocks.create(text, finished)
    text.unlink()
    with _timed("records of the rules"):
        rules = _rules()
        backfill(rules, rules.records, finished, _stretches(past))


def _rules() -> Rulebook:
    """The committed rules, which the stack's Prometheus evaluates from now on."""
    files = sorted(paths.RULES.glob("*.yml"))
    return rulebook([file.read_text() for file in files], evaluation_seconds())


def _stretches(past: Past) -> list[Stretch]:
    """Up to the very end: the last records are seen until the live ones are there.

    In parts, which are worked out side by side.
    """
    start, end = int(past.start.timestamp()), int(past.end.timestamp())
    near = max(start, end - int(_NEAR.total_seconds()))
    far = [
        Stretch(since, min(since + _PART_SECONDS, near + 1) - 1, _FAR_SECONDS, origin=end)
        for since in range(start, near + 1, _PART_SECONDS)
    ]
    return [*far, Stretch(near + 1, end, _NEAR_SECONDS, origin=end)]


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    print(f"  {'history':<14}{what:<28}", end=" ", flush=True)
    yield
    print(f"{time.monotonic() - began:4.1f} s", flush=True)
