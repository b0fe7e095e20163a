"""The rules and their own unit tests, by the real promtool of each version."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts import paths, promtool
from alerts.expressions import Vocabulary
from alerts.model import alert_names, records
from alerts.signals import groups
from app.core.config import Thresholds
from stack.toolchain import Tool

GROUPS = groups(Thresholds())
VOCABULARY = Vocabulary(records(GROUPS))
FILES = sorted(paths.RULE_TESTS.glob("*.yml"))


def cases_of(file: Path) -> list[dict[str, Any]]:
    """The tests of a file of rule tests."""
    cases: list[dict[str, Any]] = yaml.safe_load(file.read_text())["tests"]
    return cases


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_rules_pass(file: Path, each_promtool: Tool) -> None:
    promtool.check_rules(paths.RULES / file.name, each_promtool)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_rule_tests_hold(file: Path, each_promtool: Tool) -> None:
    promtool.test_rules(file, each_promtool)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_rule_tests_speak_only_of_what_exists(file: Path) -> None:
    for test in cases_of(file):
        spoken = [series["series"] for series in test.get("input_series", [])]
        spoken += [expected["expr"] for expected in test.get("promql_expr_test", [])]
        for expr in spoken:
            assert VOCABULARY.problems(expr) == [], f"{file.name}: {test['name']}"


@pytest.mark.parametrize("alert", sorted(alert_names(GROUPS)))
def test_every_alert_is_shown_firing_and_silent(alert: str) -> None:
    """Firing with its exact labels and annotations; silent under some other condition."""
    expected = [
        case["exp_alerts"]
        for file in FILES
        for test in cases_of(file)
        for case in test.get("alert_rule_test", [])
        if case["alertname"] == alert
    ]
    assert any(expected)
    assert alert == "Watchdog" or [] in expected


def test_every_group_has_a_file_of_tests() -> None:
    assert [file.stem for file in FILES] == sorted(group.name for group in GROUPS)


def test_a_moved_threshold_is_noticed(tmp_path: Path) -> None:
    """The tests stand close enough to the threshold to see it move by a tenth."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "tests").mkdir()
    rules = (paths.RULES / "operations.yml").read_text()
    moved = re.sub(r"> 0\.1$", "> 0.11", rules, flags=re.MULTILINE)
    assert moved != rules
    (tmp_path / "rules" / "operations.yml").write_text(moved)
    tests = tmp_path / "tests" / "operations.yml"
    tests.write_text((paths.RULE_TESTS / "operations.yml").read_text())
    with pytest.raises(promtool.CheckFailedError) as caught:
        promtool.test_rules(tests)
    assert {problem.file for problem in caught.value.problems} == {str(tests)}
