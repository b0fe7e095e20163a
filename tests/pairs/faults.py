"""The faults: how each is made under an incident, and how often that may be told."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import yaml

from tests.pairs.cluster import (
    GOSSIP_SECONDS,
    PEER_TIMEOUT_SECONDS,
    QUIET_SECONDS,
    RESEND_SECONDS,
    START_DELAY_SECONDS,
    Cluster,
)

ONCE = range(1, 2)
ONCE_OR_TWICE = range(1, 3)
"""Where chance decides, because both may be about to tell it."""

TWICE = range(2, 3)
SEVERAL = range(1, 7)
"""Where two contradict each other, each in its turn."""

START_DELAY = f"--dispatch.start-delay={START_DELAY_SECONDS}s"
"""What an Alertmanager waits for after its start: by then it was told of all that fires."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault. ``play`` makes it, from before the incident until the receiver was told it is over.

    ``title`` says what happens, in words.
    """

    name: str
    title: str
    play: Callable[[Cluster], Awaitable[None]]
    begins: range = ONCE
    """How often the receiver may be told that the incident begins."""
    ends: range = ONCE
    size: int = 2
    """How many Alertmanagers there are."""
    options: tuple[str, ...] = (START_DELAY,)
    may_tell_held_back: bool = False
    """Whether that may be told which the incident holds back."""
    may_repeat: bool = False
    """Whether other groups than the incident's may be told again."""


async def nothing(cluster: Cluster) -> None:
    """An incident, undisturbed."""
    cluster.begin()
    await cluster.told()
    await asyncio.sleep(QUIET_SECONDS)
    cluster.end()
    await cluster.told_over()


def _prometheus_killed(number: int) -> Callable[[Cluster], Awaitable[None]]:
    async def play(cluster: Cluster) -> None:
        cluster.begin()
        await cluster.told()
        await cluster.prometheus[number].kill()
        await asyncio.sleep(QUIET_SECONDS)
        cluster.end()
        await cluster.told_over()

    return play


async def _prometheus_returns(cluster: Cluster) -> None:
    await cluster.prometheus[0].kill()
    cluster.begin()
    await cluster.told()
    await cluster.prometheus[0].start()
    await asyncio.sleep(QUIET_SECONDS)
    cluster.end()
    await cluster.told_over()


async def _prometheus_in_turn(cluster: Cluster) -> None:
    cluster.begin()
    await cluster.told()
    for each in cluster.prometheus:
        await each.stop()
        await asyncio.sleep(QUIET_SECONDS / 2)
        await each.start()
        await asyncio.sleep(RESEND_SECONDS)
    cluster.end()
    await cluster.told_over()


def _alertmanager_killed(number: int) -> Callable[[Cluster], Awaitable[None]]:
    async def play(cluster: Cluster) -> None:
        cluster.begin()
        await cluster.told()
        await asyncio.sleep(GOSSIP_SECONDS)
        await cluster.alertmanagers[number].kill()
        await asyncio.sleep(QUIET_SECONDS)
        cluster.end()
        await cluster.told_over()

    return play


async def _killed_before_it_tells(cluster: Cluster) -> None:
    cluster.begin()
    await cluster.fires()
    await cluster.alertmanagers[0].kill()
    await cluster.told()
    await asyncio.sleep(QUIET_SECONDS)
    cluster.end()
    await cluster.told_over()


async def _killed_as_it_tells(cluster: Cluster) -> None:
    cluster.begin()
    await cluster.told()
    # The receiver has it; whether the others know is a matter of milliseconds.
    await cluster.alertmanagers[0].kill()
    await asyncio.sleep(QUIET_SECONDS)
    cluster.end()
    await cluster.told_over()


async def _alertmanagers_in_turn(cluster: Cluster) -> None:
    cluster.begin()
    await cluster.told()
    for each in cluster.alertmanagers:
        await asyncio.sleep(GOSSIP_SECONDS)
        await each.kill()
        await asyncio.sleep(QUIET_SECONDS / 2)
        await each.start()
        await cluster.complete()
        await asyncio.sleep(START_DELAY_SECONDS + QUIET_SECONDS)
    cluster.end()
    await cluster.told_over()


async def _alertmanager_restarts(cluster: Cluster) -> None:
    """Between the moments at which Prometheus tells the incident and what it holds back."""
    cluster.begin()
    await cluster.told()
    last = cluster.alertmanagers[-1]
    await asyncio.sleep(RESEND_SECONDS + 10 - cluster.since_began)
    await last.stop()
    await last.start()
    await cluster.complete()
    await asyncio.sleep(START_DELAY_SECONDS + QUIET_SECONDS)
    cluster.end()
    await cluster.told_over()


async def _all_restart(cluster: Cluster) -> None:
    cluster.begin()
    await cluster.told()
    await asyncio.sleep(QUIET_SECONDS)
    for each in cluster.alertmanagers:
        await each.stop()
    await asyncio.gather(*(each.start() for each in cluster.alertmanagers))
    await cluster.complete()
    await asyncio.sleep(START_DELAY_SECONDS + QUIET_SECONDS)
    cluster.end()
    await cluster.told_over()


async def _alertmanager_hangs(cluster: Cluster) -> None:
    """It stands for a machine that swaps, a disk that stalls, a virtual machine that is moved."""
    hung = cluster.alertmanagers[0]
    hung.halt()
    cluster.begin()
    await cluster.told()
    await asyncio.sleep(QUIET_SECONDS)
    hung.go_on()
    await asyncio.sleep(START_DELAY_SECONDS + QUIET_SECONDS)
    cluster.end()
    await cluster.told_over()


async def _partition_under_incident(cluster: Cluster) -> None:
    cluster.begin()
    await cluster.told()
    cluster.cut_off(0)
    await asyncio.sleep(START_DELAY_SECONDS + QUIET_SECONDS)
    await cluster.mend()
    await asyncio.sleep(QUIET_SECONDS)
    cluster.end()
    await cluster.told_over()


async def _incident_in_partition(cluster: Cluster) -> None:
    cluster.cut_off(0)
    await cluster.sees(1, cluster.alertmanagers[0])
    cluster.begin()
    await cluster.told(2)
    await asyncio.sleep(QUIET_SECONDS)
    await cluster.mend()
    await asyncio.sleep(QUIET_SECONDS)
    cluster.end()
    await cluster.told_over()


async def _slow_receiver(cluster: Cluster) -> None:
    cluster.watch.answers_after = 2 * PEER_TIMEOUT_SECONDS
    await nothing(cluster)


async def _one_is_blind(cluster: Cluster) -> None:
    cluster.begin("a")
    await cluster.told()
    await asyncio.sleep(START_DELAY_SECONDS + QUIET_SECONDS)
    cluster.end()
    await cluster.told_over()


async def _one_is_blind_again(cluster: Cluster) -> None:
    """Each Prometheus tells for a quarter of an hour, again and again, what is over."""
    cluster.begin()
    await cluster.told()
    await asyncio.sleep(GOSSIP_SECONDS)
    cluster.end()
    await cluster.told_over()
    await asyncio.sleep(GOSSIP_SECONDS)
    cluster.begin("a")
    await cluster.told()
    await asyncio.sleep(2 * RESEND_SECONDS + QUIET_SECONDS)
    cluster.end()
    await cluster.told_over()


async def _one_sees_the_end_late(cluster: Cluster) -> None:
    cluster.begin()
    await cluster.told()
    await asyncio.sleep(QUIET_SECONDS)
    cluster.end("a")
    await asyncio.sleep(2 * RESEND_SECONDS)
    cluster.end()
    await cluster.told_over()


async def _rules_differ_in_text(cluster: Cluster) -> None:
    await _change_rules(cluster, {"summary": "Another version of the rules says so"}, {})
    await nothing(cluster)


async def _rules_differ_in_labels(cluster: Cluster) -> None:
    await _change_rules(cluster, {}, {"team": "another"})
    await nothing(cluster)


async def _rule_is_missing(cluster: Cluster) -> None:
    await _change_rules(cluster, {}, None)
    await nothing(cluster)


async def _change_rules(
    cluster: Cluster, annotations: dict[str, str], labels: dict[str, str] | None
) -> None:
    """Give one Prometheus another version of the page's rule, or none."""
    file = cluster.folder / "b" / "rules" / "scraping.yml"
    rules = yaml.safe_load(file.read_text())
    (group,) = rules["groups"]
    (page,) = (each for each in group["rules"] if each.get("alert") == "ServiceDown")
    if labels is None:
        group["rules"].remove(page)
    else:
        page["annotations"] |= annotations
        page["labels"] |= labels
    file.write_text(yaml.safe_dump(rules))
    cluster.prometheus[1].reload()


FAULTS = (
    Fault("none", "nothing", nothing),
    Fault(
        "prometheus_1", "the first Prometheus is killed under the incident", _prometheus_killed(0)
    ),
    Fault(
        "prometheus_2", "the second Prometheus is killed under the incident", _prometheus_killed(1)
    ),
    Fault(
        "prometheus_returns",
        "one Prometheus was gone before the incident, and returns under it",
        _prometheus_returns,
    ),
    Fault(
        "prometheus_in_turn", "each Prometheus is restarted under the incident", _prometheus_in_turn
    ),
    Fault(
        "alertmanager_1",
        "the Alertmanager that told of it is killed under the incident",
        _alertmanager_killed(0),
    ),
    Fault("alertmanager_2", "the other Alertmanager is killed", _alertmanager_killed(1)),
    Fault(
        "killed_before",
        "the Alertmanager that would tell of it is killed before it does",
        _killed_before_it_tells,
    ),
    Fault(
        "killed_as_it_tells",
        "it is killed the moment the receiver has the message",
        _killed_as_it_tells,
        begins=ONCE_OR_TWICE,
        may_repeat=True,
    ),
    Fault(
        "alertmanagers_in_turn",
        "each Alertmanager in turn is killed and started again under the incident",
        _alertmanagers_in_turn,
        begins=ONCE_OR_TWICE,
        ends=ONCE_OR_TWICE,
    ),
    Fault(
        "restart",
        "an Alertmanager is restarted while something is held back",
        _alertmanager_restarts,
        begins=ONCE_OR_TWICE,
        ends=ONCE_OR_TWICE,
    ),
    Fault(
        "restart_undelayed",
        "the same without `--dispatch.start-delay`",
        _alertmanager_restarts,
        options=(),
        ends=ONCE_OR_TWICE,
        begins=ONCE_OR_TWICE,
        may_tell_held_back=True,
    ),
    Fault("all_restart", "all Alertmanagers are restarted at once", _all_restart),
    Fault(
        "hangs",
        "the Alertmanager that would tell of it hangs, and goes on a minute later",
        _alertmanager_hangs,
        begins=ONCE_OR_TWICE,
        ends=ONCE_OR_TWICE,
        may_tell_held_back=True,
        may_repeat=True,
    ),
    Fault(
        "partition",
        "the Alertmanagers lose each other under the incident, and find each other again",
        _partition_under_incident,
        may_repeat=True,
    ),
    Fault(
        "in_partition",
        "the incident begins while the Alertmanagers don't see each other",
        _incident_in_partition,
        begins=TWICE,
        may_repeat=True,
    ),
    Fault(
        "slow_receiver",
        f"the receiver takes {2 * PEER_TIMEOUT_SECONDS} s to answer",
        _slow_receiver,
        begins=TWICE,
        ends=TWICE,
        may_repeat=True,
    ),
    Fault(
        "blind",
        "one Prometheus can't reach the service, the other can: a false alarm",
        _one_is_blind,
    ),
    Fault(
        "blind_again",
        "the same, within a quarter of an hour after an incident that both saw",
        _one_is_blind_again,
        begins=SEVERAL,
        ends=SEVERAL,
        may_tell_held_back=True,
    ),
    Fault(
        "late_end",
        "one Prometheus sees the service again two minutes before the other",
        _one_sees_the_end_late,
        begins=SEVERAL,
        ends=SEVERAL,
        may_tell_held_back=True,
    ),
    Fault("text_differs", "the rules of one Prometheus have another text", _rules_differ_in_text),
    Fault(
        "labels_differ",
        "the rules of one Prometheus have another label",
        _rules_differ_in_labels,
    ),
    Fault("rule_missing", "one Prometheus lacks the rule", _rule_is_missing),
    Fault(
        "three_one_killed",
        "of three Alertmanagers, the one that would tell of it is killed before it does",
        _killed_before_it_tells,
        size=3,
    ),
    Fault(
        "three_in_turn",
        "each of three Alertmanagers in turn is killed and started again",
        _alertmanagers_in_turn,
        begins=ONCE_OR_TWICE,
        ends=ONCE_OR_TWICE,
        size=3,
    ),
    Fault(
        "three_partition",
        "the incident begins while one of three Alertmanagers is cut off",
        _incident_in_partition,
        begins=TWICE,
        may_repeat=True,
        size=3,
    ),
)
