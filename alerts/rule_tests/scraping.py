"""What the records of scraping have to say."""

from itertools import pairwise

from alerts import exporters
from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.universe import Universe, Values, share
from alerts.signals import scraping
from app.core.thresholds import Thresholds
from asgi_observability.metric import Metric

_TARGET = ("job", "instance")
_DAY = 86400


def tests(_thresholds: Thresholds) -> list[RecordTest]:
    """The tests of the group."""
    return [_minutes(), _days()]


def changes(values: list[float]) -> float:
    """How often a value differs from the one before."""
    return sum(before != after for before, after in pairwise(values))


def added(*parts: Values) -> Values:
    """The sum of values with the same labels."""
    return {key: sum(part[key] for part in parts) for key in parts[0]}


def beside_yesterday(
    universe: Universe, metric: Metric, by: tuple[str, ...]
) -> tuple[Values, Values]:
    """The largest values now, as a multiple of a day ago's, and how much more they are."""
    now = universe.now(metric.name, by, combine=max)
    before = universe.now(metric.name, by, combine=max, ago=_DAY)
    return share(now, before), {key: value - before[key] for key, value in now.items()}


def _minutes() -> RecordTest:
    universe = Universe()
    refused = (
        exporters.SAMPLES_OUT_OF_ORDER,
        exporters.SAMPLES_OUT_OF_BOUNDS,
        exporters.SAMPLES_DUPLICATE,
    )
    for metric in (exporters.UP, *refused):
        universe.observe(metric)
    expected = {
        scraping.CHANGES.name: universe.over(changes, exporters.UP.name, 1800, _TARGET),
        scraping.REJECTED.name: added(
            *(universe.increases(metric.name, 600, _TARGET) for metric in refused)
        ),
    }
    return RecordTest("targets that come and go, samples refused", universe, expected)


def _days() -> RecordTest:
    universe = Universe(stretch=120)
    samples = exporters.SCRAPE_SAMPLES_KEPT
    universe.observe(samples)
    universe.observe_one(samples, "node", "c:8000", 0.01)
    growth, more = beside_yesterday(universe, samples, ("job",))
    expected = {scraping.GROWTH.name: growth, scraping.MORE_SAMPLES.name: more}
    return RecordTest("samples a scrape beside yesterday's", universe, expected)
