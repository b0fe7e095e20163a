"""The configuration, all rules and all rule tests on the Prometheus that compose runs.

`make test-lts` runs this. It builds that version from Go's modules where no archive can be had,
which takes minutes, so `make test` leaves it out.
"""

import os
from pathlib import Path

import pytest

from alerts import paths
from alerts.scenarios import table
from alerts.scenarios.collection import all_scenarios
from alerts.scenarios.run import outcomes
from prometheus_tools import promtool
from prometheus_tools.toolchain import Tool, ToolMissing, locate_lts, versions

VERSION = versions.version("PROMETHEUS_VERSION")
RULES = sorted(paths.RULES.glob("*.yml"))
RULE_TESTS = sorted(paths.RULE_TESTS.rglob("*.yml"))

if os.environ.get("TEST_LTS") != "1":
    pytest.skip(
        f"the rules are run on Prometheus {VERSION} by `make test-lts`", allow_module_level=True
    )


@pytest.fixture(scope="session")
def lts() -> Tool:
    """promtool of that version. Where it can't be had, that is a failure: it was asked for."""
    try:
        return locate_lts("promtool")
    except ToolMissing as missing:
        pytest.fail(str(missing))


def test_it_is_that_line_and_has_rules_to_run(lts: Tool) -> None:
    assert versions.minor(lts.version) == versions.minor(VERSION)
    assert RULES
    assert RULE_TESTS


def test_the_configuration_passes(lts: Tool) -> None:
    promtool.check_config(paths.PROMETHEUS_CONFIG, lts)


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.stem)
def test_rules_pass(file: Path, lts: Tool) -> None:
    promtool.check_rules(file, lts)


@pytest.mark.parametrize("file", RULE_TESTS, ids=lambda file: file.stem)
def test_rule_tests_hold(file: Path, lts: Tool) -> None:
    promtool.test_rules(file, lts)


def test_people_are_told_the_same(lts: Tool) -> None:
    some = [each for each in all_scenarios() if not each.is_long and not each.fails_today]
    differing = [table.report(each) for each in outcomes(some, lts) if each.problems]
    assert not differing, "\n".join(differing)
