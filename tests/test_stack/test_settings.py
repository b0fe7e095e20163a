"""The variables of the stack: which are given, and which are misspelt."""

from pathlib import Path

import pytest

from stack.__main__ import main
from stack.backend import StackError
from stack.native import NativeBackend
from stack.settings import given, unknown
from tests.project import ROOT


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("APP_PROT", "APP_PORT"),
        ("PORT_OFSET", "PORT_OFFSET"),
        ("STACK_STATE", "STACK_STATE_DIR"),
        ("TEST_WORKER", "TEST_WORKERS"),
        ("LEVL", "LEVEL"),
    ],
)
def test_a_misspelt_variable_is_answered_with_the_one_that_was_meant(name: str, meant: str) -> None:
    assert unknown([name]) == f"{name}: there is no such variable; did you mean {meant}?"


@pytest.mark.parametrize("name", ["FOO", "DOORBELL", "COLOUR"])
def test_what_resembles_none_gets_no_random_one(name: str) -> None:
    said = unknown([name]) or ""
    assert "did you mean" not in said
    assert f"{name}=… make …" in said


def test_what_is_known_is_taken() -> None:
    assert unknown([]) is None
    assert unknown(["APP_PORT", "TEXT", "YES", "VENV", "PYTHON", "SET", "LAST", "STACK"]) is None
    assert unknown(["ORCHESTRATOR_LOG_LEVEL", "DOCKER_HOST"]) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("APP_WORKERS", "0"), ("TRAFFIC_PER_MINUTE", "lots"), ("GRAFANA", "No")],
)
def test_a_bad_value_is_refused_before_it_is_compared(
    name: str, value: str, tmp_path: Path
) -> None:
    with pytest.raises(StackError, match=f"{name}={value}: use"):
        NativeBackend(ROOT, tmp_path, {name: value})


@pytest.mark.parametrize("name", ["ORCHESTRATOR_PROT", "SIMULATOR_PROT", "ALERTS_TO"])
def test_a_setting_that_no_component_has_is_refused_by_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")
    backend = NativeBackend(ROOT, tmp_path, {})
    with pytest.raises(StackError, match=f"{name}: no such setting"):
        backend.up()


def test_what_is_given() -> None:
    assert given({"APP_PORT": "9000", "GRAFANA_PORT": "", "HOME": "/"}) == {"APP_PORT": "9000"}


def test_an_id_that_is_in_no_log_is_answered_with_advice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class NothingFound:
        def query_logs(self, _arguments: list[str]) -> int:
            return 1

    monkeypatch.setattr("stack.__main__._backend", NothingFound)
    monkeypatch.setattr("sys.argv", ["stack", "trace", "nonsense"])
    assert main() == 1
    assert "`make send` prints the ID" in capsys.readouterr().err


def test_a_wrong_level_of_the_logs_is_told_by_the_name_that_make_has(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["stack", "logs", "--level", "foo"])
    with pytest.raises(SystemExit):
        main()
    assert "LEVEL=foo: use one of debug, info" in capsys.readouterr().err
