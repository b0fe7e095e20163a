"""Several stacks at real speed on one machine."""

import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from alerts import paths
from alerts.prometheus_config import evaluation_seconds
from prometheus_tools.rulebook import rulebook
from stack.ports import PORTS
from tests.test_stack.faults import history
from tests.test_stack.faults.levels import Level
from tests.test_stack.free_ports import free_ports
from tests.test_stack.native_stack import Stack


class StoppedError(Exception):
    """The runs were ended from outside."""


class Stacks:
    """Starts stacks below ``folder``, one at a time, each with a history."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # A start takes a whole core for seconds; two at once would slow the stacks that run.
        self._starting = threading.Lock()
        self._stopped = threading.Event()

    @contextmanager
    def running(self, name: str, levels: Sequence[Level]) -> Iterator[Stack]:
        """A stack that is up, whose Prometheus remembers ``levels``; stopped and gone afterwards.

        When the body raises, its state stays. AssertionError when it does not come up.
        """
        state = self._folder / name
        log = self._folder / f"{name}.log"
        stack = Stack(state, {}, lambda text: _append(log, text))
        try:
            with self._starting:
                self.pause(0)
                stack.variables |= free_ports()
                if levels:
                    data = state / "data" / "prometheus"
                    history.write(levels, int(time.time()), data, instances(stack), _intervals())
                assert stack.run("up").returncode == 0, f"{name} is not up: {log.read_text()}"
            yield stack
        finally:
            stack.run("down")
        shutil.rmtree(state)

    def pause(self, seconds: float) -> None:
        """Let ``seconds`` pass. Raises StoppedError as soon as the runs are stopped."""
        if self._stopped.wait(seconds):
            raise StoppedError

    def stop(self) -> None:
        """End every run at its next pause."""
        self._stopped.set()


def instances(stack: Stack) -> dict[str, str]:
    """The instance labels of the stack's targets, by the variable of the port."""
    return {p.variable: f"127.0.0.1:{stack.variables[p.variable]}" for p in PORTS}


def _intervals() -> dict[str, int]:
    """How often each record is made, in seconds."""
    texts = [file.read_text() for file in paths.RULES.glob("*.yml")]
    records = rulebook(texts, evaluation_seconds()).records
    return {name: max(rule.interval for rule in rules) for name, rules in records.items()}


def _append(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)
