"""The rules: what is committed is what the signals say, and what they say makes sense."""

import json
import re
from collections.abc import Set
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import AnyHttpUrl

from alerts import generated, paths
from alerts.check import unknown_in, unusable_environments
from alerts.expressions import Vocabulary
from alerts.identity import IDENTITY
from alerts.model import Record, Severity, Team, Unit, records
from alerts.order import misordered_in
from alerts.promql import seconds
from alerts.rules import rule_files
from alerts.semantics import Semantics
from alerts.signals import groups
from alerts.signals.slo import BURN_RATES
from app.core import config
from app.core.config import Links
from app.core.thresholds import Thresholds
from app.logs.command_line import main as query_logs
from prometheus_tools.yaml_reading import read_yaml
from tests.not_empty import not_empty

GROUPS = groups(Thresholds())
SEMANTICS = Semantics(records(GROUPS), 15)
ALERT_RULES = [
    rule
    for text in rule_files(Thresholds(), Links()).values()
    for group in read_yaml(text)["groups"]
    for rule in group["rules"]
    if "alert" in rule
]


VALUES = {"component": "sms_agent", "operation": "send_sms", "type": "payment_dispute"}
"""What Prometheus could fill into an alert's templates."""


STATES = {"ConfigReloadFailed", "ServiceDown", "TargetDown", "Watchdog"}
"""Alerts whose value is 1 or 0; words say it."""


def alert_rules(name: str, **changes: Any) -> list[dict[str, Any]]:
    """The rules of one alert when the settings are changed."""
    links = Links(**{k: AnyHttpUrl(v) for k, v in changes.items() if k.endswith("_url")})
    thresholds = Thresholds(**{k: v for k, v in changes.items() if not k.endswith("_url")})
    return [
        rule
        for text in rule_files(thresholds, links).values()
        for group in read_yaml(text)["groups"]
        for rule in group["rules"]
        if rule.get("alert") == name
    ]


def test_the_committed_rules_are_the_generated_ones() -> None:
    assert generated.drift(paths.RULES, rule_files(Thresholds(), Links())) == []


def test_generating_twice_gives_the_same() -> None:
    assert rule_files(Thresholds(), Links()) == rule_files(Thresholds(), Links())


def test_rules_speak_only_of_what_exists() -> None:
    assert unknown_in(GROUPS, Vocabulary(records(GROUPS))) == []


def unsaid(name: str, labels: Set[str] | None) -> str:
    """What is wrong with the name of a record with these labels; nothing where it says them."""
    level, metric, operations = name.split(":")
    # The identity is in all of them, so it goes without saying.
    own = sorted((labels or frozenset()) - {*IDENTITY}, key=len, reverse=True)
    if not (own and metric and operations):
        return "no label of its own, no metric or no operations"
    rest = level
    for label in own:
        if label not in rest:
            return f"does not say {label}"
        rest = rest.replace(label, "", 1)
    return rest.strip("_") and f"says {rest}, which is no label"


def test_records_are_named_level_metric_operations() -> None:
    named = {
        str(record): unsaid(record.name, SEMANTICS.labels(str(record)))
        for record in not_empty(records(GROUPS))
    }
    assert {record: wrong for record, wrong in named.items() if wrong} == {}


@pytest.mark.parametrize(
    ("name", "labels", "problem"),
    [
        ("job:up:sum", {"job", "component"}, "does not say component"),
        ("job_component:up:sum", {"job"}, "says _component"),
        ("job:up:", {"job"}, "no label of its own, no metric or no operations"),
        ("job:up:sum", None, "no label of its own"),
    ],
)
def test_a_name_that_says_something_else_is_found(
    name: str, labels: Set[str] | None, problem: str
) -> None:
    assert problem in unsaid(name, labels)


def test_records_are_recorded_once() -> None:
    recorded = [(record.name, *record.labels.items()) for record in records(GROUPS)]
    assert sorted(recorded) == sorted(set(recorded))


def test_rules_stand_where_what_they_read_is_fresh() -> None:
    assert misordered_in(GROUPS) == []


def told(rule: dict[str, Any]) -> str:
    text: str = rule["annotations"]["description"]
    return text


def test_every_alert_tells_what_a_person_needs() -> None:
    for rule in not_empty(ALERT_RULES):
        name, annotations, labels = rule["alert"], rule["annotations"], rule["labels"]
        logs = {"logs_command", "logs_query"}
        assert set(annotations) - logs == {
            *("summary", "description", "action", "runbook_url", "dashboard_url")
        }, name
        about_the_orchestrator = labels["team"] == Team.ORCHESTRATOR
        assert (set(annotations) >= logs) == about_the_orchestrator, name
        if name not in STATES:
            assert "$value" in annotations["description"], name
        assert annotations["runbook_url"].endswith(f"/{name}")
        assert "\n" not in annotations["summary"], name
        assert labels["severity"] in list(Severity), name
        assert labels["team"], name


def test_an_alert_leads_to_the_dashboard_of_its_subject() -> None:
    (rule,) = alert_rules("AIProviderFailing", grafana_url="https://grafana.example/sub/")
    url = rule["annotations"]["dashboard_url"]
    assert url == "https://grafana.example/sub/d/sms-orchestrator-services"


def test_the_command_to_find_its_lines_is_one_that_the_query_tool_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {
        rule["annotations"]["logs_command"]: rule["alert"]
        for rule in ALERT_RULES
        if "logs_command" in rule["annotations"]
    }
    for number, (template, alert) in enumerate(not_empty(told.items())):
        command = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: VALUES[match[1]], template)
        program, module, tool, *arguments = command.split()
        assert (program, module, tool) == ("python", "-m", "app.logs"), alert
        line = {
            "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "level": "error",
            "event": arguments[arguments.index("--event") + 1] if "--event" in arguments else "any",
            **dict(re.findall(r"--where (\w+)=(\S+)", command)),
        }
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "orchestrator-1.jsonl").write_text(json.dumps(line) + "\n")
        assert query_logs([*arguments, "--in", str(folder)]) == 0, alert
        assert line["event"] in capsys.readouterr().out, alert


def test_a_changed_threshold_changes_condition_and_text() -> None:
    (rule,) = alert_rules("AIProviderFailing", ai_error_ratio=0.25)
    assert "> 0.25" in rule["expr"]
    assert "above 25% for 90s" in rule["annotations"]["description"]


def test_budgets_say_how_fast_they_burn_by_the_value() -> None:
    for rule in not_empty(alert_rules("AvailabilityBudgetBurn")):
        assert "{{ $value | humanize }} times as fast" in rule["annotations"]["description"]


def test_a_period_of_four_weeks_scales_its_burn_rates() -> None:
    rules = alert_rules("AvailabilityBudgetBurn", slo_period_days=28)
    # The last one would be below what is allowed.
    for rule, limit in zip(rules, ("13.44", "5.6", "1"), strict=True):
        assert len(re.findall(rf" > {limit}\s", rule["expr"])) == 2, rule["expr"]
    assert "budget of 28 days" in rules[0]["annotations"]["description"]
    assert "[4w:5m]" in rule_files(Thresholds(slo_period_days=28), Links())["slo_long.yml"]


def test_a_limit_between_two_buckets_is_refused_with_the_choice() -> None:
    with pytest.raises(ValueError, match=r"sms_latency_seconds=2.2 is not a bucket .* 1.5, 2, 3"):
        rule_files(Thresholds(sms_latency_seconds=2.2), Links())


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        (Unit.RATIO, 0.0144, "1.44%"),
        (Unit.RATIO, 1, "100%"),
        (Unit.SECONDS, 2.0, "2s"),
        (Unit.SECONDS, 90, "90s"),
        (Unit.SECONDS, 36 * 3600, "36h"),
        (Unit.SECONDS, 14 * 86400, "14d"),
        (Unit.PER_SECOND, 0.5, "0.5/s"),
        (Unit.BYTES, 1024, "1KiB"),
        (Unit.COUNT, 3, "3"),
    ],
)
def test_values_are_written_with_their_unit(unit: Unit, value: float, text: str) -> None:
    assert unit.text(value) == text


def last_sentences(name: str) -> set[str]:
    """What each rule of an alert says last, with templates."""
    return {
        rule["annotations"]["description"].rpartition(". ")[2]
        for rule in not_empty(alert_rules(name))
    }


def test_a_state_is_said_in_words() -> None:
    """ "Now 0; alerts below 1" of a service that is down helps nobody."""
    assert last_sentences("ServiceDown") == {"Down for 1m or longer."}
    assert last_sentences("TargetDown") == {"Down for 1m or longer."}
    assert last_sentences("ConfigReloadFailed") == {"Refused for 1m or longer."}
    assert last_sentences("Watchdog") == {"Something is wrong when it is missing."}
    below_one = {
        rule["alert"]
        for rule in ALERT_RULES
        if "alerts below 1 " in rule["annotations"]["description"]
    }
    # Alertmanagers are counted, though there mostly is one.
    assert below_one == {"NoAlertmanager"}


def test_a_percentage_says_of_what() -> None:
    """ "Almost full. Now 9.9%" could be read as nearly empty."""
    for rule in not_empty([each for each in ALERT_RULES if "Percentage" in told(each)]):
        said = told(rule).rpartition("$value")[0]
        assert re.search(r"[Ss]hare |Difference|divided by", said), rule["alert"]


def test_a_value_from_before_is_not_called_the_present_one() -> None:
    """While an alert is kept firing, Prometheus goes on telling the last value that was too much.

    "Now 34%" would be said of calls that all succeed again.
    """
    kept = [rule for rule in ALERT_RULES if "keep_firing_for" in rule]
    for rule in not_empty(kept):
        assert "Now {{ $value" not in rule["annotations"]["description"], rule["alert"]
    assert {text.split()[0] for text in last_sentences("AIProviderFailing")} == {"Last"}


class TestVocabulary:
    vocabulary = Vocabulary([Record("job:known:rate5m", "up")])

    @pytest.mark.parametrize(
        "expr",
        [
            'up{job="x"}',
            "job:known:rate5m",
            'rate(operation_errors_total{component="ai_provider",instance="a"}[5m])',
            'orchestrator_sms_processing_duration_seconds_bucket{le="2.0"}',
            'http_server_request_duration_seconds_count{http_response_status_code=~"5.."}',
        ],
    )
    def test_accepts_what_exists(self, expr: str) -> None:
        assert self.vocabulary.problems(expr) == []

    @pytest.mark.parametrize(
        ("expr", "problem"),
        [
            ("sum(", "can't be parsed"),
            ("operation_errors", "operation_errors: neither the catalogue nor"),
            ("job:unknown:rate5m", "job:unknown:rate5m: neither"),
            ('operation_errors_total{kind="x"}', "has no label kind; it has component"),
            ('operation_errors_total{component="ai"}', 'component is never "ai"; it is one of'),
            (
                'orchestrator_sms_processing_duration_seconds_bucket{le="2"}',
                'le is never "2"',
            ),
        ],
    )
    def test_names_what_does_not(self, expr: str, problem: str) -> None:
        (found,) = self.vocabulary.problems(expr)
        assert problem in found


def test_drift_names_each_file_and_the_mend(tmp_path: Path) -> None:
    generated.write(tmp_path, {"same.yml": "1", "changed.yml": "1", "gone.yml": "1"})
    (tmp_path / "gone.yml").unlink()
    (tmp_path / "notes.txt").write_text("not generated, none of our business")
    (tmp_path / "leftover.yml").write_text("1")
    wanted = {"same.yml": "1", "changed.yml": "2", "gone.yml": "1"}
    found = "\n".join(generated.drift(tmp_path, wanted))
    for name in ("changed.yml: differs", "gone.yml: is missing", "leftover.yml: nothing generates"):
        assert f"{tmp_path / name}" in found
    assert found.count("run `make generate`") == 3

    generated.write(tmp_path, wanted)
    assert generated.drift(tmp_path, wanted) == []
    assert (tmp_path / "notes.txt").exists()


def test_the_short_window_is_a_twelfth_of_the_long_one() -> None:
    for burn in not_empty(BURN_RATES):
        assert seconds(burn.long) == 12 * seconds(burn.short)


def test_burn_rates_are_those_of_the_workbook() -> None:
    assert [burn.factor(30) for burn in BURN_RATES] == [14.4, 6, 1]


def test_the_rules_of_every_environment_are_checked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert unusable_environments() == []
    file = tmp_path / "environments.toml"
    file.write_text(
        "[lenient.thresholds]\navailability_objective = 0.9\n"
        "[odd.thresholds]\nsms_latency_seconds = 2.2\n"
    )
    monkeypatch.setattr(config, "ENVIRONMENTS", file)
    lenient, odd = unusable_environments()
    # Failures can't come fourteen times as fast as one in ten.
    assert re.match("environment lenient: .*availability", lenient, re.IGNORECASE | re.DOTALL)
    assert odd.startswith("environment odd: sms_latency_seconds=2.2 is not a bucket bound")
