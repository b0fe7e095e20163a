"""The wrapper around the real promtool and amtool: each kind of failure, and where it is."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from alerts import paths
from prometheus_tools import promtool
from prometheus_tools.promtool import CheckFailedError, Problem
from prometheus_tools.toolchain import Tool

WriteRules = Callable[..., Path]

RULES = """\
groups:
  - name: things
    rules:
      - record: job:things:sum
        expr: sum by (job) (things)
      - alert: ThingsGone
        expr: job:things:sum == 0
        for: 1m
"""


def problems(check: Callable[[Path], None], file: Path) -> list[Problem]:
    """What ``check`` says is wrong with ``file``, which has to be something."""
    with pytest.raises(CheckFailedError) as caught:
        check(file)
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return caught.value.problems


@pytest.fixture
def rules(tmp_path: Path) -> WriteRules:
    """Writes a rule file: the good one with a replacement."""

    def write(good: str = "", bad: str = "") -> Path:
        file = tmp_path / "rules.yml"
        assert good in RULES
        file.write_text(RULES.replace(good, bad))
        return file

    return write


@pytest.fixture
def rule_test(tmp_path: Path, rules: WriteRules) -> Callable[[str], Path]:
    """Writes a file of rule tests over the good rules."""
    rules()

    def write(text: str) -> Path:
        file = tmp_path / "test.yml"
        file.write_text(text)
        return file

    return write


def test_good_rules_pass(rules: WriteRules) -> None:
    promtool.check_rules(rules())


@pytest.mark.parametrize(
    ("good", "bad", "rule", "message"),
    [
        ("sum by (job) (things)", "sum by (job) (things", "job:things:sum", "left parenthesis"),
        ("for: 1m", "annotations: {summary: '{{ $labels.job'}", "ThingsGone", "unclosed action"),
        ("for: 1m", "for: 1 minute", "ThingsGone", "unknown unit"),
        ("for: 1m", "fro: 1m", "ThingsGone", "field fro not found"),
        ("- alert: ThingsGone", "- record: job:things:sum", "job:things:sum", "'for'"),
    ],
)
def test_a_bad_rule_is_named_with_its_group(
    rules: WriteRules, good: str, bad: str, rule: str, message: str
) -> None:
    file = rules(good, bad)
    found = [p for p in problems(promtool.check_rules, file) if message in p.message]
    assert [(p.file, p.group, p.rule) for p in found] == [(str(file), "things", rule)]


def test_both_bad_rules_are_named(rules: WriteRules) -> None:
    file = rules("things)\n", "things\n")
    file.write_text(file.read_text().replace("== 0", "=="))
    assert [p.rule for p in problems(promtool.check_rules, file)] == [
        *("job:things:sum", "ThingsGone")
    ]


def test_a_duplicate_rule_is_named(rules: WriteRules) -> None:
    file = rules()
    file.write_text(RULES + "      - record: job:things:sum\n        expr: sum by (job) (things)\n")
    assert problems(promtool.check_rules, file) == [
        Problem(str(file), "is there twice", "things", "job:things:sum")
    ]


def test_a_repeated_group_is_named(rules: WriteRules) -> None:
    file = rules()
    file.write_text(RULES + "  - name: things\n    rules: []\n")
    (found,) = problems(promtool.check_rules, file)
    assert found.group == "things"
    assert "is repeated" in found.message


def test_broken_yaml_is_named_with_its_line(rules: WriteRules) -> None:
    file = rules("    rules:\n", "    rules: [\n")
    (found,) = problems(promtool.check_rules, file)
    assert found.group == "things"
    assert found.message.startswith("line ")


def test_a_missing_rule_file_is_named(tmp_path: Path) -> None:
    (found,) = problems(promtool.check_rules, tmp_path / "nowhere.yml")
    assert "does not exist" in found.message


TEST = """\
rule_files: [rules.yml]
tests:
  - name: things go away
    interval: 1m
    input_series:
      - {{series: 'things{{job="shop"}}', values: 0x10}}
{expectation}
"""


def test_rule_tests_that_hold_pass(rule_test: Callable[[str], Path]) -> None:
    promtool.test_rules(
        rule_test(
            TEST.format(
                expectation="    alert_rule_test:\n"
                "      - {alertname: ThingsGone, eval_time: 5m, "
                "exp_alerts: [{exp_labels: {job: shop}}]}"
            )
        )
    )


def test_an_alert_that_fires_unexpectedly_is_named(rule_test: Callable[[str], Path]) -> None:
    file = rule_test(
        TEST.format(
            expectation="    alert_rule_test:\n"
            "      - {alertname: ThingsGone, eval_time: 5m, exp_alerts: []}"
        )
    )
    (found,) = problems(promtool.test_rules, file)
    assert (found.file, found.group, found.rule) == (str(file), "things", "ThingsGone")
    assert found.message.startswith("test 'things go away': at 5m: fires for {")


def test_a_recorded_value_that_differs_is_named(rule_test: Callable[[str], Path]) -> None:
    file = rule_test(
        TEST.format(
            expectation="    promql_expr_test:\n"
            "      - {expr: 'job:things:sum + 1', eval_time: 5m, exp_samples: []}"
        )
    )
    (found,) = problems(promtool.test_rules, file)
    assert (found.group, found.rule) == ("things", "job:things:sum")
    assert 'at 5m: {job="shop"}: expected nothing, got 1' in found.message


def test_each_expectation_not_met_is_a_problem(rule_test: Callable[[str], Path]) -> None:
    file = rule_test(
        TEST.format(
            expectation="    alert_rule_test:\n"
            "      - {alertname: ThingsGone, eval_time: 5m, exp_alerts: []}\n"
            "      - {alertname: ThingsGone, eval_time: 6m, exp_alerts: []}"
        )
    )
    assert len(problems(promtool.test_rules, file)) == 2


def test_tests_of_broken_rules_name_the_rule(
    rule_test: Callable[[str], Path], rules: WriteRules
) -> None:
    rules("== 0", "==")
    (found,) = problems(promtool.test_rules, rule_test(TEST.format(expectation="")))
    assert (found.group, found.rule) == ("things", "ThingsGone")


def test_tests_that_load_no_rules_fail(rule_test: Callable[[str], Path]) -> None:
    (found,) = problems(promtool.test_rules, rule_test("rule_files: [rulse.yml]\ntests: []\n"))
    assert "rulse.yml" in found.message


def test_the_configuration_of_the_stack_passes(each_promtool: Tool) -> None:
    promtool.check_config(paths.PROMETHEUS_CONFIG, each_promtool)


def test_a_configuration_with_an_unknown_field_fails(tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text("scrape_configs:\n  - job_name: x\n    scrape_intervall: 1s\n")
    (found,) = problems(promtool.check_config, file)
    assert "scrape_intervall not found" in found.message


def test_a_configuration_without_its_targets_fails(tmp_path: Path) -> None:
    shutil.copytree(paths.PROMETHEUS_CONFIG.parent, tmp_path, dirs_exist_ok=True)
    (tmp_path / "targets" / "node.yml").unlink()
    (found,) = problems(promtool.check_config, tmp_path / "prometheus.yml")
    assert "targets/node.yml" in found.message
    assert "does not exist" in found.message


def test_a_configuration_with_a_broken_rule_names_it(tmp_path: Path, rules: WriteRules) -> None:
    rules("== 0", "==")
    file = tmp_path / "prometheus.yml"
    file.write_text("rule_files: [rules.yml]\n")
    (found,) = problems(promtool.check_config, file)
    assert found.file.endswith("rules.yml")
    assert (found.group, found.rule) == ("things", "ThingsGone")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("route: {receiver: nobody}\nreceivers: [{name: a}]\n", 'undefined receiver "nobody"'),
        ("route: {receivr: a}\nreceivers: [{name: a}]\n", "field receivr not found"),
    ],
)
def test_a_bad_alertmanager_configuration_fails(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "alertmanager.yml"
    file.write_text(text)
    (found,) = problems(promtool.check_alertmanager, file)
    assert found.file == str(file)
    assert message in found.message


def test_a_problem_reads_as_one_line() -> None:
    problem = Problem("rules.yml", "is wrong", "things", "ThingsGone")
    assert str(problem) == "rules.yml: group things: rule ThingsGone: is wrong"
    assert str(Problem("rules.yml", "is wrong")) == "rules.yml: is wrong"


def test_it_says_what_it_found_in_place_of_nothing(tmp_path: Path, each_promtool: Tool) -> None:
    rule = {
        "alert": "Odd",
        "expr": "things == 1",
        "labels": {"severity": "page"},
        "annotations": {"summary": 'a "quoted" {brace}, and {{ $labels.name }}'},
    }
    rules = tmp_path / "rules.yml"
    rules.write_text(json.dumps({"groups": [{"name": "g", "rules": [rule]}]}))
    names = ('b"a} 1, {c=', "back\\slash", "ä")
    times = ("0s", "1h0m30s")
    test = {
        "interval": "30s",
        "input_series": [
            {"series": f"things{{name={json.dumps(name)}}}", "values": "1 0x200 _"}
            for name in names
        ],
        "promql_expr_test": [
            {"expr": 'ALERTS{severity!="info"}', "eval_time": time, "exp_samples": []}
            for time in times
        ]
        + [{"expr": "sum(things)", "eval_time": times[1], "exp_samples": []}],
        "alert_rule_test": [{"alertname": "Odd", "eval_time": "0s", "exp_alerts": []}],
    }
    file = tmp_path / "test.yml"
    file.write_text(json.dumps({"rule_files": ["rules.yml"], "tests": [test]}))
    fired, summed, told = promtool.answers(file, each_promtool)
    assert (fired.seconds, summed.seconds, told.seconds) == (0, 3630, 0)
    assert {each["name"] for each in fired.labels} == {*names}
    assert {each["alertname"] for each in fired.labels} == {"Odd"}
    assert summed.labels == ({},)
    said = {a["name"]: b["summary"] for a, b in zip(told.labels, told.annotations, strict=True)}
    assert said == {name: f'a "quoted" {{brace}}, and {name}' for name in names}


def test_where_nothing_is_found_there_is_no_answer(tmp_path: Path, each_promtool: Tool) -> None:
    question = {"expr": "things", "eval_time": "0s", "exp_samples": []}
    rules = {"groups": [{"name": "g", "rules": [{"record": "x", "expr": "1"}]}]}
    (tmp_path / "rules.yml").write_text(json.dumps(rules))
    file = tmp_path / "test.yml"
    tests = [{"interval": "15s", "promql_expr_test": [question]}]
    file.write_text(json.dumps({"rule_files": ["rules.yml"], "tests": tests}))
    assert promtool.answers(file, each_promtool) == []


def test_what_is_no_answer_is_a_failure(tmp_path: Path, each_promtool: Tool) -> None:
    question = {"expr": "sum(", "eval_time": "0s", "exp_samples": []}
    file = tmp_path / "test.yml"
    tests = [{"interval": "15s", "promql_expr_test": [question]}]
    file.write_text(json.dumps({"tests": tests}))
    with pytest.raises(promtool.CheckFailedError, match="parse error"):
        promtool.answers(file, each_promtool)
