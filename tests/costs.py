"""Where the time of a run of the tests went: by file, on the clock and on the processors.

What a process has used that outlives its test, as the native stack's and PostgreSQL's do, is in
no figure here.
"""

import resource
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping

import pytest
from xdist.workermanage import WorkerController

SHOWN = 30
"""Files. What the others cost together is the line after them."""

_HANDED_OVER = "costs"
_BESIDE = "imports, collection, waiting for tests"

wall: dict[str, float] = defaultdict(float)
"""Seconds from the beginning of a test to its end, its fixtures included, by file."""
processors: dict[str, float] = defaultdict(float)
"""Seconds of user and system time, of the test's process and its ended children, by file."""


def _used() -> float:
    """What this process and its ended children have used of the processors, in seconds."""
    each = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in each)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Take the times around a test with its fixtures."""
    file = item.nodeid.partition("::")[0]
    began, used = time.monotonic(), _used()
    try:
        return (yield)
    finally:
        wall[file] += time.monotonic() - began
        processors[file] += _used() - used


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Add what this process used beside its tests; a worker hands all of it over."""
    processors[_BESIDE] += _used() - sum(processors.values())
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_HANDED_OVER] = [dict(wall), dict(processors)]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    """Take over what a worker has measured."""
    ours = (wall, processors)
    for mine, theirs in zip(
        ours, getattr(node, "workeroutput", {}).get(_HANDED_OVER, ()), strict=False
    ):
        for file, seconds in theirs.items():
            mine[file] += seconds


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the costs, the costliest file first."""
    terminalreporter.section("costs by file, in seconds")
    for line in table(wall, processors):
        terminalreporter.line(line)


def table(wall: Mapping[str, float], processors: Mapping[str, float]) -> list[str]:
    """A line for each of the costliest files, one for the others, one for all."""
    ordered = sorted(processors, key=lambda file: -processors[file])
    rows = [(file, wall.get(file, 0), processors[file]) for file in ordered]
    shown, others = rows[:SHOWN], rows[SHOWN:]
    if others:
        shown.append((f"{len(others)} others", *_sums(others)))
    shown.append(("all", *_sums(rows)))
    return [
        f"{'processor':>10} {'clock':>8}",
        *(f"{used:10.1f} {lasted:8.1f}  {name}" for name, lasted, used in shown),
    ]


def _sums(rows: list[tuple[str, float, float]]) -> tuple[float, float]:
    return sum(row[1] for row in rows), sum(row[2] for row in rows)
