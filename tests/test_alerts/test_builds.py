"""Which version an instance runs is known whoever says in which environment it runs."""

from pathlib import Path

import pytest
import yaml

from alerts.builds import running
from alerts.identity import IDENTITY, with_identity
from prometheus_tools import promtool

_TARGET = 'job="orchestrator",instance="a:1"'


@pytest.mark.parametrize(
    ("target", "build"),
    [
        # The target is not labelled: there is the service's own word only.
        (_TARGET, f'{_TARGET},environment="development"'),
        (f'{_TARGET},cluster="east"', f'{_TARGET},cluster="east",environment="development"'),
        # It is, and Prometheus moves the service's word away.
        (
            f'{_TARGET},environment="production"',
            f'{_TARGET},environment="production",exported_environment="development"',
        ),
    ],
)
def test_a_version_joins_the_series_of_its_instance(
    target: str, build: str, tmp_path: Path
) -> None:
    joined = with_identity(f"x * on (job, instance) group_left (version) {running()}", IDENTITY)
    asked = {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": f"x{{{target}}}", "values": "7"},
                    {"series": f"up{{{target}}}", "values": "0"},
                    {"series": f'build_info{{{build},version="2"}}', "values": "1"},
                ],
                "promql_expr_test": [
                    {
                        "expr": joined,
                        "eval_time": "0m",
                        "exp_samples": [{"labels": f'{{{target},version="2"}}', "value": 7}],
                    }
                ],
            }
        ],
    }
    file = tmp_path / "joined.yml"
    file.write_text(yaml.safe_dump(asked), encoding="utf-8")
    promtool.test_rules(file)
