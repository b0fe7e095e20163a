"""The worlds of scenarios, in which mutants of rules are noticed: what fires is otherwise."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from alerts.exporters import ALERTS
from alerts.scenarios.evaluation import inputs
from alerts.scenarios.rules import Rules, stopping
from alerts.scenarios.scenario import Scenario
from alerts.scenarios.undisturbed import touched
from prometheus_tools.mutated import World, as_it_is

_TOGETHER = 7
"""Evaluations whose firing alerts are counted together: a shift by one is seen, and the answer is
short."""


@dataclass(frozen=True)
class Incident:
    """A scenario as a world for mutants, and the alerts of which something is to be seen in it."""

    scenario: Scenario
    rules: Rules

    @property
    def cost(self) -> int:
        """Rule evaluations, more or less."""
        return self.scenario.steps * sum(world.instances for world in self.scenario.worlds)

    @cached_property
    def groups(self) -> frozenset[str]:
        """The groups of rules that are evaluated in it."""
        return frozenset(self.rules.of(self.scenario.groups).contents)

    @cached_property
    def told(self) -> frozenset[str]:
        """The alerts that somebody is told of."""
        return frozenset(each.alert for each in self.scenario.told)

    @cached_property
    def touched(self) -> frozenset[str]:
        """The alerts that read something which is otherwise than on a quiet day; all on such."""
        of_groups = self.rules.of(self.scenario.groups)
        if self.scenario.given or not self.scenario.told:
            return frozenset(of_groups.alerts)
        return frozenset(of_groups.alerts & touched(self.scenario, of_groups))

    def world(self, alerts: frozenset[str]) -> World:
        """The scenario for mutants that can change whether one of ``alerts`` fires."""
        scenario = self.scenario
        used = Rules(self.rules.of(scenario.groups).files, alerts)
        step = scenario.step
        ends = range((_TOGETHER - 1) * step, scenario.steps * step, _TOGETHER * step)
        window = f"[{_TOGETHER * step}s]"
        fired = f'{ALERTS}{{alertstate="firing",severity!="info"}}{window}'
        return World(
            scenario.name,
            test={
                "interval": f"{step}s",
                "input_series": list(inputs(scenario, used.read_any, {})),
            },
            settings={"evaluation_interval": f"{step}s"},
            files=[name.removesuffix(".yml") for name in used.files],
            queries=[(f"count_over_time({fired})", at) for at in ends],
            rewrite=stopping if scenario.blind else as_it_is,
        )


def incidents(rules: Rules, scenarios: Sequence[Scenario]) -> Iterator[Incident]:
    """The scenarios' worlds, cheapest first."""
    found = [Incident(scenario, rules) for scenario in scenarios]
    return iter(sorted(found, key=lambda each: each.cost))
