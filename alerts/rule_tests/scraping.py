"""What the records of scraping have to say."""

from collections.abc import Iterable
from itertools import pairwise
from statistics import median

from alerts import exporters
from alerts.rule_tests.beginning import CALM
from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.universe import INSTANCES, JOB, Labels, Universe, Values, key_of, share
from alerts.signals import scraping
from app.core import catalogue
from app.core.thresholds import Thresholds
from asgi_observability.metric import Metric

_TARGET = ("job", "instance")
_DAY = 86400

OTHERS = "another-teams"
"""A job that is not ours."""


def tests(thresholds: Thresholds) -> list[RecordTest]:
    """The tests of the group."""
    return [_minutes(), _days(thresholds), _exposed()]


def changes(values: list[float]) -> float:
    """How often a value differs from the one before."""
    return sum(before != after for before, after in pairwise(values))


def increases_of_all(universe: Universe, metrics: Iterable[Metric], window: int) -> Values:
    """The sum of counters of Prometheus that are added to ``universe``.

    One of two instances does not have the first: that hides nothing of the others.
    """
    found: Values = {}
    for position, metric in enumerate(metrics):
        for instance in INSTANCES[: 1 + position]:
            universe.observe_one(metric, scraping.PROMETHEUS_JOB, instance, 1)
        universe.observe_one(metric, OTHERS, "d:8000", 1)
        for key, increase in ours(universe.increases(metric.name, window, _TARGET)).items():
            found[key] = found.get(key, 0.0) + increase
    return found


def ours(values: Values) -> Values:
    """Without what is another team's."""
    return {key: value for key, value in values.items() if ("job", OTHERS) not in key}


def beside_yesterday(
    universe: Universe, metric: Metric, by: tuple[str, ...]
) -> tuple[Values, Values]:
    """The largest values now, as a multiple of a day ago's, and how much more they are."""
    now = ours(universe.now(metric.name, by, combine=max))
    before = ours(universe.now(metric.name, by, combine=max, ago=_DAY))
    return share(now, before), {key: value - before[key] for key, value in now.items()}


def _minutes() -> RecordTest:
    universe = Universe()
    up = exporters.UP
    universe.observe(up)
    universe.observe_one(up, OTHERS, "d:8000", 1)
    refused = (
        exporters.SAMPLES_OUT_OF_ORDER,
        exporters.SAMPLES_OUT_OF_BOUNDS,
        exporters.SAMPLES_DUPLICATE,
    )
    expected = {
        scraping.CHANGES.name: ours(universe.over(changes, up.name, 1800, _TARGET)),
        scraping.INSTANCES.name: ours(universe.now(up.name, combine=len)),
        scraping.ANY_UP.name: ours(universe.now(up.name, combine=max)),
        scraping.REJECTED.name: increases_of_all(universe, refused, 600),
    }
    return RecordTest("targets that come and go, samples refused", universe, expected)


def _days(thresholds: Thresholds) -> RecordTest:
    universe = Universe(stretch=120)
    samples = exporters.SCRAPE_SAMPLES_KEPT
    universe.observe(samples)
    universe.observe_one(samples, "node", "c:8000", 0.01)
    universe.observe_one(samples, OTHERS, "d:8000", 1)
    growth, more = beside_yesterday(universe, samples, ("job",))
    for job, hours in (("today", 20), ("yesterday", 30)):
        gaps = ((hours * 3600, 0),)
        universe.add(scraping.ANY_UP.name, {"job": job}, 1, grows=False, gaps=gaps)
    instances = scraping.INSTANCES.name
    universe.add(instances, {"job": JOB}, 1, grows=False)
    should = thresholds.expected_instances
    expected_instances = (
        {(("job", JOB),): float(should)} if should else universe.over(median, instances, _DAY)
    )
    now = universe.now(instances)
    expected: dict[str, Values] = {
        scraping.GROWTH.name: growth,
        scraping.MORE_SAMPLES.name: more,
        scraping.REACHABLE.name: {(("job", "today"),): 0.0},
        str(scraping.missing(thresholds).source): {
            key: value - now[key] for key, value in expected_instances.items()
        },
    }
    return RecordTest("what there was within a day, and is now", universe, expected)


def _exposed() -> RecordTest:
    universe = Universe()

    def add(name: str, job: str, instance: str, value: float = 1, **where: str) -> None:
        labels = {"cluster": "main", "job": job, "instance": instance, **where}
        universe.add(name, labels, 0, grows=False, base=value)

    up, build = exporters.UP.name, catalogue.BUILD_INFO.name
    requests = catalogue.HTTP_SERVER_REQUEST_DURATION.count
    for series in scraping.NEEDED:
        # What `lacking` lacks has another instance, and one of that name anywhere else.
        add(series, JOB, "complete")
        add(series, CALM, "lacking")
        add(series, JOB, "lacking", cluster="spare")
        environment = "staging" if series == requests else "production"
        add(series, JOB, "lacking", environment=environment)
    for instance in ("complete", "lacking", "of-its-own-word"):
        add(up, JOB, instance)
    add(up, JOB, "lacking", environment="production")
    add(up, JOB, "down", 0)
    add(up, CALM, "complete")
    # A target without an environment, whose build says one: that of others of its name.
    add(build, JOB, "of-its-own-word", environment="production", version="1")
    add(up, CALM, "of-its-own-word", environment="production")
    add(up, JOB, "of-its-own-word", 0, cluster="spare", environment="production")

    def missing(series: str, **where: str) -> Labels:
        return key_of({"cluster": "main", "job": JOB, "metric": series, **where})

    without = {missing(series): 1.0 if series == build else 2.0 for series in scraping.NEEDED}
    without[missing(requests, environment="production")] = 1.0
    return RecordTest(
        "metrics that are missing",
        universe,
        {str(scraping.silent().source): without},
        says_where=True,
    )
