"""What the bench of the rules finds in them: what they read of the past, and how dense that is."""

import pytest

from tests.bench.rule_history import Group, Reading, density, groups, readings, stretches

HOUR, DAY = 3600, 86400


def read_by(expr: str) -> list[Reading]:
    return readings([Group("g", 15, [{"record": "a:b:c", "expr": expr}])])


@pytest.mark.parametrize(
    ("expr", "oldest", "newest"),
    [
        ("x", 300, 0),
        ("sum by (job) (rate(x[1h]))", HOUR + 300, 0),
        ("rate(x[1h] offset 1w)", 7 * DAY + HOUR + 300, 7 * DAY),
        ("x offset 2w", 14 * DAY + 300, 14 * DAY),
        ("max_over_time(rate(x[5m])[1d:1h] offset 2d)", 3 * DAY + 600, 2 * DAY),
        ("1 - (vector(1) and -x > 0)", 300, 0),
        ("topk(scalar(x), vector(1))", 300, 0),
    ],
)
def test_what_an_expression_reads(expr: str, oldest: float, newest: float) -> None:
    assert read_by(expr) == [Reading("x", oldest, newest)]


def test_stretches_that_touch_are_one() -> None:
    read = read_by("x + rate(x[1h]) + x offset 1w + rate(x[1h] offset 1w) + y")
    assert stretches(read, "x") == [(7 * DAY + HOUR + 300, 7 * DAY), (HOUR + 300, 0)]


def test_records_are_as_dense_as_their_group_is_evaluated() -> None:
    rules = [{"record": "a:b:c", "expr": "x"}]
    document = {"groups": [{"name": "often", "rules": []}, {"name": "g", "interval": "1h"}]}
    document["groups"][1]["rules"] = rules
    every = density(groups([document], 15), 30)
    assert (every("a:b:c"), every("x")) == (HOUR, 30)
