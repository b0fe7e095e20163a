"""Counters that begin, in every way that matters for the first value of each.

That value counts where the target was scraped two minutes before and did not have the counter.
"""

from collections.abc import Mapping

from alerts.exporters import UP
from alerts.rule_tests.universe import JOB, Labels, Series, Universe, Values, Where, everything

CALM = "calm"
_AGO, _LOOKBACK = 120, 300
_LONG = 0
# Since how many seconds there is the counter, since how many its target, and whether that is up.
_WAYS: tuple[tuple[int, int | None, int], ...] = (
    *((20, _LONG, 1), (90, _LONG, 1), (180, _LONG, 1), (_LONG, _LONG, 1)),
    *((20, 90, 1), (20, 180, 1), (20, _LONG, 0), (20, None, 1)),
)


def add_targets(universe: Universe) -> None:
    """Whether each target is up, for both jobs."""
    for job in (JOB, CALM):
        for instance, (_, since, value) in _instances(job):
            if since is not None:
                labels = {"job": job, "instance": instance}
                gaps = _before(since)
                universe.add(UP.name, labels, 0, grows=False, base=value, gaps=gaps)


def add_beginning(
    universe: Universe, name: str, job: str, base: float, labels: Mapping[str, str]
) -> None:
    """A counter of each target of the job, which begins and then stays as it is."""
    for position, (instance, (since, _, _)) in enumerate(_instances(job), start=1):
        own = {"job": job, "instance": instance, **labels}
        value = base * 1.5**position
        universe.add(name, own, 0, grows=True, base=value, gaps=_before(since))


def first_rates(
    universe: Universe, name: str, by: tuple[str, ...] = ("job",), where: Where = everything
) -> Values:
    """What the first values are a second, added up by labels."""
    found: Values = {}
    for one in universe.series:
        if one.name == name and where(one.labels):
            key: Labels = tuple((label, one.labels[label]) for label in sorted(by))
            if _counts(universe, one):
                found[key] = found.get(key, 0.0) + one.base / _AGO
            elif len(universe.samples(one, _AGO)) > 1:
                found.setdefault(key, 0.0)
    return found


def _counts(universe: Universe, one: Series) -> bool:
    def then(series: Series) -> list[float]:
        return universe.samples(series, _AGO + _LOOKBACK, _AGO)

    place = (one.labels["job"], one.labels["instance"])
    was_up = any(
        then(each)[-1:] == [1]
        for each in universe.series
        if each.name == UP.name and (each.labels["job"], each.labels["instance"]) == place
    )
    return was_up and not then(one)


def _instances(job: str) -> list[tuple[str, tuple[int, int | None, int]]]:
    """The way of each instance; the same instance of the other job has another one."""
    turned = _WAYS if job == JOB else (*_WAYS[3:], *_WAYS[:3])
    return [(f"{number}:8000", way) for number, way in enumerate(turned)]


def _before(since: int) -> tuple[tuple[int, int], ...]:
    return ((10**8, since),) if since else ()
