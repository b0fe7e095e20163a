"""What people were told in a scenario, and how that differs from what they should be."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from alerts.scenarios.notifications import Message
from alerts.scenarios.routing import Alert
from alerts.scenarios.scenario import Scenario, Told

_IDENTITY = ("cluster", "environment")


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody was told: as `Told` says it, with exact minutes."""

    alert: str
    severity: str
    team: str
    labels: tuple[Alert, ...]
    """Of every alert that was told."""
    told: float
    notifications: int
    over: float | None

    def __str__(self) -> str:
        over = "not over" if self.over is None else f"over {minutes(self.over)}"
        return (
            f"{self.alert} ({self.severity}, {self.team}) told {minutes(self.told)}, "
            f"{_messages(self.notifications)}, {over}"
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """A scenario with what was seen in it."""

    scenario: Scenario
    seen: tuple[Seen, ...]
    texts: Mapping[Alert, str] = field(default_factory=dict)

    @property
    def problems(self) -> list[str]:
        """How expected and seen differ, one line each; empty where they agree."""
        return list(_differences(self.scenario, self.seen, self.texts))


def _messages(count: int) -> str:
    return f"{count} message{'' if count == 1 else 's'}"


def minutes(value: float) -> str:
    """Minutes after minute 0, as people write them."""
    return f"{value:.3g} min" if abs(value) < 1000 else f"{value / 60:.3g} h"


def seen(scenario: Scenario, messages: Iterable[Message]) -> tuple[Seen, ...]:
    """Who was told what: alerts of the same name, world, receiver and team are one matter."""
    matters: dict[tuple[str, ...], list[Message]] = {}
    for message in messages:
        for key in {_matter(message, alert) for alert in message.firing | message.over}:
            matters.setdefault(key, []).append(message)
    found = []
    for key, of in matters.items():
        fired = [m for m in of if any(_matter(m, alert) == key for alert in m.firing)]
        if not fired:
            continue
        labels = {a for m in fired for a in m.firing if _matter(m, a) == key}
        ends = of[-1] is not fired[-1]
        found.append(
            Seen(
                alert=key[0],
                severity=key[1],
                team=key[2],
                labels=tuple(sorted(labels, key=sorted)),
                told=scenario.minute(fired[0].seconds),
                notifications=len(fired),
                over=scenario.minute(of[-1].seconds) if ends else None,
            )
        )
    return tuple(sorted(found, key=lambda each: (each.told, each.alert)))


def _matter(message: Message, alert: Alert) -> tuple[str, ...]:
    labels = dict(alert)
    world = (labels.get(name, "") for name in _IDENTITY)
    return labels["alertname"], message.receiver, labels.get("team", ""), *world


def expected(told: Told) -> str:
    """What is expected, in a line."""
    over = "still told at the end" if told.over is None else f"over by {minutes(told.over)}"
    about = "".join(f", {name} {value}" for name, value in told.about.items())
    return (
        f"{told.alert} ({told.severity}, {told.team}{about}) by {minutes(told.within)}, "
        f"{_messages(told.notifications)}, {over}"
    )


def _differences(
    scenario: Scenario, seen: Sequence[Seen], texts: Mapping[Alert, str]
) -> Iterator[str]:
    left = list(seen)
    for told in scenario.told:
        found = [each for each in left if _is(told, each)]
        if not found:
            yield f"nobody is told: {expected(told)}"
            continue
        one = found[0]
        left.remove(one)
        if wrong := list(_wrong(told, one)):
            yield f"{', '.join(wrong)}: expected {expected(told)}; seen {one}"
        said = [text for alert, text in texts.items() if alert in one.labels]
        if told.says and not any(told.says in text for text in said):
            yield f"{told.alert} should say {told.says!r}; it says {said}"
    for each in left:
        about = ", ".join(f"{k}={v}" for k, v in sorted(_telling(each.labels).items()))
        yield f"should be silent: {each}{f' ({about})' if about else ''}"


def _is(told: Told, one: Seen) -> bool:
    if (told.alert, told.severity, told.team) != (one.alert, one.severity, one.team):
        return False
    return any(frozenset(told.about.items()) <= alert for alert in one.labels)


def _wrong(told: Told, one: Seen) -> Iterator[str]:
    if one.told < 0 <= told.within:
        yield "told before anything happened"
    if one.told > told.within:
        yield "told too late"
    if one.notifications != told.notifications:
        yield "not so many messages"
    if told.over is None and one.over is not None:
        yield "told to be over, and is not"
    if told.over is not None and one.over is None:
        yield "not told to be over"
    elif told.over is not None and one.over is not None and one.over > told.over:
        yield "over too late"


def _telling(labels: Sequence[Alert]) -> Mapping[str, str]:
    common = frozenset.intersection(*labels) if labels else frozenset()
    silent = {"alertname", "severity", "team", "job", *_IDENTITY}
    return {name: value for name, value in common if name not in silent}
