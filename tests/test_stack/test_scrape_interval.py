"""SCRAPE_INTERVAL takes what rules and panels work with, and says why it takes nothing else."""

from pathlib import Path

import pytest

from alerts.paths import PROMETHEUS_CONFIG
from alerts.prometheus_config import evaluation_seconds, scrape_seconds
from prometheus_tools.yaml_reading import read_yaml
from stack.backend import StackError
from stack.native import NativeBackend
from stack.scrape_interval import LONGEST_SECONDS, chosen, with_interval
from tests.project import ROOT, python_m


@pytest.mark.parametrize("interval", ["1s", "5s", "15s"])
def test_what_works_is_taken(interval: str) -> None:
    assert chosen({"SCRAPE_INTERVAL": interval}) == interval
    changed = read_yaml(with_interval(PROMETHEUS_CONFIG, interval))
    committed = read_yaml(PROMETHEUS_CONFIG.read_text(encoding="utf-8"))
    assert changed["global"]["scrape_interval"] == interval
    assert changed["global"]["evaluation_interval"] == interval
    assert changed["scrape_configs"] == committed["scrape_configs"]


@pytest.mark.parametrize("interval", ["1m", "16s", "30s", "0s", "500ms", "often", "15", "1.5s"])
def test_what_leaves_rules_and_panels_empty_is_refused(interval: str, tmp_path: Path) -> None:
    expected = f"SCRAPE_INTERVAL={interval}: use whole seconds, from 1s to 15s; rules and panels"
    with pytest.raises(StackError, match=expected):
        NativeBackend(ROOT, tmp_path, {"SCRAPE_INTERVAL": interval}).up()
    assert list(tmp_path.iterdir()) == []


def test_without_a_choice_it_is_the_committed_one() -> None:
    assert chosen({}) == chosen({"SCRAPE_INTERVAL": ""}) == "15s"
    assert scrape_seconds() == evaluation_seconds() == LONGEST_SECONDS


def test_the_command_names_the_variable_and_the_bound(tmp_path: Path) -> None:
    variables = {"SCRAPE_INTERVAL": "1m", "STACK": "native", "STACK_STATE_DIR": str(tmp_path)}
    done = python_m("stack", "up", variables=variables)
    assert done.returncode == 1
    assert done.stderr.startswith("SCRAPE_INTERVAL=1m: use whole seconds, from 1s to 15s")
    assert "Traceback" not in done.stderr
