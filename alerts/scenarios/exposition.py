"""The raw series of a scenario, as Prometheus stores what it scrapes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from alerts import exporters
from alerts.scenarios.conditions import Conditions
from alerts.scenarios.counted import Counted, Floats
from alerts.scenarios.flow import orchestrate
from alerts.scenarios.platform import INSTANCES, SCRAPED, platform
from alerts.scenarios.scenario import Scenario
from alerts.scenarios.world import World

JOB = "orchestrator"
_BEFORE = 10_000.0
"""What counters that count had counted before the scenario."""


@dataclass(frozen=True)
class Series:
    """A series: a value for each step, NaN where there is no sample."""

    name: str
    labels: Mapping[str, str]
    values: Floats
    blind: NDArray[np.bool_]
    """Steps in which nobody looked: the series has no end there."""

    @cached_property
    def notation(self) -> str:
        """The values as promtool reads them."""
        return " ".join(_notation(self.values, self.blind))


@cache
def series(scenario: Scenario) -> tuple[Series, ...]:
    """Every series of the scenario."""
    return tuple(one for world in scenario.worlds for one in _of_world(scenario, world))


def _of_world(scenario: Scenario, world: World) -> Iterator[Series]:
    conditions = Conditions(world, scenario.moments, scenario.step, scenario.lead)
    for change in world.changes:
        change.apply(conditions)
    for since, until in scenario.blind:
        conditions.blind |= conditions.during(since, until)
    identity = {"cluster": world.cluster, "environment": world.environment}
    targets = [
        _Target(JOB, f"orchestrator-{number}:8000", identity, conditions, number)
        for number in range(world.instances)
    ]
    own = orchestrate(conditions)
    yield from _scraped(targets, own)
    for job, counted in platform(conditions).items():
        yield from _scraped([_Target(job, INSTANCES[job], identity, conditions)], counted)


class _Target:
    """What is scraped at one address, and when there is something to scrape."""

    def __init__(
        self,
        job: str,
        instance: str,
        identity: Mapping[str, str],
        conditions: Conditions,
        number: int | None = None,
    ) -> None:
        self.labels = {"job": job, "instance": instance, **identity}
        self.conditions, self.number = conditions, number
        steps = len(conditions.minutes)
        self.starts = np.zeros(steps, dtype=bool)
        self.known, self.up = np.ones(steps, dtype=bool), np.ones(steps, dtype=bool)
        if number is not None:
            self.starts = conditions.starts[number]
            self.known = conditions.target[number]
            self.up = conditions.runs[number] & conditions.scraped[number]
        for of, during in conditions.jobs_down:
            self.up = self.up & ~during if of == job else self.up
        for of, during in conditions.jobs_unknown:
            self.known = self.known & ~during if of == job else self.known
        self.known = self.known & ~conditions.blind
        self.up = self.up & self.known

    def series(self, name: str, labels: Mapping[str, str], values: Floats) -> Series:
        # What a target says of itself under a label of the target is kept under another name.
        own = {f"exported_{k}" if k in self.labels else k: v for k, v in labels.items()}
        return Series(name, {**own, **self.labels}, values, self.conditions.blind)


def _scraped(targets: list[_Target], counted: Counted) -> Iterator[Series]:
    for raw in counted.all():
        target = targets[raw.instance]
        values = _total(raw.values, target.starts) if raw.grows else raw.values
        if raw.begins:
            grown = np.cumsum(raw.values)
            values = np.where(grown > 0, grown, np.nan)
        seen = target.up & ~_missing(target.conditions, raw.name, raw.labels)
        yield target.series(raw.name, dict(raw.labels), np.where(seen, values, np.nan))
    for target in targets:
        for name, values in _about(target):
            yield target.series(name, {}, values)


def _about(target: _Target) -> Iterator[tuple[str, Floats]]:
    """What Prometheus says of a target itself."""
    yield exporters.UP.name, np.where(target.known, target.up.astype(float), np.nan)
    for metric, usual in SCRAPED.items():
        values = np.full(len(target.up), usual)
        for (of, _, which), said in target.conditions.set_to.items():
            if of is metric and target.number is not None and which in (None, target.number):
                values = np.where(np.isnan(said), values, said)
        yield metric.name, np.where(target.up, values, np.nan)


def _total(grown: Floats, starts: NDArray[np.bool_]) -> Floats:
    """A counter's values from what it grows by: it begins at zero at each start."""
    total = np.cumsum(grown) + (_BEFORE if grown.any() else 0)
    if not starts.any():
        return total
    begun = np.maximum.accumulate(np.where(starts, np.arange(len(grown)), 0))
    before = np.concatenate([[0.0], total])[begun]
    return np.where(np.maximum.accumulate(starts), total - before, total)


def _missing(
    conditions: Conditions, name: str, labels: Iterable[tuple[str, str]]
) -> NDArray[np.bool_]:
    gone = np.zeros(len(conditions.minutes), dtype=bool)
    for metric, of, during in conditions.missing:
        if name in metric.series_names and of <= frozenset(labels):
            gone |= during
    return gone


def _notation(values: Floats, blind: NDArray[np.bool_]) -> Iterator[str]:
    """Runs of equal steps in one word each; the end of a series is a marker."""
    numbers, absent = values.tolist(), np.isnan(values).tolist()
    at, count, was = 0, len(numbers), False
    while at < count:
        end = at + 1
        if absent[at]:
            if was and not blind[at]:
                yield "stale"
            else:
                while end < count and absent[end]:
                    end += 1
                yield f"_x{end - at}"
            was = False
        elif end < count and not absent[end]:
            difference = numbers[end] - numbers[at]
            while end < count and not absent[end] and numbers[end] - numbers[end - 1] == difference:
                end += 1
            yield f"{numbers[at]:.12g}{difference:+.12g}x{end - at - 1}"
            was = True
        else:
            yield f"{numbers[at]:.12g}"
            was = True
        at = end
