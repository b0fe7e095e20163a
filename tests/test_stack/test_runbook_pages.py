"""A stack's receiver shows runbooks whose commands reach this stack, and no other."""

import re
from pathlib import Path

import pytest

from alerts import paths
from stack import runbook_pages
from stack.ports import PORTS, read_ports
from tests.not_empty import not_empty


def test_with_the_usual_ports_they_are_the_committed_ones(tmp_path: Path) -> None:
    assert runbook_pages.shown(paths.RUNBOOKS, tmp_path, read_ports({})) == paths.RUNBOOKS


@pytest.mark.parametrize(
    "variables",
    [
        {"PORT_OFFSET": "1000"},
        # Each is where the other is by default.
        {"ALERTMANAGER_PORT": "9090", "PROMETHEUS_PORT": "9093"},
    ],
)
def test_each_address_is_the_stack_s(tmp_path: Path, variables: dict[str, str]) -> None:
    ports = read_ports(variables)
    own = {port.default: ports[port.variable] for port in PORTS}
    folder = runbook_pages.shown(paths.RUNBOOKS, tmp_path / "runbooks", ports)
    committed = sorted(paths.RUNBOOKS.glob("*.md"))
    assert sorted(page.name for page in folder.iterdir()) == [page.name for page in committed]
    found = {page.name: _ports(page) for page in not_empty(committed)}
    assert {8000, 9090, 9093} <= {port for of_a_page in found.values() for port in of_a_page}
    for name, defaults in not_empty(found.items()):
        assert _ports(folder / name) == [own[port] for port in defaults], name


def _ports(page: Path) -> list[int]:
    return [int(p) for p in re.findall(r"127\.0\.0\.1:(\d+)", page.read_text(encoding="utf-8"))]
