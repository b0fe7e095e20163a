"""`python -m alerts mutate`: breaks each rule a little, and lists what nothing notices."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from alerts import paths
from alerts.equivalent import reason
from alerts.scenarios.collection import all_scenarios
from alerts.scenarios.mutants import Incident, incidents
from alerts.scenarios.rules import Rules
from alerts.scenarios.run import rules
from asgi_observability.nearest import did_you_mean
from prometheus_tools.mutated import World, chains, noticed
from prometheus_tools.mutation import Mutant, mutants
from prometheus_tools.rule_test_worlds import worlds_of

_SCENARIO, _RULE_TEST = "a scenario", "a rule test"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "groups", nargs="*", metavar="GROUP", help="only these rule groups (default: all)"
    )
    parser.add_argument(
        "--scenarios-alone", action="store_true", help="leave the rule tests out: what do they add?"
    )


@dataclass
class _Tried:
    """The mutants of a group: what noticed each, and those that nothing did."""

    by: Counter[str] = field(default_factory=Counter)
    equivalent: list[Mutant] = field(default_factory=list)
    alive: list[Mutant] = field(default_factory=list)


def run(arguments: argparse.Namespace) -> int:
    """Print each mutant that nothing notices, and a line a group; 1 where there are any."""
    used = rules()
    documents = used.contents
    for name in arguments.groups:
        if name not in documents:
            near = did_you_mean(name, documents, otherwise=f"there are {', '.join(documents)}")
            raise ValueError(f"no rule group {name!r}; {near}")
    tests = [] if arguments.scenarios_alone else list(worlds_of(paths.RULE_TESTS))
    told = list(incidents(used, all_scenarios()))
    wanted = arguments.groups or list(documents)
    alive = 0

    def tried(name: str) -> _Tried:
        return _tried(name, used, tests, told)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, found in zip(wanted, pool.map(tried, wanted), strict=True):
            alive += len(found.alive)
            for mutant in found.alive:
                print(mutant)
            by = ", ".join(f"{count} noticed by {what}" for what, count in found.by.items())
            print(
                f"{name}: {by or 'nothing noticed'}, {len(found.equivalent)} that change nothing, "
                f"{len(found.alive)} that nothing notices",
                file=sys.stderr,
                flush=True,
            )
    print(f"{alive} changes that nothing notices", file=sys.stderr)
    return 1 if alive else 0


def _tried(name: str, used: Rules, tests: Sequence[World], told: Sequence[Incident]) -> _Tried:
    """What notices the mutants of a group, and what is left.

    Rule tests come first, which cost a hundredth; then the scenarios in which somebody is told of
    an alert that reads the mutated rule; then those that change what it reads.
    """
    documents = used.contents
    result = _Tried()
    left: dict[Mutant, frozenset[str]] = {}
    for chain in chains(documents, mutants(name, documents[name])):
        if reason(chain.mutant):
            result.equivalent.append(chain.mutant)
        else:
            left[chain.mutant] = frozenset(chain.alerts) & used.alerts

    def take(found: Iterable[Mutant], what: str) -> None:
        for mutant in found:
            del left[mutant]
            result.by[what] += 1

    for world in tests:
        if left and name in world.files:
            _progress(name, len(left), world.name)
            take(noticed(world, documents, list(left), paths.MUTANTS), _RULE_TEST)
    for incident, alerts in _worth_telling(left, name, told):
        some = [mutant for mutant, of in left.items() if of & alerts]
        if some:
            _progress(name, len(left), incident.scenario.name)
            world = incident.world(frozenset().union(*(left[mutant] for mutant in some)))
            take(noticed(world, documents, some, paths.MUTANTS), _SCENARIO)
    result.alive = list(left)
    return result


def _progress(name: str, left: int, world: str) -> None:
    if sys.stderr.isatty():
        line = f"{name}: {left} left; {world}"[:100]
        print(f"\r{line:<100}\r", end="", file=sys.stderr, flush=True)


def _worth_telling(
    left: Mapping[Mutant, frozenset[str]], name: str, told: Sequence[Incident]
) -> Iterator[tuple[Incident, frozenset[str]]]:
    """Scenarios that evaluate the group, each with the alerts of which something is to be seen."""
    of_group = [each for each in told if name in each.groups]
    for each in of_group:
        if left:
            yield each, each.told
    for each in of_group:
        if left:
            yield each, each.touched
