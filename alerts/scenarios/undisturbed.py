"""What a scenario's changes can't have changed is taken from the same world without them.

An alert can only fire otherwise than in a world where nothing happens if something that it reads
is otherwise. So the alerts of many scenarios in like worlds are evaluated once for all of them, and
for each scenario those only that read a series which its changes touch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from alerts.scenarios.exposition import series
from alerts.scenarios.rules import Rules
from alerts.scenarios.scenario import Scenario
from alerts.scenarios.world import World, steady


@dataclass(frozen=True, slots=True)
class Part:
    """A scenario of which ``alerts`` are evaluated; the others are as they are in ``twin``."""

    scenario: Scenario
    alerts: frozenset[str]
    twin: str = ""


def parts(scenarios: Sequence[Scenario], rules: Rules) -> list[Part]:
    """What has to be evaluated for ``scenarios``, worlds in which nothing happens included."""
    alike: dict[object, list[Scenario]] = {}
    for each in scenarios:
        alike.setdefault(_kind(each), []).append(each)
    found = []
    for number, of in enumerate(alike.values()):
        every = frozenset(rules.of(of[0].groups).alerts)
        if len(of) == 1:
            found.append(Part(of[0], every))
            continue
        longest = max(of, key=lambda each: each.steps)
        twin = _without_changes(longest, f"undisturbed {number}")
        found.append(Part(twin, every))
        found += [Part(s, frozenset(every & _touched(s, twin, rules)), twin.name) for s in of]
    return found


def _kind(scenario: Scenario) -> object:
    """The same for scenarios that differ in what happens, and in nothing else."""
    if scenario.alone or scenario.blind or scenario.given:
        return scenario.name
    worlds = tuple(_calm(world) for world in scenario.worlds)
    at = None if all(each.rhythm is steady for each in worlds) else scenario.begins
    return worlds, at, scenario.lead, scenario.step, scenario.groups


def _without_changes(scenario: Scenario, name: str) -> Scenario:
    return replace(
        scenario,
        name=name,
        told=(),
        world=_calm(scenario.world),
        beside=tuple(_calm(world) for world in scenario.beside),
    )


def _calm(world: World) -> World:
    # When failed workflows are run again does not matter where none fails.
    return replace(world, changes=(), retried_after=None)


def touched(scenario: Scenario, rules: Rules) -> set[str]:
    """The alerts that read a series which the scenario's changes touch."""
    return _touched(scenario, _without_changes(scenario, "undisturbed"), rules)


def _touched(scenario: Scenario, twin: Scenario, rules: Rules) -> set[str]:
    """The alerts that read a series which is not as it is in ``twin``."""
    usual = {(one.name, frozenset(one.labels.items())): one.values for one in series(twin)}
    changed = set()
    for one in series(scenario):
        before = usual.pop((one.name, frozenset(one.labels.items())), None)
        same = before is not None and np.array_equal(
            one.values, before[: len(one.values)], equal_nan=True
        )
        if not same:
            changed.add(one.name)
    return rules.reading(changed | {name for name, _ in usual})
