"""The state machine of alerts, compared with promtool's at every evaluation."""

from pathlib import Path
from random import Random

import pytest
import yaml

from prometheus_tools import promtool
from prometheus_tools.firing import Firing, firings
from prometheus_tools.promtool import CheckFailedError

EVALUATIONS = 40
MINUTE = 60
PATTERNS = {
    "always": "1" * 40,
    "never": "0" * 40,
    "once": "0001" + "0" * 36,
    "flapping": "10" * 20,
    "gap": "1" * 10 + "0" + "1" * 29,
    "two_gaps": "1" * 10 + "00" + "1" * 10 + "000" + "1" * 15,
    "for_exactly_met": "0" * 5 + "1" * 4 + "0" * 31,
    "for_just_missed": "0" * 5 + "1" * 3 + "0" * 32,
    "ends_firing": "0" * 30 + "1" * 10,
}
RANDOM = Random(20261124)
PATTERNS |= {
    f"random{n}": "".join(RANDOM.choices("01", (1, share), k=EVALUATIONS))
    for n, share in enumerate((0.3, 1, 3, 3, 8, 8))
}
# Minutes of `for` and of `keep_firing_for`.
HELD = ((0, 0), (3, 0), (0, 2), (3, 1), (3, 5), (1, 3))


def fired(pattern: str, pending: int, keep_firing: int) -> list[Firing]:
    """What our machine makes of a pattern, one character a minute."""
    values = {n * MINUTE: 1.0 for n, is_true in enumerate(pattern) if is_true == "1"}
    evaluations = [n * MINUTE for n in range(len(pattern))]
    return firings(evaluations, values, pending * MINUTE, keep_firing * MINUTE)


def rule_test(folder: Path, shift: int = 0) -> Path:
    """A file by which promtool expects of every rule, pattern and minute what we say.

    ``shift`` moves what is expected, so that it is wrong.
    """
    rules = []
    expectations = []
    for pending, keep_firing in HELD:
        alert = f"Alert{pending}Keeps{keep_firing}"
        rule = {"alert": alert, "expr": "x == 1", "for": f"{pending}m"}
        rules.append({**rule, "keep_firing_for": f"{keep_firing}m"} if keep_firing else rule)
        ours = {name: fired(pattern, pending, keep_firing) for name, pattern in PATTERNS.items()}
        for minute in range(EVALUATIONS):
            firing = [
                {"exp_labels": {"pattern": name}}
                for name, times in ours.items()
                if any(t.start <= (minute + shift) * MINUTE <= t.end for t in times)
            ]
            expectations.append(
                {"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": firing}
            )
    series = [
        {"series": f'x{{pattern="{name}"}}', "values": " ".join(pattern)}
        for name, pattern in PATTERNS.items()
    ]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "alert_rule_test": expectations}],
    }
    (folder / "test.yml").write_text(yaml.safe_dump(test))
    return folder / "test.yml"


def test_it_fires_whenever_prometheus_does(tmp_path: Path) -> None:
    promtool.test_rules(rule_test(tmp_path))


def test_promtool_would_have_noticed_a_difference(tmp_path: Path) -> None:
    with pytest.raises(CheckFailedError):
        promtool.test_rules(rule_test(tmp_path, shift=1))


def test_values_are_those_of_the_expression_while_it_fires() -> None:
    values = {60.0: 1.0, 120.0: 7.0, 180.0: 3.0, 240.0: 5.0}
    assert firings(range(0, 361, 60), values, pending=60, keep_firing=90) == [
        Firing(120, 360, (7.0, 3.0, 5.0))
    ]
