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


def rules() -> Rules:
    """Without the monitoring of Prometheus itself, which vmalert does not have."""
    settings = load_settings()
    files = rule_files(settings.thresholds, settings.links)
    return Rules(exported(files, Options(Engine.VMALERT)))


def moved(one: Series) -> Series:
    """A clock tells the time of where it is evaluated."""
    return replace(one, values=one.values + BEGINS) if one.name in _CLOCKS else one


def questions(scenario: Scenario, fired: Timeline) -> Iterator[dict[str, Any]]:
    """What fires each minute, as promtool saw it."""
    for at in range(0, (scenario.steps - 1) * scenario.step, _EVERY_SECONDS):
        samples = [
            {"labels": labels({**dict(alert), "alertstate": "firing"}), "value": 1}
            for alert in fired.at(at)
        ]
        yield {
            "expr": 'ALERTS{alertstate="firing",severity!="info"}',
            "eval_time": f"{at}s",
            "exp_samples": samples,
        }


def labels(of: dict[str, str]) -> str:
    return "ALERTS{" + ",".join(f'{name}="{value}"' for name, value in sorted(of.items())) + "}"


@only_long
@pytest.mark.parametrize("name", INCIDENTS)
def test_the_same_alerts_fire(name: str, tmp_path: Path) -> None:
    (scenario,) = named([name])
    used = rules()
    fired = timelines([scenario], used)[name]
    files = used.write(tmp_path, blind=False)
    inputs = [
        {"series": labels(dict(one.labels)).replace("ALERTS", one.name), "values": one.notation}
        for one in map(moved, not_empty(series(scenario)))
    ]
    step = f"{scenario.step}s"
    test = {
        "interval": step,
        "input_series": inputs,
        "metricsql_expr_test": not_empty(list(questions(scenario, fired))),
    }
    document = {
        "rule_files": [str(file) for file in files],
        "evaluation_interval": step,
        "group_eval_order": used.order,
        "tests": [test],
    }
    file = tmp_path / "incident.json"
    file.write_text(json.dumps(document))
    tool = locate_other_engine("vmalert-tool")
    done = subprocess.run(
        [tool.path, "unittest", "--disableAlertgroupLabel", f"--files={file}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[:3000]
