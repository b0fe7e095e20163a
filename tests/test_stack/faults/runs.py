"""Several faults side by side, and the options of that."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alerts.paths import RULES
from tests.test_stack.faults import levels as healthy_levels
from tests.test_stack.faults import results
from tests.test_stack.faults.expected import Expected
from tests.test_stack.faults.levels import Level
from tests.test_stack.faults.reach import reaches, rules
from tests.test_stack.faults.run import Durations, Observation, Say, learn, observe
from tests.test_stack.faults.stacks import Stacks

SIDE_BY_SIDE = 4
"""Stacks of 60 SMS a minute that two cores bear beside the next one's start."""


@dataclass(frozen=True, slots=True)
class Options:
    """How many stacks run at once, for how long, and with which levels instead of learning."""

    side_by_side: int
    durations: Durations
    levels: Path | None
    results: Path | None


def add_options(add: Callable[..., Any]) -> None:
    """Declare the options by ``add``, which is argparse's ``add_argument`` or pytest's like."""
    default = Durations()
    add("--side-by-side", type=int, default=SIDE_BY_SIDE, help="stacks at once (4)")
    add(
        "--fault-minutes",
        type=float,
        default=default.fault / 60,
        help="the fault, at least (15); it goes on until what is expected has been notified",
    )
    add(
        "--levels",
        type=Path,
        help="file to keep what is normal in, for an hour's runs; without, each run learns it",
    )
    add("--results", type=Path, help="folder to keep in what happened, one file a fault")


def options(
    side_by_side: int, fault_minutes: float, levels: Path | None, results: Path | None
) -> Options:
    """What was given to the options that ``add_options`` declares."""
    return Options(side_by_side, replace(Durations(), fault=fault_minutes * 60), levels, results)


@contextmanager
def started(
    faults: Mapping[str, Expected | None], folder: Path, chosen: Options
) -> Iterator[dict[str, Future[Observation]]]:
    """The run of each fault, going on while the body waits for it; ended with the body."""
    began = time.monotonic()

    def say(name: str) -> Say:
        def line(text: str) -> None:
            minutes, seconds = divmod(int(time.monotonic() - began), 60)
            print(f"{minutes:3}:{seconds:02}  {name:<29} {text}", file=sys.stderr, flush=True)

        return line

    stacks = Stacks(folder)
    levels = _levels(stacks, chosen, say("healthy"))
    with ThreadPoolExecutor(chosen.side_by_side) as pool:
        try:
            yield {
                fault: pool.submit(_observed, fault, expected, stacks, levels, chosen, say(fault))
                for fault, expected in faults.items()
            }
        finally:
            stacks.stop()
            pool.shutdown(cancel_futures=True)


def _observed(
    fault: str,
    expected: Expected | None,
    stacks: Stacks,
    levels: Sequence[Level],
    chosen: Options,
    say: Say,
) -> Observation:
    seen = observe(fault, expected, stacks, levels=levels, durations=chosen.durations, say=say)
    if chosen.results:
        results.keep(seen, chosen.results)
    return seen


def machine(seen: Sequence[Observation]) -> str:
    """How busy the machine was: a slow one brings alerts that are true, but not the fault's."""
    load = max((each.load for each in seen), default=0)
    return f"highest load average of a minute: {load:.1f} on {os.cpu_count()} cores"


def _levels(stacks: Stacks, chosen: Options, say: Say) -> list[Level]:
    wanted = reaches(rules(RULES))
    if chosen.levels and (levels := healthy_levels.load(chosen.levels, wanted)):
        say(f"levels from {chosen.levels}")
        return levels
    levels = learn(wanted, stacks, chosen.durations, say)
    if chosen.levels:
        healthy_levels.save(levels, wanted, chosen.levels)
    return levels
