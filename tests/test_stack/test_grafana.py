"""Grafana beside the native stack: found, fetched, missing, left out, and there later."""

from pathlib import Path

import pytest

from prometheus_tools.toolchain import ToolMissing
from stack import grafana
from stack.backend import StackError
from tests.release_server import script, served
from tests.test_stack.native_stack import QUICK, Stack
from tests.test_stack.test_native import GRAFANA


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({}, True), ({"GRAFANA": ""}, True), ({"GRAFANA": "yes"}, True), ({"GRAFANA": "no"}, False)],
)
def test_it_is_wanted_unless_left_out(variables: dict[str, str], expected: bool) -> None:
    assert grafana.is_wanted(variables) is expected


def test_another_value_is_refused_by_name() -> None:
    with pytest.raises(StackError, match="GRAFANA=off: use yes, or no"):
        grafana.is_wanted({"GRAFANA": "off"})


def test_without_it_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise ToolMissing("PATH: no\narchive: no", "no answer")

    monkeypatch.setattr(grafana, "locate", missing)
    lines: list[str] = []
    assert grafana.find(lines.append) is None
    assert lines == ["Grafana is left out: no answer; make up GRAFANA=no does not look for it"]


@pytest.mark.parametrize("home", ["", "share/grafana"])
def test_its_own_files_are_found(home: str, tmp_path: Path) -> None:
    binary = tmp_path / "bin/grafana"
    (tmp_path / home / "public").mkdir(parents=True)
    assert grafana.command(binary) == [
        str(binary),
        "server",
        f"--homepath={tmp_path / home}".rstrip("/"),
    ]


def test_one_that_comes_later_is_started_by_the_next_up(tmp_path: Path) -> None:
    (tmp_path / "releases").mkdir()
    with served(tmp_path / "releases") as releases:
        stack = Stack(tmp_path / "state", {**QUICK, "GRAFANA": "yes"})
        stack.variables["STACK_GRAFANA_URL"] = releases.url
        stack.keep_tools_in(tmp_path / "tools")
        stack.keep_off_path("grafana")
        # Not the Grafana whose checksum this project keeps.
        releases.publish(
            "grafana", {"bin/grafana": script(tmp_path, "x", "grafana version 13.2.3")}
        )
        try:
            first = stack.run("up")
            assert first.returncode == 0, first.stderr
            assert "is not what it should be" in first.stdout
            assert "versions.sha256 says" in first.stdout
            assert "Grafana is left out: " in first.stdout
            assert "make preview" in first.stdout
            assert stack.is_well()

            stack.put_on_path("grafana", GRAFANA)
            second = stack.run("up")
            assert second.returncode == 0, second.stderr
            assert "grafana 13.2.3 from PATH" in second.stdout
            assert "Grafana: user admin" in second.stdout
            assert {each.name: each.up for each in stack.status()}["grafana"]
            assert "running already" in stack.run("up").stdout
        finally:
            stack.run("down")
        assert stack.processes() == []
