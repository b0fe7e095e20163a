"""The exported rules evaluated by vmalert: in the same incidents the same alerts fire.

vmalert-tool comes from Go's modules and takes minutes to build, once; `make test-all` runs this.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alerts.export.engines import Engine
from alerts.export.files import exported
from alerts.export.options import Options
from alerts.exporters import known_metrics
from alerts.rules import rule_files
from alerts.scenarios.collection import named
from alerts.scenarios.evaluation import Timeline, timelines
from alerts.scenarios.exposition import Series, series
from alerts.scenarios.rules import Rules
from alerts.scenarios.scenario import Scenario
from app.core.config import load_settings
from prometheus_tools.toolchain import locate_other_engine
from tests.length import only_long
from tests.not_empty import not_empty

INCIDENTS = (
    "AI down for 5 minutes",
    "Every SMS is refused with 401",
    "First 500s ever on a route",
    "16 AI calls fail at once",
    "A target flaps",
    "One of two clusters is down",
)
BEGINS = 946_684_800
"""When vmalert-tool begins: the first second of 2000. promtool begins with 1970."""
_CLOCKS = {metric.name for metric in known_metrics() if "since the Unix epoch" in metric.help}
_EVERY_SECONDS = 60
_SETTLED_SECONDS = 120
_FIRING = 'ALERTS{alertstate="firing",severity!="info"}'
_APART = ("alertname", "severity", "cluster", "environment")


def rules(engine: Engine) -> dict[str, str]:
    """The rule files for an engine; what watches Prometheus itself is no matter of vmalert's."""
    settings = load_settings()
    options = Options(engine, without=frozenset({"monitoring"}))
    return exported(rule_files(settings.thresholds, settings.links), options)


def moved(one: Series) -> Series:
    """A clock tells the time of where it is evaluated."""
    return replace(one, values=one.values + BEGINS) if one.name in _CLOCKS else one


def told(fired: Timeline, at: int) -> frozenset[tuple[str, ...]]:
    """What is told apart of the alerts that fire at a time, seconds."""
    return frozenset(tuple(dict(alert).get(name, "") for name in _APART) for alert in fired.at(at))


def questions(scenario: Scenario, fired: Timeline) -> Iterator[dict[str, Any]]:
    """What fires each minute, as promtool saw it; not where that changes a little before or after.

    MetricsQL takes the sample before a range into it, and so is a scrape or some sooner or later.
    """
    step, end = scenario.step, (scenario.steps - 1) * scenario.step
    for at in range(0, end, _EVERY_SECONDS):
        around = range(max(0, at - _SETTLED_SECONDS), min(end, at + _SETTLED_SECONDS), step)
        if len({told(fired, each) for each in around}) == 1:
            samples = [
                {
                    "labels": labels({k: v for k, v in zip(_APART, alert, strict=True) if v}, ""),
                    "value": 1,
                }
                for alert in told(fired, at)
            ]
            yield {
                "expr": f"group by ({', '.join(_APART)}) ({_FIRING})",
                "eval_time": f"{at}s",
                "exp_samples": samples,
            }


def labels(of: dict[str, str], name: str) -> str:
    return f"{name}{{" + ",".join(f'{key}="{value}"' for key, value in sorted(of.items())) + "}"


@only_long
@pytest.mark.parametrize("name", INCIDENTS)
def test_the_same_alerts_fire(name: str, tmp_path: Path) -> None:
    (scenario,) = named([name])
    of_prometheus = Rules(rules(Engine.PROMETHEUS))
    fired = timelines([scenario], of_prometheus)[name]
    for file, text in rules(Engine.VMALERT).items():
        (tmp_path / file).write_text(text)
    inputs = [
        {"series": labels(dict(one.labels), one.name), "values": one.notation}
        for one in map(moved, not_empty(series(scenario)))
    ]
    step = f"{scenario.step}s"
    test = {
        "interval": step,
        "input_series": inputs,
        "metricsql_expr_test": not_empty(list(questions(scenario, fired))),
    }
    document = {
        "rule_files": [str(each) for each in sorted(tmp_path.glob("*.yml"))],
        "evaluation_interval": step,
        "group_eval_order": of_prometheus.order,
        "tests": [test],
    }
    incident = tmp_path / "incident.json"
    incident.write_text(json.dumps(document))
    tool = locate_other_engine("vmalert-tool")
    done = subprocess.run(
        [tool.path, "unittest", "--disableAlertgroupLabel", f"--files={incident}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[:3000]
