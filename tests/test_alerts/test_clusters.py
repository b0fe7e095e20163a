"""Two clusters with the same jobs under one Prometheus, and one of them breaks.

Only its alerts fire. What is recorded of the other, its budgets and joins among that, is what it
would be if there were no second cluster.
"""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from alerts import paths
from alerts.scenarios.changes import Fails, ServerErrors
from alerts.scenarios.evaluation import inputs
from alerts.scenarios.rules import Rules
from alerts.scenarios.scenario import MONDAY_MORNING, Scenario
from alerts.scenarios.world import World
from app.core.catalogue import Component
from prometheus_tools import promtool
from prometheus_tools.toolchain import locate
from tests.length import only_long
from tests.not_empty import not_empty

RULES = Rules({file.name: file.read_text() for file in sorted(paths.RULES.glob("*.yml"))})
RECORDED = '{__name__=~".+:.+",cluster="east"}'
OF_NO_CLUSTER = '{__name__=~".+:.+",cluster=""}'
_SERIES = re.compile(r'\{(?:[^"{}]|"(?:[^"\\]|\\.)*")*\} [^\s,]+')
FIRING = 'ALERTS{alertstate="firing"}'
BROKEN = (
    Fails(Component.AI_PROVIDER),
    Fails(Component.DATABASE, share=0.1),
    ServerErrors(0.5),
)
ALONE = Scenario(
    name="The east alone",
    story="Nothing happens.",
    begins=MONDAY_MORNING,
    lasts=10,
    lead=8,
    world=World(cluster="east"),
    alone=True,
)
BESIDE = replace(ALONE, name="A broken west", beside=(World(cluster="west", changes=BROKEN),))


def evaluated(scenario: Scenario, folder: Path) -> dict[str, set[str]]:
    """What promtool says to each question at the end of ``scenario``: a line for each series."""
    end = (scenario.steps - 1) * scenario.step
    document = {
        "rule_files": [str(file) for file in sorted(paths.RULES.glob("*.yml"))],
        "evaluation_interval": f"{scenario.step}s",
        "group_eval_order": RULES.order,
        "tests": [
            {
                "interval": f"{scenario.step}s",
                "input_series": list(inputs(scenario, RULES.read, {})),
                "promql_expr_test": [
                    {"expr": expr, "eval_time": f"{end}s", "exp_samples": []}
                    for expr in (RECORDED, OF_NO_CLUSTER, FIRING)
                ],
            }
        ],
    }
    file = folder / "clusters.json"
    file.write_text(json.dumps(document))
    said = promtool.said(file, locate("promtool"))
    return {expr: set(_SERIES.findall(text)) for (expr, _), text in said.items()}


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    return evaluated(BESIDE, tmp_path_factory.mktemp("beside"))


@only_long
def test_what_is_recorded_of_a_cluster_is_its_own(
    beside: dict[str, set[str]], tmp_path: Path
) -> None:
    alone = evaluated(ALONE, tmp_path)
    of_budgets = [each for each in alone[RECORDED] if "slo=" in each]
    assert len(not_empty(of_budgets)) > 10
    assert beside[RECORDED] == alone[RECORDED]
    assert OF_NO_CLUSTER not in beside


@only_long
def test_only_the_broken_cluster_s_alerts_fire(beside: dict[str, set[str]]) -> None:
    fired = {
        (found[1], 'cluster="west"' in each)
        for each in not_empty(beside[FIRING])
        if (found := re.search(r'alertname="(\w+)"', each)) and "info" not in each
    }
    assert {("AIProviderFailing", True), ("AvailabilityBudgetBurn", True)} <= fired
    # It is about alerting itself, and watches no cluster.
    assert {alert for alert, is_of_the_west in fired if not is_of_the_west} <= {"Watchdog"}
