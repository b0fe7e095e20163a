"""Every scenario, module by module: each subject has one, with its SCENARIOS."""

import pkgutil
from functools import cache
from importlib import import_module

import alerts.scenarios
from alerts.scenarios.scenario import Scenario
from asgi_observability.nearest import did_you_mean


@cache
def all_scenarios() -> tuple[Scenario, ...]:
    """In the order of the modules. ValueError where two have the same name."""
    found: list[Scenario] = []
    for module in pkgutil.iter_modules(alerts.scenarios.__path__, "alerts.scenarios."):
        found += getattr(import_module(module.name), "SCENARIOS", ())
    names = [each.slug for each in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"scenarios of the same name: {', '.join(sorted(twice))}")
    return tuple(found)


def named(names: list[str]) -> tuple[Scenario, ...]:
    """Those whose name or identifier begins like one of ``names``; all without any.

    ValueError names one that none begins like, and the nearest.
    """
    chosen = []
    for name in names:
        wanted = name.lower()
        of = [s for s in all_scenarios() if s.name.lower().startswith(wanted) or s.slug == wanted]
        if not of:
            known = [each.slug for each in all_scenarios()]
            near = did_you_mean(name, known, otherwise=f"there are {', '.join(known)}")
            raise ValueError(f"no scenario {name!r}; {near}")
        chosen += [each for each in of if each not in chosen]
    return tuple(chosen) if names else all_scenarios()
