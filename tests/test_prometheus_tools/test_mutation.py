"""Mutants are made where the issue wants them, and killed by a test that looks."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from prometheus_tools import promtool
from prometheus_tools.mutated import World, noticed
from prometheus_tools.mutation import Mutant, mutants
from prometheus_tools.rule_test_worlds import worlds_of

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
def world(tmp_path: Path) -> World:
    """A test that is careless about some things."""
    (tmp_path / "things.yml").write_text(yaml.safe_dump(TEST, sort_keys=False))
    (one,) = worlds_of(tmp_path)
    return one


def changes(some: Iterable[Mutant]) -> set[str]:
    return {f"{mutant.rule}: {mutant.change}" for mutant in some}


def expressions(expr: str) -> list[str]:
    """The mutants of one expression."""
    rule = {"record": "one", "expr": expr}
    return [each.value for each in mutants("one", {"groups": [{"name": "g", "rules": [rule]}]})]


def test_every_kind_of_change_is_made() -> None:
    found = expressions(EXPR)
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


def test_what_stands_in_quotes_and_names_is_left_alone() -> None:
    found = expressions('rate5m:x_2{a="> 5",b="by (c)"} > 7')
    assert sorted(found) == sorted(
        [
            'rate5m:x_2{a="> 5",b="by (c)"} < 7',
            'rate5m:x_2{a="> 5",b="by (c)"} > 8',
            'rate5m:x_2{a="> 5",b="by (c)"} > 6',
            'rate5m:x_2{b="by (c)"} > 7',
            'rate5m:x_2{a="> 5"} > 7',
        ]
    )


def test_half_an_event_beside_a_whole_one_moves_by_an_event() -> None:
    assert sorted(expressions("x >= 4.5")) == ["x < 4.5", "x >= 3.5", "x >= 5.5"]
    assert sorted(expressions("x > 0.5")) == ["x < 0.5", "x > 0.475", "x > 0.525"]


def test_what_a_test_looks_at_is_noticed_and_what_it_does_not_is_not(world: World) -> None:
    every = list(mutants("things", RULES))
    found = noticed(world, {"things": RULES}, every)
    # Firing at 5 minutes is all that is looked at: not from when on, nor from which value.
    assert changes(set(every) - found) == {
        "job:x:rate5m: `[5m]` at 26 halved",
        "ThingsFail (page): `1` at 15 becomes 0",
        "ThingsFail (page): for 1m doubled",
        "ThingsFail (page): for 1m halved",
    }


def test_a_query_of_all_alerts_asks_each_mutant_of_those_that_it_changes(world: World) -> None:
    every = list(mutants("things", RULES))
    asking = replace(world, alerts=(), queries=[('count(ALERTS{alertstate="firing"})', 240)])
    # It fires after 225 seconds: it takes that long until the rate is above 1 for a minute.
    assert "ThingsFail (page): for 1m doubled" in changes(noticed(asking, {"things": RULES}, every))
    of_another = replace(asking, queries=[('ALERTS{alertname="Other"}', 240)])
    assert noticed(of_another, {"things": RULES}, every) == set()


def test_a_world_that_gives_a_record_says_nothing_of_how_it_is_made(world: World) -> None:
    given = [{"series": 'job:x:rate5m{job="a"}', "values": "2x40"}]
    some = [each for each in mutants("things", RULES) if each.position == 0]
    giving = replace(world, test={"interval": "15s", "input_series": given})
    assert some
    assert noticed(giving, {"things": RULES}, some) == set()


def test_a_mutant_that_can_not_be_evaluated_is_noticed(world: World) -> None:
    """Prometheus refuses it itself: two series match one. The others are evaluated all the same."""
    expr = "rate(x_total[5m]) * on (job, instance) group_left () up"
    rules = {"groups": [{"name": "things", "rules": [{"record": "job:x:rate5m", "expr": expr}]}]}
    inputs = [
        {"series": f'{name}{{job="a",instance="{instance}"}}', "values": "0+30x40"}
        for name in ("x_total", "up")
        for instance in "bc"
    ]
    asking = replace(
        world,
        test={"interval": "15s", "input_series": inputs},
        alerts=(),
        queries=[("job:x:rate5m", 300)],
    )
    every = list(mutants("things", rules))
    left = set(every) - noticed(asking, {"things": rules}, every)
    # All are of one job.
    assert {mutant.change for mutant in left} == {"on (job, instance) at 20 without job"}


def test_what_is_known_is_not_evaluated_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = list(mutants("things", RULES))
    cache = tmp_path / "known"
    first = noticed(world, {"things": RULES}, every, cache)

    def never(*_: object) -> None:
        pytest.fail("promtool runs again")

    monkeypatch.setattr(promtool, "said", never)
    assert noticed(world, {"things": RULES}, every, cache) == first


def test_a_world_that_loads_other_rules_notices_nothing(world: World) -> None:
    other = {"groups": [{"name": "other", "rules": [{"record": "a:b:c", "expr": "y > 1"}]}]}
    every = list(mutants("other", other))
    assert every
    assert noticed(world, {"things": RULES, "other": other}, every) == set()
