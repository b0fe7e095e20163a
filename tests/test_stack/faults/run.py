"""A fault on a stack of its own, from the quiet before it to the quiet after it."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import httpx
import yaml

from tests.not_empty import not_empty
from tests.project import ROOT
from tests.test_stack.faults import levels as healthy_levels
from tests.test_stack.faults.answers import (
    Answers,
    Labels,
    Message,
    Monitoring,
    Notice,
    Spell,
    name_of,
)
from tests.test_stack.faults.expected import OF_A_BUSY_MACHINE, Expected
from tests.test_stack.faults.levels import Level
from tests.test_stack.faults.reach import Reach, rules, with_short_memory
from tests.test_stack.faults.stacks import Stacks, instances
from tests.test_stack.native_stack import Stack

POLL_SECONDS = 3
SCRAPED_WITHIN_SECONDS = 180
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Durations:
    """How long the parts of a run last, in seconds."""

    learning: float = 480
    """A healthy stack, to read off what is normal: 5 minutes until windows are full, and some."""

    quiet: float = 180
    """Before the fault."""

    fault: float = 900
    """The fault, at least."""

    patience: float = 900
    """How much longer it may last until everything that is expected has been notified."""

    resolution: float = 4500
    """Until everything is resolved, at most: a window of an hour, and some."""

    mending: float = 120
    """From the end of the fault until somebody runs the failed workflows again: a breaker is closed
    by then."""

    calm: float = 60
    """How long nothing may fire before all counts as over."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What happened on the stack of one fault. Times are Unix seconds."""

    fault: str
    on: float
    off: float
    spells: list[Spell]
    messages: list[Message]
    inhibited: frozenset[Labels]
    """What Alertmanager held back at some time."""

    remaining: frozenset[Labels]
    """What still fired, or whose resolution was still not notified, when the wait was given up."""

    load: float
    """The highest load average of a minute."""

    monitoring: Monitoring

    @property
    def notices(self) -> list[Notice]:
        """Every alert of every message."""
        return [notice for message in self.messages for notice in message.notices]

    @property
    def pages(self) -> list[Message]:
        """The messages that call somebody."""
        return [each for each in self.messages if each.is_page and each.status == "firing"]

    @property
    def tickets(self) -> list[Message]:
        """The messages that open a ticket, or add to one."""
        return [each for each in self.messages if not each.is_page and each.status == "firing"]


def machine_is_busy(load: float) -> bool:
    """Whether more than two processes wait for each core, by the load average."""
    return load > 2 * (os.cpu_count() or 1)


def learn(reaches: list[Reach], stacks: Stacks, durations: Durations, say: Say) -> list[Level]:
    """Run a stack without faults and read off it the levels of what ``reaches`` select."""
    with stacks.running("healthy", ()) as stack:
        _shorten_memory(stack)
        answers = Answers(stack.addresses)
        _scraped(answers, stacks)
        say(f"learning for {durations.learning:.0f} s what is normal")
        stacks.pause(durations.learning)
        levels = healthy_levels.read(reaches, answers, instances(stack))
    ill = healthy_levels.unhealthy(levels)
    assert not ill, f"the machine is too busy to learn what is normal: {', '.join(ill)}"
    say(f"{len(levels)} series get a history")
    return levels


def observe(
    fault: str,
    expected: Expected | None,
    stacks: Stacks,
    levels: Sequence[Level],
    durations: Durations,
    say: Say,
) -> Observation:
    """Run the fault and note what happens; nothing is judged here.

    With ``expected`` the fault stays on until all of it has happened.
    """
    with stacks.running(fault, levels) as stack:
        began = time.time()
        run = _Run(Answers(stack.addresses), stacks)
        _scraped(run.answers, stacks)
        say("up")
        run.watch_until(lambda: False, durations.quiet)
        on = time.time()
        run.answers.switch_on(fault)
        say("fault on")
        run.watch_until(lambda: False, durations.fault)
        if expected:
            run.watch_until(lambda: run.saw(expected), durations.patience)
        run.answers.all_faults_off()
        off = time.time()
        run.count_calm_anew()
        say(f"fault off; fired: {run.names()}")
        run.watch_until(lambda: False, durations.mending)
        run.answers.run_failed_again(on)
        run.watch_until(lambda: run.calm_seconds() >= durations.calm, durations.resolution)
        say(f"over after {time.time() - off:.0f} s; remaining: {run.names(run.remaining())}")
        return Observation(
            fault,
            on,
            off=off,
            spells=run.answers.spells(time.time() - began),
            messages=run.messages,
            inhibited=frozenset(run.inhibited),
            remaining=frozenset(run.remaining()),
            load=run.load,
            monitoring=run.answers.monitoring(time.time() - began),
        )


class _Run:
    """What was seen of one stack so far."""

    def __init__(self, answers: Answers, stacks: Stacks) -> None:
        self.answers = answers
        self.messages: list[Message] = []
        self.inhibited: set[Labels] = set()
        self.load = 0.0
        self._stacks = stacks
        self._fired: dict[Labels, None] = {}
        self._remaining: set[Labels] = set()
        self._calm_since: float | None = None

    def watch_until(self, over: Callable[[], bool], seconds: float) -> None:
        """Look again and again until it is ``over``, for ``seconds`` at most."""
        deadline = time.monotonic() + seconds
        self._look()
        while not over() and time.monotonic() < deadline:
            self._stacks.pause(POLL_SECONDS)
            self._look()

    def saw(self, expected: Expected) -> bool:
        """Whether all that is ``expected`` has been notified, or held back."""
        notified = {name_of(n.labels) for n in self._notices() if n.status == "firing"}
        inhibited = {name_of(labels) for labels in self.inhibited}
        return expected.notified <= notified and expected.inhibited <= inhibited

    def count_calm_anew(self) -> None:
        """Count the calm from now on."""
        self._calm_since = None

    def calm_seconds(self) -> float:
        """For how long nothing has been left over."""
        return time.monotonic() - self._calm_since if self._calm_since else 0

    def remaining(self) -> set[Labels]:
        """What fires, or is held by Alertmanager, or whose resolution was not notified."""
        return self._remaining

    def names(self, alerts: Iterable[Labels] | None = None) -> str:
        """The names of ``alerts``, or of all that have fired."""
        names = dict.fromkeys(name_of(a) for a in (self._fired if alerts is None else alerts))
        return ", ".join(names) or "nothing"

    def _notices(self) -> list[Notice]:
        return [notice for message in self.messages for notice in message.notices]

    def _look(self) -> None:
        try:
            firing, held = self.answers.firing(), self.answers.in_alertmanager()
            self.messages = self.answers.messages()
            failed = self.answers.failed_workflows()
        except httpx.TransportError:
            return  # a busy machine; the next look is soon
        self._fired |= dict.fromkeys(firing)
        self.inhibited |= {alert for alert, is_inhibited in held.items() if is_inhibited}
        last = {notice.labels: notice.status for notice in self._notices()}
        unresolved = {alert for alert, status in last.items() if status == "firing"}
        busy = machine_is_busy(os.getloadavg()[0])
        self._remaining = {
            alert
            for alert in firing | held.keys() | unresolved
            # It is over when others are done, which may take them hours.
            if not (busy and name_of(alert) in OF_A_BUSY_MACHINE)
        }
        # Whose workflow has not been run again still has no answer.
        if self._remaining or failed:
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = time.monotonic()
        self.load = max(self.load, os.getloadavg()[0])


def _scraped(answers: Answers, stacks: Stacks) -> None:
    """Wait until Prometheus has scraped every target."""
    targets = len(not_empty((ROOT / "prometheus" / "targets").glob("*.yml")))
    deadline = time.monotonic() + SCRAPED_WITHIN_SECONDS
    while len(answers.vector("up == 1")) < targets:
        assert time.monotonic() < deadline, (
            f"Prometheus does not scrape {targets} targets, but: {answers.vector('up')}"
        )
        stacks.pause(1)


def _shorten_memory(stack: Stack) -> None:
    """Give its Prometheus the rules with a short memory."""
    folder = stack.state / "run" / "prometheus"
    # The stack's own, whose links lead to its ports.
    shortened = with_short_memory(rules(folder / "rules"))
    # A link to the committed ones would be written through.
    assert not (folder / "rules").is_symlink(), "a stack on ports of its own has rules of its own"
    for file in (folder / "rules").iterdir():
        file.unlink()
    for name, content in shortened.items():
        (folder / "rules" / name).write_text(yaml.safe_dump(content))
    option = f"--config.file={folder / 'prometheus.yml'}"
    (server,) = [process for process in stack.processes() if option in process.cmdline()]
    server.send_signal(signal.SIGHUP)
