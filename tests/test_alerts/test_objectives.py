"""An objective is declared once, and everything follows: nothing else has to be edited by hand."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from alerts import runbooks
from alerts.check import meaningless_in, unknown_in
from alerts.expressions import Vocabulary
from alerts.form import misshapen_in
from alerts.model import records
from alerts.order import misordered_in
from alerts.prometheus_config import scrape_seconds
from alerts.rule_tests.files import test_files as generated_tests
from alerts.rules import rule_files
from alerts.semantics import Semantics
from alerts.signals import groups, slo
from app.core import catalogue, objectives
from app.core.config import Links
from app.core.objectives import Counted, Events, Objective
from app.core.thresholds import Thresholds
from asgi_observability.events import OperationFailed
from dashboards.boards import dashboard_files
from dashboards.queries import panels
from prometheus_tools import promtool
from prometheus_tools.yaml_reading import read_yaml
from tests.not_empty import not_empty

MADE_UP = Counted(
    Objective(
        name="quick_approvals",
        alert="QuickApprovalsBudgetBurn",
        objective=0.98,
        promise="managers' decisions are sent within half a second",
        failing="sends too few decisions in time",
        impact="Managers wait.",
        action="Look at the SMS Agent.",
        logged=(OperationFailed,),
    ),
    Events(
        catalogue.HTTP_SERVER_REQUEST_DURATION,
        failed={"http_response_status_code": ("5*",)},
        among={"http_route": ("/orchestrate/approve-response",)},
        within=0.5,
        within_setting="half a second",
    ),
)


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[[Thresholds], tuple[Counted, ...]] = objectives.objectives
    monkeypatch.setattr(slo, "objectives", lambda limits: (*real(limits), MADE_UP))


def test_its_rules_pass_every_check() -> None:
    every = groups(Thresholds())
    semantics = Semantics(records(every), scrape_seconds())
    assert unknown_in(every, Vocabulary(records(every))) == []
    assert meaningless_in(every, semantics) == []
    assert misshapen_in(every, scrape_seconds()) == []
    assert misordered_in(every) == []


def test_it_has_its_alerts_and_promtool_takes_them_and_their_tests(tmp_path: Path) -> None:
    rules, tests = tmp_path / "rules", tmp_path / "tests" / "generated"
    for folder, files in (
        (rules, rule_files(Thresholds(), Links())),
        (tests, generated_tests(Thresholds(), Links(), scrape_seconds())),
    ):
        folder.mkdir(parents=True)
        for name in ("slo", "slo_long", "slo_events", "slo_alerts", "slo_long_alerts"):
            if f"{name}.yml" in files:
                (folder / f"{name}.yml").write_text(files[f"{name}.yml"])
    found = [
        rule["labels"]["window"]
        for file in ("slo.yml", "slo_long.yml")
        for group in read_yaml((rules / file).read_text())["groups"]
        for rule in group["rules"]
        if rule.get("alert") == MADE_UP.objective.alert
    ]
    assert found == ["1h", "6h", "3d"]
    for file in not_empty(tests.glob("*.yml")):
        promtool.test_rules(file)


def test_it_has_its_panels() -> None:
    board = json.loads(dashboard_files(Thresholds(), Links())["slos_and_alerts.json"])
    (every,) = (panel for panel in panels(board) if panel["title"] == "Every alert and its limit")
    assert "quick_approvals: burn rate over 1h" in str(every["targets"])


def test_only_its_runbook_has_to_be_written(tmp_path: Path) -> None:
    runbooks.write(tmp_path, groups(Thresholds()))
    page = (tmp_path / "QuickApprovalsBudgetBurn.md").read_text()
    assert page.count(runbooks.TO_DO) == len(runbooks.SECTIONS) + 1


@pytest.mark.parametrize(
    ("route", "status", "expected"),
    [
        ("approve-response", "503", (True, True)),
        ("approve-response", "200", (True, False)),
        ("escalate", "503", (False, True)),
    ],
)
def test_the_service_counts_it_as_the_rules_do(
    route: str, status: str, expected: tuple[bool, bool]
) -> None:
    labels = {"http_route": f"/orchestrate/{route}", "http_response_status_code": status}
    events = MADE_UP.events
    assert (events.counts(labels), events.fails(labels)) == expected
