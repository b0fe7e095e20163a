"""A stack's receiver shows runbooks whose commands reach this stack, and no other."""

from pathlib import Path

import pytest

from alerts import paths
from stack import runbook_pages
from stack.ports import PORTS, read_ports
from tests.not_empty import not_empty


def test_with_the_usual_ports_they_are_the_committed_ones(tmp_path: Path) -> None:
    assert runbook_pages.shown(paths.RUNBOOKS, tmp_path, read_ports({})) == paths.RUNBOOKS


@pytest.mark.parametrize("variables", [{"PORT_OFFSET": "1000"}, {"ALERTMANAGER_PORT": "9090"}])
def test_no_address_of_another_stack_is_left(tmp_path: Path, variables: dict[str, str]) -> None:
    if "ALERTMANAGER_PORT" in variables:
        # Each leads to where the other is by default.
        variables = {**variables, "PROMETHEUS_PORT": "9093"}
    ports = read_ports(variables)
    folder = runbook_pages.shown(paths.RUNBOOKS, tmp_path / "runbooks", ports)
    assert {page.name for page in folder.iterdir()} == {
        page.name for page in paths.RUNBOOKS.glob("*.md")
    }
    own = {port.default: ports[port.variable] for port in PORTS}
    for page in not_empty(sorted(folder.iterdir())):
        committed = (paths.RUNBOOKS / page.name).read_text(encoding="utf-8").splitlines()
        for before, after in zip(
            committed, page.read_text(encoding="utf-8").splitlines(), strict=True
        ):
            for default in (8000, 9090, 9093):
                assert before.count(f"127.0.0.1:{default}") == after.count(
                    f"127.0.0.1:{own[default]}"
                ), after
