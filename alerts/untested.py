"""Rules of which no rule test and no scenario would notice that they are wrong."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from alerts.expressions import selectors
from alerts.model import Group, Severity
from alerts.rules import expressions
from alerts.scenarios.scenario import Scenario
from prometheus_tools.yaml_reading import read_yaml

_RECORD = re.compile(r"\w+:[\w:]+")
_ALERT = re.compile(r'ALERTS\{alertname="(\w+)"')


def untested_in(
    all_groups: tuple[Group, ...], folder: Path, scenarios: Iterable[Scenario]
) -> list[str]:
    """Records whose value, and alerts whose firing, nothing looks at; each with the fix.

    ``folder`` holds the rule tests. What an alert reads is looked at where a scenario says who is
    told of that alert, and what a record reads where a test says what that record is.
    """
    documents = [_document(file) for file in sorted(folder.rglob("*.yml"))]
    told = {each.alert for scenario in scenarios for each in scenario.told}
    tests = [test for document in documents for test in document["tests"]]
    expected = {name for expr in _said(tests) for name in _RECORD.findall(expr)}
    read = _read_by(told | expected, all_groups)
    silent = {
        threshold.alert
        for group in all_groups
        for signal in group.signals
        for threshold in signal.thresholds
        if threshold.severity is not Severity.INFO
    }
    found = []
    for group in all_groups:
        names = dict.fromkeys(name for name, _ in expressions(group))
        loading = [
            test
            for document in documents
            if any(Path(name).stem == group.name for name in document["rule_files"])
            for test in document["tests"]
        ]
        fires, quiet = _alerts_shown(loading)
        said = "\n".join(_said(loading))
        looked_at = read | _read_by({name for name in names if name in said}, all_groups)
        for name in names:
            if ":" in name:
                if name not in said and name not in looked_at:
                    found.append(
                        f"group {group.name}: record {name}: nothing looks at what it says; add "
                        f"it to alerts/rule_tests/{group.source or group.name}.py, or a scenario "
                        "of an alert that reads it"
                    )
            elif name not in fires and name not in told:
                found.append(
                    f"group {group.name}: alert {name}: nothing shows it firing; add a scenario "
                    "in which somebody is told of it, or a test in prometheus/tests"
                )
            elif name in silent and name not in quiet and name not in told:
                found.append(
                    f"group {group.name}: alert {name}: nothing shows it silent; add a test that "
                    "expects no alerts"
                )
    return found


def _document(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = read_yaml(file.read_text(encoding="utf-8"))
    return document


def _alerts_shown(tests: Iterable[Mapping[str, Any]]) -> tuple[set[str], set[str]]:
    """The alerts that tests expect to fire, and those that they expect to be silent at a time."""
    fires: set[str] = set()
    quiet: set[str] = set()
    for test in tests:
        for case in test.get("alert_rule_test", []):
            (fires if case["exp_alerts"] else quiet).add(case["alertname"])
        for case in test.get("promql_expr_test", []):
            if named := _ALERT.match(case["expr"]):
                (fires if case["exp_samples"] else quiet).add(named[1])
    return fires, quiet


def _said(tests: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The queries to which tests expect some answer."""
    for test in tests:
        for case in test.get("promql_expr_test", []):
            if case["exp_samples"]:
                yield case["expr"]


def _read_by(rules: set[str], all_groups: tuple[Group, ...]) -> set[str]:
    """The records that these rules read, and those that these read."""
    exprs: dict[str, list[str]] = {}
    for group in all_groups:
        for name, expr in expressions(group):
            exprs.setdefault(name, []).append(expr)
    found: set[str] = set()
    open_ = [*rules]
    while open_:
        for expr in exprs.get(open_.pop(), []):
            names = {each.name or "" for each in selectors(expr)}
            new = (names & exprs.keys()) - found
            found |= new
            open_ += new
    return found
