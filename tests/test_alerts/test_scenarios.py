"""Incidents told in raw counters: who is told what of them, when, how often, and when it's over."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from alerts import paths
from alerts.scenarios import evaluation, run, table
from alerts.scenarios.collection import all_scenarios
from alerts.scenarios.evaluation import timelines
from alerts.scenarios.outcome import Outcome
from alerts.scenarios.run import outcomes
from alerts.scenarios.scenario import Scenario
from alerts.scenarios.undisturbed import Part
from prometheus_tools.toolchain import locate, locate_floor
from tests.length import LONG, only_long
from tests.not_empty import not_empty

AT_EACH_CHANGE = {
    "Two Prometheus replicas": ("scraping",),
    "Prometheus is restarted": ("scraping", "monitoring"),
    "Gone from discovery for 20 minutes": ("scraping",),
    "A disk fills within a day": (),
    "SMS stop in the first week of life": (),
    "AI down for 5 minutes": (),
    "16 AI calls fail at once": (),
    "The AI and the SMS Agent are down together": (),
}
"""By their names the groups of rules that have a say in them; none where all have, or the scenario
names its own. Together they take every way through what evaluates scenarios: two replicas, an
outage of Prometheus, alone, some groups of rules, given records; and every way in which they end:
a page, a ticket, silence, one held back by another."""


def at_each_change() -> Iterator[Scenario]:
    """The scenarios of AT_EACH_CHANGE, by their groups."""
    for each in all_scenarios():
        if each.name in AT_EACH_CHANGE:
            yield replace(each, groups=each.groups or AT_EACH_CHANGE[each.name])


SCENARIOS = all_scenarios() if LONG else [*at_each_change()]


EVERY_PROMTOOL = [locate, locate_floor] if LONG else [locate]


@pytest.fixture(scope="module", params=EVERY_PROMTOOL, ids=lambda way: way.__name__)
def found(request: pytest.FixtureRequest) -> dict[str, Outcome]:
    """The outcome of every scenario that was asked for: together they cost a fraction."""
    here = {item.name for item in request.session.items if item.path == request.path}
    wanted = [each for each in SCENARIOS if any(f"-{each.slug}]" in name for name in here)]
    return {each.scenario.name: each for each in outcomes(wanted, request.param("promtool"))}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.slug)
def test_scenario(
    scenario: Scenario, found: dict[str, Outcome], request: pytest.FixtureRequest
) -> None:
    problems = found[scenario.name].problems
    if scenario.fails_today:
        assert problems, f"{scenario.name}: it passes now; take fails_today away"
        pytest.xfail(f"the rules do not do this yet: {scenario.fails_today}")
    if problems:
        pytest.fail(table.report(found[scenario.name]), pytrace=False)
    # Minutes are those of the newer one, whose windows hold one sample less.
    if request.node.callspec.params["found"] is locate:
        page = paths.SCENARIOS.read_text()
        assert table.row(found[scenario.name]) in page, "run `python -m alerts scenarios --write`"


def test_the_page_has_all_scenarios_and_no_others() -> None:
    rows = paths.SCENARIOS.read_text().removeprefix(table.HEADER).splitlines()
    assert [row.split(" | ")[0] for row in rows] == [f"| {each.name}" for each in all_scenarios()]
    assert {each.name for each in all_scenarios()} >= AT_EACH_CHANGE.keys()


@only_long
def test_what_is_taken_from_an_undisturbed_world_is_what_would_fire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    some = [each for each in SCENARIOS if not each.is_long]
    rules = run.rules()
    saving = timelines(some, rules)
    every = frozenset(rules.alerts)
    monkeypatch.setattr(evaluation, "parts", lambda of, _rules: [Part(s, every) for s in of])
    everything = timelines(some, rules)
    for scenario in not_empty(some):
        assert saving[scenario.name].firing == everything[scenario.name].firing, scenario.name
