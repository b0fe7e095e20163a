"""Grafana beside the native stack: found, missing, and left out.

One that comes later is in test_native.py, which has a stack to try it on.
"""

from pathlib import Path

import pytest

from prometheus_tools.toolchain import ToolMissing
from stack import grafana
from stack.backend import StackError


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
