"""When what pages are made from vanishes, somebody is told: evaluated, not read."""

from datetime import datetime

import httpx
import pytest

from alerts.prometheus_config import evaluation_seconds
from alerts.rules import rule_files
from alerts.scenarios.changes import Forgotten, Missing
from alerts.scenarios.evaluation import Timeline, timelines
from alerts.scenarios.rules import Rules
from alerts.scenarios.scenario import Scenario
from alerts.scenarios.world import World
from alerts.signals.scraping import NEEDED
from app.core import catalogue
from app.core.config import Links
from app.core.thresholds import Thresholds
from asgi_observability.metric import Metric
from prometheus_tools.rulebook import AlertingRule, rulebook, series_names
from tests.not_empty import not_empty

FILES = rule_files(Thresholds(), Links())
BOOK = rulebook(FILES.values(), evaluation_seconds())
PAGES = [rule for rule in BOOK.alerts if rule.labels["severity"] == "page"]
BEGINS_LATE = frozenset({catalogue.OPERATION_ERRORS})
"""Without a series until something fails, so that its absence says nothing."""


def inputs(rule: AlertingRule) -> set[Metric]:
    """What the orchestrator exposes that ``rule`` is made from, however indirectly."""
    read = series_names(rule.expr)
    for name in BOOK.closure(read):
        read |= {each for record in BOOK.records[name] for each in series_names(record.expr)}
    return {metric for metric in catalogue.metrics() if read & {*metric.series_names}}


def taken_away(what: Metric | None) -> Scenario:
    """From minute 0 on a metric is missing; all targets where it is None."""
    return Scenario(
        name=f"no {what.name if what else 'target'}",
        story="It is there, and then it is not.",
        begins=datetime(2026, 3, 2, 10),
        lasts=20,
        lead=10,
        step=60,
        alone=what is None,
        world=World(changes=(Missing(what) if what else Forgotten(),)),
    )


METRICS = sorted({m for rule in PAGES for m in inputs(rule)}, key=lambda metric: metric.name)
WANTED = [each for each in METRICS if each not in BEGINS_LATE]


@pytest.fixture(scope="module")
def seen() -> dict[str, Timeline]:
    """What fires when each is taken away."""
    return timelines([*map(taken_away, not_empty(WANTED)), taken_away(None)], Rules(FILES))


@pytest.mark.parametrize("metric", [*WANTED, None], ids=lambda m: m.name if m else "targets")
def test_what_vanishes_is_told(metric: Metric | None, seen: dict[str, Timeline]) -> None:
    told = seen[taken_away(metric).name].at(30 * 60)
    names = {dict(alert)["alertname"] for alert in told}
    assert names, f"add {metric.name if metric else 'up'} to NEEDED in alerts/signals/scraping.py"


async def test_what_is_missed_is_exposed_from_the_first_scrapes_on(
    client: httpx.AsyncClient,
) -> None:
    await client.get("/metrics")
    text = (await client.get("/metrics")).text
    exposed = {line.split("{")[0].split(" ")[0] for line in text.splitlines()}
    # How old the oldest is, is known as soon as what waits was counted: seconds later.
    counted = {catalogue.APPROVAL_QUEUE_OLDEST_AGE.name, catalogue.ESCALATIONS_OLDEST_AGE.name}
    assert {*NEEDED} - counted <= exposed
