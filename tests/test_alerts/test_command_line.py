"""`python -m alerts` and `python -m dashboards`: what they print and when they fail."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import alerts.command_line
import dashboards.command_line
from alerts import paths
from prometheus_tools import promtool
from tests.project import ROOT

Run = Callable[[ModuleType, str], tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line; gives exit code, output and errors."""

    def run(package: ModuleType, command: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", [package.__name__, command])
        code = package.main()
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def another_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Generated files go into a folder of their own."""
    monkeypatch.setattr(paths, "RULES", tmp_path / "rules")
    monkeypatch.setattr(paths, "GENERATED_RULE_TESTS", tmp_path / "rule-tests")
    monkeypatch.setattr(paths, "RUNBOOKS", tmp_path / "runbooks")
    (tmp_path / "runbooks").mkdir()
    for page in (ROOT / "alerts" / "runbooks").iterdir():
        (tmp_path / "runbooks" / page.name).write_text(page.read_text())
    monkeypatch.setattr(paths, "DASHBOARDS", tmp_path / "dashboards")
    monkeypatch.setattr(paths, "ALERTMANAGER_CONFIG", tmp_path / "alerts" / "alertmanager.yml")
    return tmp_path


def test_a_threshold_that_was_not_generated_is_drift(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That what is committed passes, `make check` says."""
    monkeypatch.setenv("ORCHESTRATOR_THRESHOLDS__AI_ERROR_RATIO", "0.2")
    # They take longest, and test what is committed.
    monkeypatch.setattr(promtool, "test_rules", lambda file: None)
    code, out, err = run(alerts.command_line, "check")
    assert code == 1
    said = dict(line.split(": ") for line in out.splitlines())
    assert len(said) == 21
    drifted = {"generated rules", "generated rule tests", "runbooks"}
    assert {name for name, found in said.items() if found != "ok"} == drifted
    assert said["generated rules"] == "1 wrong"
    assert (
        "  prometheus/rules/operations.yml: differs from its source; run `make generate`\n"
    ) in err
    code, _, err = run(dashboards.command_line, "check")
    assert code == 1
    assert "grafana/dashboards/overview.json: differs from its source" in err


@pytest.mark.parametrize("package", [alerts.command_line, dashboards.command_line])
def test_generating_writes_the_committed_files(
    run: Run, another_checkout: Path, package: ModuleType
) -> None:
    committed = {
        file.name: file.read_text()
        for folder in (
            *("prometheus/tests/generated", "prometheus/rules", "grafana/dashboards"),
            *("alerts", "alerts/templates", "alerts/runbooks"),
        )
        for file in (ROOT / folder).iterdir()
        if file.is_file()
    }
    code, *_ = run(package, "generate")
    written = [file for file in another_checkout.rglob("*") if file.is_file()]
    assert code == 0
    assert written
    for file in written:
        assert file.read_text() == committed[file.name]


@pytest.mark.parametrize("package", [alerts.command_line, dashboards.command_line])
@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        ("ORCHESTRATOR_TRESHOLDS__AI_ERROR_RATIO", "0.2", "did you mean ORCHESTRATOR_THRESHOLDS"),
        ("ORCHESTRATOR_THRESHOLDS__AI_ERROR_RATIO", "20", "less than 1"),
        ("ORCHESTRATOR_THRESHOLDS__SMS_LATENCY_SECONDS", "2.2", "not a bucket bound"),
    ],
)
def test_bad_settings_are_named(
    run: Run,
    another_checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: ModuleType,
    variable: str,
    value: str,
    error: str,
) -> None:
    monkeypatch.setenv(variable, value)
    code, _, err = run(package, "generate")
    assert code == 1
    assert error in err
    assert "Traceback" not in err
    assert not list(another_checkout.rglob("*.yml")) + list(another_checkout.rglob("*.json"))


def test_rules_are_written_only_where_nothing_else_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def rules(environment: str, folder: Path) -> tuple[int, str]:
        command = ["rules", "--environment", environment, "--output", str(folder)]
        monkeypatch.setattr("sys.argv", ["alerts", *command])
        return alerts.command_line.main(), capsys.readouterr().err

    folder = tmp_path / "staging"
    assert rules("staging", folder) == (0, "")
    assert rules("staging", folder) == (0, "")
    (folder / "theirs.yml").write_text("groups: []\n")
    code, said = rules("staging", folder)
    assert code == 1
    assert said == (
        f"{folder}/theirs.yml was not generated here, and {folder} is to hold the rule files "
        "alone; give a folder of its own\n"
    )
    assert (folder / "theirs.yml").exists()
    code, said = rules("stagin", tmp_path / "other")
    assert (code, "did you mean staging?" in said) == (1, True)
    assert not (tmp_path / "other").exists()
