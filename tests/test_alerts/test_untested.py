"""`make check` names a rule that nothing tests, and a metric that a signal names as text."""

from dataclasses import replace
from pathlib import Path

import pytest

from alerts import paths
from alerts.literals import literal_metrics_in
from alerts.model import Comparison, Group, Record, Severity, Signal, Team, Threshold, Unit
from alerts.scenarios.collection import all_scenarios
from alerts.scenarios.scenario import MONDAY_MORNING, Scenario, Told
from alerts.signals import groups
from alerts.untested import untested_in
from app.core.thresholds import Thresholds

BASIS = Record("job:up:count", "count by (job) (up)")
LEAST = Record("job:up:min", "min by (job) (job:up:count)")
THINGS = Signal(
    title="Things",
    meaning="Good is 1.",
    unit=Unit.COUNT,
    source=LEAST,
    thresholds=(
        Threshold(
            alert="ThingsGone",
            comparison=Comparison.BELOW,
            value=1,
            severity=Severity.TICKET,
            team=Team.PLATFORM,
            summary="Gone",
            description="Gone.",
            action="Look.",
        ),
    ),
)
GROUP = Group("things", "Things.", (BASIS,), (THINGS,))


def scenario(*alerts: str) -> Scenario:
    told = tuple(Told(alert) for alert in alerts)
    return Scenario(name="x", story="x", begins=MONDAY_MORNING, lasts=1, told=told)


def test_every_rule_is_tested() -> None:
    assert untested_in(groups(Thresholds()), paths.RULE_TESTS, all_scenarios()) == []


def test_two_untested_records_and_an_alert_are_named(tmp_path: Path) -> None:
    found = untested_in((GROUP,), tmp_path, [scenario("Another")])
    assert [each.split(": ")[1] for each in found] == [
        *("record job:up:count", "record job:up:min", "alert ThingsGone")
    ]
    assert "alerts/rule_tests/things.py" in found[0]


def test_a_scenario_of_an_alert_looks_at_all_that_it_reads(tmp_path: Path) -> None:
    assert untested_in((GROUP,), tmp_path, [scenario("ThingsGone")]) == []


def test_a_rule_test_looks_at_what_it_names_and_at_what_that_reads(tmp_path: Path) -> None:
    (tmp_path / "things.yml").write_text(
        """
rule_files: [../rules/things.yml]
tests:
  - promql_expr_test: [{expr: 'job:up:min', exp_samples: [{labels: '{}', value: 1}]}]
    alert_rule_test: [{alertname: ThingsGone, exp_alerts: [{}]}]
"""
    )
    unread = replace(GROUP, records=(BASIS, Record("job:up:max", "max by (job) (up)")))
    found = untested_in((unread,), tmp_path, [])
    assert [each.split(": ")[1:] for each in found] == [
        ["record job:up:max", found[0].split(": ")[2]],
        ["alert ThingsGone", "nothing shows it silent; add a test that expects no alerts"],
    ]


def test_a_test_of_a_record_looks_at_what_that_reads(tmp_path: Path) -> None:
    (tmp_path / "things.yml").write_text(
        """
rule_files: [../rules/things.yml]
tests:
  - promql_expr_test: [{expr: 'round(job:up:min)', exp_samples: [{labels: '{}', value: 1}]}]
"""
    )
    found = untested_in((GROUP,), tmp_path, [])
    assert [each.split(": ")[1] for each in found] == ["alert ThingsGone"]


def test_an_alert_is_shown_where_a_test_asks_when_it_fires(tmp_path: Path) -> None:
    fires = """'ALERTS{alertname="ThingsGone",alertstate="firing"}'"""
    (tmp_path / "things.yml").write_text(
        f"""
rule_files: [../rules/things.yml]
tests:
  - promql_expr_test:
      - {{expr: 'job:up:min - job:up:count', exp_samples: [{{labels: '{{}}', value: 1}}]}}
      - {{expr: {fires}, exp_samples: []}}
      - {{expr: {fires}, exp_samples: [{{labels: '{{}}', value: 1}}]}}
"""
    )
    assert untested_in((GROUP,), tmp_path, []) == []


def test_no_signal_names_a_metric_as_text() -> None:
    assert literal_metrics_in(paths.SIGNALS) == []


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("x = 'rate(operation_errors_total[5m])'", "operation_errors_total"),
        ("x = f'prometheus_tsdb_head_series{{{y}}}'", "prometheus_tsdb_head_series"),
        ("x = 'up'", "up"),
        ("x = 'sum by (job) (up{job=\"a\"})'", "up"),
        ("x = 'Is it up? Does it come up again?'", ""),
        ("x = 1\n'''operation_errors_total is a counter.'''", ""),
    ],
)
def test_a_metric_that_stands_as_text_is_named(tmp_path: Path, source: str, name: str) -> None:
    (tmp_path / "signal.py").write_text(source)
    found = literal_metrics_in(tmp_path)
    assert [f": names {name} as text" in each for each in found] == [True] * bool(name)
