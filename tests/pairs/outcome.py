"""What the receiver was told while a fault was made."""

import asyncio
import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

from alerts.signals.scraping import ORCHESTRATOR_JOB
from tests.pairs.cluster import QUIET_SECONDS, running
from tests.pairs.faults import Fault, nothing
from tests.pairs.watch import Message


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was told of the incident, seconds after it began and ended."""

    fault: str
    begins: list[float]
    ends: list[float]
    tellers: list[int]
    """The numbers of the Alertmanagers that told each, in the order of the messages."""
    held_back: list[str]
    """What was told although the incident holds it back."""
    repeated: list[str]
    """What was told twice of other groups."""
    others: list[str]
    """What else was told: each alert and its job. It is what tells of the fault."""

    def kept(self) -> dict[str, object]:
        """It by its names."""
        return dataclasses.asdict(self)


async def made(fault: Fault, folder: Path) -> Outcome:
    """Make ``fault`` on a cluster of its own in ``folder``, and wait for what may be told later."""
    await asyncio.to_thread(folder.mkdir)
    async with running(folder, fault.size, *fault.options) as cluster:
        since = time.monotonic()
        await fault.play(cluster)
        await asyncio.sleep(QUIET_SECONDS)
        told = cluster.watch.of_incident(cluster.began)
        urls = [each.url for each in cluster.alertmanagers]
        return Outcome(
            fault=fault.name,
            begins=[round(at - cluster.began, 1) for at in cluster.beginnings],
            ends=[round(at - cluster.ended, 1) for at in cluster.endings],
            tellers=[urls.index(each.sender) + 1 for each in told],
            held_back=sorted({each.alert for each in cluster.watch.of_held_back(cluster.began)}),
            repeated=[each.about for each in cluster.watch.repeated(since)],
            others=sorted({each.about for each in cluster.watch.messages if is_other(each)}),
        )


def is_other(message: Message) -> bool:
    """Whether it is of neither the incident nor what is always told: no machine is watched here."""
    always = message.alert == "TargetDown" and message.job == "node"
    return not always and message.job != ORCHESTRATOR_JOB


def problems(fault: Fault, outcome: Outcome) -> list[str]:
    """What is not as it should be, in words."""
    found = [
        f"told {len(times)} times that it {what}"
        for what, times, allowed in (
            ("began", outcome.begins, fault.begins),
            ("is over", outcome.ends, fault.ends),
        )
        if len(times) not in allowed
    ]
    if outcome.held_back and not fault.may_tell_held_back:
        found.append(f"told although held back: {', '.join(outcome.held_back)}")
    if fault.play is nothing and outcome.others:
        found.append(f"told of nothing: {', '.join(outcome.others)}")
    return found + [f"told again: {each}" for each in outcome.repeated if not fault.may_repeat]
