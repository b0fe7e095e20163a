"""A scenario's raw series are what the orchestrator would expose, and add up."""

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from alerts.exporters import known_metrics
from alerts.scenarios.changes import Counts, Down, Fails, Restart, Sets
from alerts.scenarios.exposition import Series, series
from alerts.scenarios.scenario import MONDAY_MORNING, Scenario
from alerts.scenarios.world import Change, World
from app.core import catalogue
from app.core.catalogue import Component
from asgi_observability.metric import Kind
from tests.not_empty import not_empty

TARGET = frozenset({"job", "instance", "cluster", "environment"})
METRICS = {name: metric for metric in known_metrics() for name in metric.series_names}


def scenario(*changes: Change, instances: int = 2) -> Scenario:
    """Half an hour with all that happens in it."""
    world = World(sms_an_hour=1200, instances=instances, changes=changes)
    return Scenario("any", "", MONDAY_MORNING, lasts=20, lead=10, world=world)


def of(one: Scenario, name: str, **labels: str) -> dict[Mapping[str, str], Series]:
    """The series of a name that have these labels, by their other labels."""
    return {
        frozenset(s.labels.items()): s  # type: ignore[misc]
        for s in series(one)
        if s.name == name and labels.items() <= s.labels.items()
    }


def total(one: Scenario, name: str, **labels: str) -> float:
    """What the series grow by altogether."""
    return sum(float(s.values[-1] - s.values[0]) for s in of(one, name, **labels).values())


AI_FAILS = scenario(Fails(Component.AI_PROVIDER, until=10))


def test_names_and_labels_are_those_of_the_catalogue() -> None:
    for one in not_empty(series(AI_FAILS)):
        metric = METRICS[one.name]
        labels = {name.removeprefix("exported_"): value for name, value in one.labels.items()}
        own = set(metric.label_names) | ({"le"} if one.name.endswith("_bucket") else set())
        assert labels.keys() == own | TARGET, one.name
        foreign = {
            label.name
            for label in metric.labels
            if label.values is not None
            and label.name not in TARGET
            and labels[label.name] not in label.values
        }
        assert foreign == set(), one.name
        if metric.kind is not Kind.GAUGE and not one.name.endswith(("_sum", "_seconds_total")):
            assert (one.values == np.floor(one.values)).all(), one.name
            assert (np.diff(one.values) >= 0).all(), one.name


def test_every_sms_ends_somewhere() -> None:
    received = total(AI_FAILS, catalogue.SMS_RECEIVED.name)
    assert received == pytest.approx(1200 / 2, abs=2)
    ended = catalogue.SMS_PROCESSING_DURATION
    assert total(AI_FAILS, ended.count) == received
    assert total(AI_FAILS, ended.count, route="failed") == pytest.approx(200, abs=2)
    assert total(AI_FAILS, ended.bucket, le="+Inf") == received


def test_the_breaker_opens_and_most_calls_are_refused() -> None:
    errors = catalogue.OPERATION_ERRORS.name
    refused = total(AI_FAILS, errors, component="ai_provider", error_type="circuit_open")
    failed = total(AI_FAILS, errors, component="ai_provider", error_type="server_error")
    assert refused > 150
    assert 10 <= failed <= 40
    closed = of(AI_FAILS, catalogue.CIRCUIT_BREAKER_STATE.name, component="ai_provider")
    states = np.sum([s.values for s in closed.values()], axis=0)
    assert set(states) == {2}, "each of two workers is in one state"


def samples(one: Scenario, name: str) -> NDArray[np.float64]:
    (found,) = of(one, name, job="orchestrator").values()
    return found.values


def test_a_restart_begins_at_zero_and_what_is_down_is_not_there() -> None:
    name = catalogue.SMS_RECEIVED.name
    restarted = samples(scenario(Restart(5), instances=1), name)
    assert (np.diff(restarted) < 0).sum() == 1
    away = scenario(Down(0, 5), instances=1)
    (found,) = of(away, name).values()
    assert np.isnan(found.values).sum() == 5 * 4
    assert found.notation.split().count("stale") == 1
    assert samples(away, "up").tolist().count(0) == 5 * 4
    assert not np.isnan(samples(away, "up")).any()


def test_notation_says_each_sample() -> None:
    for one in not_empty(series(scenario(Down(0, 5), Restart(12)))):
        assert len(_expanded(one.notation)) == len(one.values)
        np.testing.assert_allclose(_expanded(one.notation), one.values)


def _expanded(notation: str) -> list[float]:
    found: list[float] = []
    for word in notation.split():
        head, _, times = word.partition("x")
        if word == "stale" or head == "_":
            found += [float("nan")] * int(times or 1)
            continue
        at = max(head.rfind(sign) for sign in "+-")
        while at > 0 and head[at - 1] == "e":
            at = max(head.rfind(sign, 0, at) for sign in "+-")
        if times and at > 0:
            start, by = float(head[:at]), float(head[at:])
            found += [start + by * number for number in range(int(times) + 1)]
        else:
            found.append(float(head))
    return found


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (Sets(catalogue.SMS_IN_FLIGHT, 1, labels={"x": "y"}), r"it has none"),
        (Sets(catalogue.SMS_RECEIVED, 1), r"is a counter; use Counts"),
        (Counts(catalogue.APPROVALS, 1, labels={"action": "maybe"}), r"one of approve, modify"),
        (Down(instance=2), r"instance 2: the world has 2"),
        (Restart(30), r"minute 30 is outside of the scenario"),
    ],
)
def test_what_can_not_be_is_named(change: Change, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        series(scenario(change))
