"""The rules and their own unit tests, by the oldest promtool that will do.

That of the version which the stack runs has them in `make check` (alerts/check.py).
"""

import functools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from alerts import paths
from alerts.expressions import Vocabulary
from alerts.model import Group, records
from alerts.prometheus_config import scrape_seconds
from alerts.rule_tests.alerts import edge_tests
from alerts.semantics import Semantics
from alerts.signals import groups
from app.core.config import load_settings
from app.core.thresholds import Thresholds
from prometheus_tools import promtool
from prometheus_tools.toolchain import Tool, locate_floor
from prometheus_tools.yaml_reading import read_yaml
from tests.length import only_long
from tests.not_empty import not_empty

GROUPS = groups(Thresholds())
VOCABULARY = Vocabulary(records(GROUPS))
FILES = sorted(paths.RULE_TESTS.rglob("*.yml"))
AT_THE_FLOOR = ("runtime", "operations_alerts", "operations_records")
"""Files whose tests `make test` runs, one of each kind: by hand, of alerts, of records. Those of
all run in `make test-all`."""

DEAR = ("monitoring", "scraping")
"""Groups whose texts take longest to ask for; the functions in their templates are in others'."""


def cases_of(file: Path) -> list[dict[str, Any]]:
    """The tests of a file of rule tests."""
    cases: list[dict[str, Any]] = _parsed(file)["tests"]
    return cases


@functools.cache
def _parsed(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = read_yaml(file.read_text())
    return document


@pytest.fixture(scope="module")
def floor() -> Tool:
    return locate_floor("promtool")


@pytest.mark.parametrize("file", sorted(paths.RULES.glob("*.yml")), ids=lambda file: file.stem)
def test_rules_pass(file: Path, floor: Tool) -> None:
    promtool.check_rules(file, floor)


@pytest.mark.parametrize(
    "file",
    [f if f.stem in AT_THE_FLOOR else pytest.param(f, marks=only_long) for f in FILES],
    ids=lambda file: file.stem,
)
def test_rule_tests_hold(file: Path, floor: Tool) -> None:
    promtool.test_rules(file, floor)


@pytest.mark.parametrize(
    "group",
    [pytest.param(g, marks=only_long) if g.name in DEAR else g for g in GROUPS],
    ids=lambda group: group.name,
)
def test_alerts_say_what_their_templates_mean(group: Group, tmp_path: Path) -> None:
    """By the documentation of template functions, alerts/rule_tests/templates.py."""
    links, step = load_settings().links, scrape_seconds()
    every = edge_tests(group, Semantics(records(GROUPS), step), links, step)
    edges = [edge for edge in every if edge.has_texts]
    if not edges:
        pytest.skip("its alerts read expressions or ask for more: scenarios tell what they say")
    document = {
        "rule_files": [str(paths.RULES / f"{group.name}.yml")],
        "evaluation_interval": group.interval or f"{step}s",
        "tests": [edge.texts() for edge in edges],
    }
    file = tmp_path / "texts.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    promtool.test_rules(file)


def test_rule_tests_speak_only_of_what_exists() -> None:
    for file in not_empty(FILES):
        spoken = [s["series"] for case in cases_of(file) for s in case.get("input_series", [])]
        spoken += [e["expr"] for case in cases_of(file) for e in case.get("promql_expr_test", [])]
        for expr in not_empty(spoken):
            assert VOCABULARY.problems(expr) == [], file.stem


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
