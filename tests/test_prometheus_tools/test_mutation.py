"""Mutants are made where the issue wants them, and killed by a test that looks."""

from pathlib import Path

import pytest
import yaml

from prometheus_tools.mutation import Mutant, is_killed, mutants, survivors

EXPR = 'sum by (job, route) (rate(x_total{a="b",c=~"d|e"}[5m])) > 0.2 and on (job) up == 1'
RULES = {
    "groups": [
        {
            "name": "things",
            "rules": [
                {"record": "job:x:rate5m", "expr": "sum by (job) (rate(x_total[5m]))"},
                {
                    "alert": "ThingsFail",
                    "expr": "job:x:rate5m > 1",
                    "for": "1m",
                    "labels": {"severity": "page"},
                },
            ],
        }
    ]
}
TEST = {
    "rule_files": ["../rules/things.yml"],
    "evaluation_interval": "15s",
    "tests": [
        {
            "interval": "15s",
            "input_series": [{"series": 'x_total{job="a",instance="b"}', "values": "0+30x40"}],
            "alert_rule_test": [
                {
                    "eval_time": "5m",
                    "alertname": "ThingsFail",
                    "exp_alerts": [{"exp_labels": {"job": "a", "severity": "page"}}],
                }
            ],
        }
    ],
}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A rule file and its test, of which the test is careless about some things."""
    rules, tests = tmp_path / "rules", tmp_path / "tests"
    rules.mkdir()
    tests.mkdir()
    (rules / "things.yml").write_text(yaml.safe_dump(RULES, sort_keys=False))
    (tests / "things.yml").write_text(yaml.safe_dump(TEST, sort_keys=False))
    return rules, tests


def expressions(tmp_path: Path, expr: str) -> dict[str, str]:
    """The mutants of one expression, by their change."""
    file = tmp_path / "one.yml"
    rule = {"record": "one", "expr": expr}
    file.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [rule]}]}))
    return {
        mutant.change: yaml.safe_load(mutant.rules)["groups"][0]["rules"][0]["expr"]
        for mutant in mutants(file)
    }


def test_every_kind_of_change_is_made(tmp_path: Path) -> None:
    found = set(expressions(tmp_path, EXPR).values())
    for old, new in (
        ("> 0.2", "< 0.2"),
        ("up == 1", "up != 1"),
        ("0.2", "0.21"),
        ("0.2", "0.19"),
        ("== 1", "== 2"),
        ("== 1", "== 0"),
        ("[5m]", "[600s]"),
        ("[5m]", "[150s]"),
        ('a="b",c=~"d|e"', 'c=~"d|e"'),
        ('a="b",c=~"d|e"', 'a="b"'),
        ("by (job, route)", "by (route)"),
        ("by (job, route)", "by (job)"),
        ("on (job)", "on ()"),
    ):
        assert EXPR.replace(old, new) in found, new
    assert EXPR not in found


def test_what_stands_in_quotes_and_names_is_left_alone(tmp_path: Path) -> None:
    found = expressions(tmp_path, 'rate5m:x_2{a="> 5",b="by (c)"} > 7')
    assert sorted(found.values()) == sorted(
        [
            'rate5m:x_2{a="> 5",b="by (c)"} < 7',
            'rate5m:x_2{a="> 5",b="by (c)"} > 8',
            'rate5m:x_2{a="> 5",b="by (c)"} > 6',
            'rate5m:x_2{b="by (c)"} > 7',
            'rate5m:x_2{a="> 5"} > 7',
        ]
    )


def test_a_test_that_looks_kills_and_one_that_does_not_lets_live(
    folders: tuple[Path, Path],
) -> None:
    rules, tests = folders
    told: list[tuple[int, int]] = []
    alive = survivors(rules, tests, (), lambda done, every: told.append((done, every)))
    every = list(mutants(rules / "things.yml"))
    assert told[-1] == (len(every), len(every))
    # Firing at 5 minutes is all that is looked at: not from when on, nor from which value.
    assert {str(mutant) for mutant in alive} == {
        "things: job:x:rate5m: `[5m]` at 26 halved",
        "things: ThingsFail: `1` at 15 becomes 0",
        "things: ThingsFail: for 1m doubled",
        "things: ThingsFail: for 1m halved",
    }


def test_what_else_notices_is_asked_about_what_the_tests_let_live(
    folders: tuple[Path, Path],
) -> None:
    asked: list[str] = []

    def notice(mutant: Mutant) -> bool:
        asked.append(mutant.change)
        return mutant.change.startswith("for")

    alive = survivors(*folders, notice=notice)
    assert len(asked) == 4
    assert [each for each in alive if each.change.startswith("for")] == []
    assert len(alive) == 2


def test_a_file_that_no_test_loads_lets_everything_live(folders: tuple[Path, Path]) -> None:
    _, tests = folders
    assert not is_killed(Mutant("other", "rule", "change", "groups: []"), tests)
