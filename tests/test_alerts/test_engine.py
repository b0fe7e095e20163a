"""The same samples in Prometheus and VictoriaMetrics: the same records, the same alerts.

vmalert replays the exported rules; `python -m tests.bench side_by_side` prints each difference.
VictoriaMetrics comes from Go's modules and takes a minute to build, once.
"""

from pathlib import Path

import pytest

from alerts.export.engines import Engine
from alerts.export.files import exported
from alerts.export.options import Options
from alerts.rules import rule_files
from alerts.scenarios.collection import named
from app.core.config import load_settings
from prometheus_tools.yaml_reading import read_yaml
from tests.bench import side_by_side
from tests.bench.side_by_side import INCIDENTS, NEAR, compared
from tests.length import only_long
from tests.not_empty import not_empty

LATER_SECONDS = 60
"""By how much an alert may begin earlier or later: four evaluations."""

MISSING = 0.1
"""The share of a record's samples that may be in one of both alone: where one divides by 0."""

WITHOUT = {
    # Of Prometheus itself, which is no matter of another engine's: the export leaves it out.
    "job_instance:prometheus_target_scrapes_rejected:increase10m",
    # Of the same hour last week; MetricsQL knows the time before the first sample as none.
    "job:orchestrator_approvals:working_hour1w",
}


MIMIR_GROUPS = 70
"""-ruler.max-rule-groups-per-tenant, unless it is set."""


def test_the_rules_fit_into_one_tenant_of_mimir() -> None:
    settings = load_settings()
    files = exported(rule_files(settings.thresholds, settings.links), Options(Engine.MIMIR))
    groups = [group for text in files.values() for group in read_yaml(text)["groups"]]
    assert 0 < len(groups) <= MIMIR_GROUPS


@only_long
@pytest.mark.parametrize("tools", [side_by_side.of_today, side_by_side.floor])
@pytest.mark.parametrize("name", INCIDENTS)
def test_the_same_is_recorded_and_fires(
    name: str, tools: side_by_side.ToolsOf, tmp_path: Path
) -> None:
    (scenario,) = named([name])
    comparison = compared(scenario, tmp_path, tools())
    assert comparison.engine.keys() == comparison.prometheus.keys()
    # A replay knows no keep_firing_for, so the ends are compared by test_vmalert.py.
    late = {
        alert: (fired.first, comparison.engine[alert].first)
        for alert, fired in not_empty(comparison.prometheus.items())
        if abs(fired.first - comparison.engine[alert].first) > LATER_SECONDS
    }
    assert late == {}
    records = [each for each in not_empty(comparison.records) if each.record not in WITHOUT]
    missing = [
        each
        for each in records
        if each.only_prometheus + each.only_engine
        > max(4, MISSING * (each.compared + each.only_prometheus))
    ]
    assert missing == []
    near = [each for each in records if each.typical <= NEAR]
    assert len(near) > 0.9 * len(records)
    assert [panel for panel in not_empty(comparison.panels) if panel.refused] == []
