"""Messages that Alertmanager sends, and when: its waits, intervals, groups and repetitions.

Where an alert goes and what is held back is not decided here: a real Alertmanager says that.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import promql_parser

from alerts.scenarios.routing import Alert, Routing, State

_DEFAULTS = {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "4h"}
_GROUP_ALL = "..."


@dataclass(frozen=True, slots=True)
class Message:
    """What a receiver is sent: alerts that fire, and alerts that are over."""

    seconds: float
    receiver: str
    group: Alert
    firing: State
    over: State


@dataclass(frozen=True, slots=True)
class Waits:
    """How a receiver's messages are grouped and spaced, seconds."""

    group_by: tuple[str, ...]
    group_wait: float
    group_interval: float
    repeat_interval: float

    def group(self, alert: Alert) -> Alert:
        """The labels of an alert's group."""
        return frozenset(
            (k, v) for k, v in alert if k in self.group_by or _GROUP_ALL in self.group_by
        )


def waits_by_receiver(config: Mapping[str, Any]) -> dict[str, Waits]:
    """The waits of each receiver that notifies somebody.

    Raises ValueError where one receiver has routes with different waits: its name would not do.
    """
    notifying = {each["name"] for each in config["receivers"] if len(each) > 1}
    found: dict[str, Waits] = {}
    for route in _routes(config["route"], _DEFAULTS | {"group_by": []}):
        name = route["receiver"]
        waits = Waits(
            tuple(route["group_by"]),
            *(_seconds(route[key]) for key in _DEFAULTS),
        )
        if name in notifying and found.setdefault(name, waits) != waits:
            found[name] = waits  # a nested route: the innermost is the one that matches
    return found


def _routes(route: Mapping[str, Any], inherited: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    own = {**inherited, **{k: v for k, v in route.items() if k in inherited or k == "receiver"}}
    yield own
    for each in route.get("routes", ()):
        yield from _routes(each, own)


def _seconds(duration: str) -> float:
    # The parser knows no duration of nothing.
    nothing = not duration.strip("0smh")
    return 0 if nothing else promql_parser.parse_duration(duration).total_seconds()


@dataclass(slots=True)
class _Group:
    """Alerts that are told together, and what was told of them last."""

    next_flush: float | None = None
    alerts: set[Alert] = field(default_factory=set)
    told_firing: State | None = None
    told_over: State = frozenset()
    told_at: float = 0


def messages(
    evaluations: Iterable[tuple[float, State]],
    routing: Routing,
    waits: Mapping[str, Waits],
) -> list[Message]:
    """The messages about what fires at each evaluation (seconds, in order)."""
    sent: list[Message] = []
    groups: dict[tuple[str, Alert], _Group] = {}
    ended_in: dict[Alert, State] = {}
    state: State = frozenset()

    def is_inhibited(alert: Alert) -> bool:
        of = state if alert in state else ended_in[alert] | {alert}
        return routing.is_inhibited(of, alert)

    for now, firing in evaluations:
        for (receiver, labels), group in groups.items():
            sent += _due(
                group,
                now,
                state,
                receiver=receiver,
                labels=labels,
                waits=waits[receiver],
                is_inhibited=is_inhibited,
            )
        ended_in |= dict.fromkeys(state - firing, firing)
        state = firing
        for alert in firing:
            for receiver in routing.receivers(firing, alert):
                if receiver in waits:
                    key = receiver, waits[receiver].group(alert)
                    group = groups.setdefault(key, _Group())
                    group.alerts.add(alert)
                    if group.next_flush is None:
                        group.next_flush = now + waits[receiver].group_wait
    return sorted(sent, key=lambda message: message.seconds)


def asked(evaluations: Iterable[State]) -> Iterator[State]:
    """Every state that `messages` asks the routing about, for these evaluations in order."""
    before: State = frozenset()
    for firing in evaluations:
        if firing != before:
            yield firing
            yield from (firing | {over} for over in before - firing)
        before = firing


def _due(
    group: _Group,
    until: float,
    state: State,
    *,
    receiver: str,
    labels: Alert,
    waits: Waits,
    is_inhibited: Callable[[Alert], bool],
) -> Iterator[Message]:
    """The messages of a group before ``until``, while ``state`` fires."""
    while group.next_flush is not None and group.next_flush < until:
        now = group.next_flush
        heard = {alert for alert in group.alerts if not is_inhibited(alert)}
        firing, over = frozenset(heard & state), frozenset(heard - state)
        if heard and _is_news(group, firing, over, now, waits.repeat_interval):
            yield Message(now, receiver, labels, firing, over)
            group.told_firing, group.told_over, group.told_at = firing, over, now
        group.alerts &= state
        group.next_flush = now + waits.group_interval if group.alerts else None


def _is_news(group: _Group, firing: State, over: State, now: float, repeat: float) -> bool:
    """As Alertmanager's notification log decides it."""
    if group.told_firing is None:
        return bool(firing)
    if not firing <= group.told_firing:
        return True
    if not firing:
        return bool(group.told_firing)
    return not over <= group.told_over or now - group.told_at > repeat
