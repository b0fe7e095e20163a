"""One threshold changed in the settings changes its alert, lines, runbook and state: no other."""

import json
from collections.abc import Iterator
from dataclasses import asdict

from alerts import runbooks
from alerts.model import Severity
from alerts.rules import rule_files
from alerts.signals import groups, slo
from app.core.config import Links
from app.core.objectives import objectives
from app.core.thresholds import Thresholds
from app.services.rollups import Totals
from app.services.threshold_states import Now, threshold_states
from dashboards.boards import dashboard_files
from dashboards.queries import panels
from prometheus_tools.yaml_reading import read_yaml
from tests.not_empty import not_empty

BEFORE = Thresholds()
AFTER = Thresholds(approval_wait_seconds=48 * 3600)


def rules(values: Thresholds) -> Iterator[tuple[tuple[str, str, str], str]]:
    """Each rule, by its file, name and severity."""
    for file, text in rule_files(values, Links()).items():
        for group in read_yaml(text)["groups"]:
            for rule in group["rules"]:
                name = rule.get("alert") or f"{rule['record']} {rule.get('labels')}"
                severity = rule.get("labels", {}).get("severity", "")
                if "window" in rule.get("labels", {}) or name == "TargetDown":
                    severity += json.dumps(rule["labels"])
                yield (file, name, severity), json.dumps(rule, sort_keys=True)


def drawn(values: Thresholds) -> Iterator[tuple[tuple[str, str], str]]:
    """Each panel, by its dashboard and title."""
    for file, text in dashboard_files(values, Links()).items():
        for panel in panels(json.loads(text)):
            yield (file, panel["title"]), json.dumps(panel, sort_keys=True)


def states(values: Thresholds) -> Iterator[tuple[str, str]]:
    """Each threshold of the endpoint, by its name."""
    now = Now(Totals(), 0, instances=1, breakers={}, oldest_waiting_seconds=40 * 3600)
    for each in threshold_states(values, now):
        yield each.name, json.dumps(asdict(each))


def changed(
    before: Iterator[tuple[object, str]], after: Iterator[tuple[object, str]]
) -> set[object]:
    """The keys of what differs."""
    one, other = dict(before), dict(after)
    assert one.keys() == other.keys()
    return {key for key in one if one[key] != other[key]}


def test_the_alert() -> None:
    found = changed(rules(BEFORE), rules(AFTER))
    assert found == {("business.yml", "ApprovalQueueOld", "page")}


def test_the_lines_of_its_panels() -> None:
    found = changed(drawn(BEFORE), drawn(AFTER))
    assert found == {
        ("overview.json", "What works, and since when?"),
        ("ai_and_approvals.json", "Oldest answer waiting"),
        # It says what is promised.
        ("ai_and_approvals.json", "Time to decision"),
        ("slos_and_alerts.json", "Every alert and its limit"),
    }


def test_the_runbook() -> None:
    before, after = runbooks.heads(groups(BEFORE)), runbooks.heads(groups(AFTER))
    assert changed(iter(before.items()), iter(after.items())) == {"ApprovalQueueOld"}
    assert runbooks.index(groups(BEFORE)) == runbooks.index(groups(AFTER))


def test_the_state_that_the_endpoint_gives() -> None:
    assert changed(states(BEFORE), states(AFTER)) == {"approval_wait"}
    (before,) = (text for name, text in states(BEFORE) if name == "approval_wait")
    (after,) = (text for name, text in states(AFTER) if name == "approval_wait")
    assert json.loads(before)["state"] == "critical"
    assert json.loads(after)["state"] == "warning"


def test_every_limit_of_the_endpoint_is_one_of_the_alert_it_names() -> None:
    alerts = {
        (threshold.alert, threshold.severity): threshold
        for group in groups(BEFORE)
        for signal in group.signals
        for threshold in signal.thresholds
    }
    for limit in not_empty(
        threshold_states(
            BEFORE, Now(Totals(), 0, instances=1, breakers={}, oldest_waiting_seconds=0)
        )
    ):
        for severity, value in ((Severity.TICKET, limit.warning), (Severity.PAGE, limit.critical)):
            found = alerts.get((limit.alert, severity))
            assert (found is None) == (value is None), limit
            if found and limit.name == "concurrent_sms":
                assert value == found.value * BEFORE.concurrent_sms
            elif found:
                assert value == found.value, limit


def test_the_objectives_of_the_endpoint_are_those_of_the_alerts() -> None:
    promised = [each.objective for each in slo.promised(BEFORE)]
    counted = [each.objective for each in objectives(BEFORE)]
    # Whether it can be reached is nothing that the service can see itself.
    assert [each for each in promised if each not in counted] == [
        slo.reachability(BEFORE).objective
    ]
