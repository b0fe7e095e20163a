"""A rule test that fails says the rule, the time and what differs, in one short line."""

from pathlib import Path

import pytest

from prometheus_tools import promtool
from prometheus_tools.promtool_failures import difference
from prometheus_tools.toolchain import Tool

RULES = """
groups:
  - name: things
    rules:
      - record: job:things:sum
        expr: sum by (job) (things)
      - alert: TooMany
        expr: job:things:sum > 1
        labels: {severity: ticket}
        annotations:
          description: A text that says what it means for whom, and what to do. Now {{ $value }}.
          action: Nothing.
"""


def failures(folder: Path, tool: Tool, cases: str) -> list[str]:
    (folder / "rules.yml").write_text(RULES)
    tests = folder / "tests.yml"
    tests.write_text(
        "rule_files: [rules.yml]\ntests:\n  - interval: 1m\n"
        "    input_series:\n      - {series: 'things{job=\"a\"}', values: 2x9}\n"
        "      - {series: 'things{job=\"b\"}', values: 1x9}\n" + cases
    )
    with pytest.raises(promtool.CheckFailedError) as caught:
        promtool.test_rules(tests, tool)
    return [str(problem).removeprefix(f"{tests}: ") for problem in caught.value.problems]


def test_an_annotation_that_differs(tmp_path: Path, each_promtool: Tool) -> None:
    cases = """
    alert_rule_test:
      - alertname: TooMany
        eval_time: 5m
        exp_alerts:
          - exp_labels: {job: a, severity: ticket}
            exp_annotations:
              description: A text that says what it means for whom, and what to do. Now 3.
              action: Nothing.
"""
    (found,) = failures(tmp_path, each_promtool, cases)
    assert found == (
        "group things: rule TooMany: at 5m: description: "
        'expected …for whom, and what to do. Now 3.", got …for whom, and what to do. Now 2."'
    )


def test_an_alert_that_does_not_fire_and_one_that_does(tmp_path: Path, each_promtool: Tool) -> None:
    cases = """
    alert_rule_test:
      - alertname: TooMany
        eval_time: 5m
        exp_alerts: [{exp_labels: {job: b, severity: ticket}}]
"""
    (found,) = failures(tmp_path, each_promtool, cases)
    assert found == (
        "group things: rule TooMany: at 5m: "
        'does not fire for {alertname="TooMany", job="b", severity="ticket"}; '
        'fires for {alertname="TooMany", job="a", severity="ticket"}, which is not expected'
    )


def test_a_value_that_differs(tmp_path: Path, each_promtool: Tool) -> None:
    cases = """
    promql_expr_test:
      - expr: job:things:sum
        eval_time: 5m
        exp_samples:
          - {labels: 'job:things:sum{job="a"}', value: 1.5}
          - {labels: 'job:things:sum{job="b"}', value: 1}
"""
    (found,) = failures(tmp_path, each_promtool, cases)
    assert found.startswith("group things: rule job:things:sum: at 5m: ")
    assert found.endswith('job="a"}: expected 1.5, got 2')


def test_nothing_where_something_is_expected(tmp_path: Path, each_promtool: Tool) -> None:
    cases = """
    promql_expr_test:
      - {expr: 'job:things:sum > 9', eval_time: 5m, exp_samples: [{labels: '{}', value: 1}]}
"""
    (found,) = failures(tmp_path, each_promtool, cases)
    assert found.endswith("at 5m: {}: expected 1, got nothing")


def test_what_is_not_understood_is_shown_as_it_is() -> None:
    assert difference("\n  something\n  new ") == "something new"
    assert difference("exp: what got: else") == "exp: what got: else"


def test_of_many_differences_three_are_shown() -> None:
    expected = " ".join(f'x{{a="{n}"}} 1E+00' for n in range(9))
    assert difference(f"exp: {expected} got: nil").endswith("; and 6 more")
