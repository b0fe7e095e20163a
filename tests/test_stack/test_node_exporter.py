"""node_exporter of the native stack: what it measures, and that it has nothing to complain of."""

import asyncio
import re
from pathlib import Path

import httpx
import pytest

from alerts import exporters
from asgi_observability.metric import Metric
from prometheus_tools.toolchain import locate
from stack import node_exporter
from tests.free_port import free_port
from tests.project import ROOT
from tests.release_server import script
from tests.waiting import until

FOLDER = ROOT / "prometheus"
COLLECTORS = {
    flag.removeprefix("--collector.")
    for flag in (FOLDER / node_exporter.FLAGS).read_text().split()
    if flag != "--collector.disable-defaults"
}


async def test_it_measures_what_the_rules_read_and_logs_no_warning(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    command = node_exporter.command(locate("node_exporter").path, FOLDER)
    with (tmp_path / "log").open("w") as log:
        process = await asyncio.create_subprocess_exec(
            *command, f"--web.listen-address={address}", stdout=log, stderr=log
        )

    def scraped() -> str:
        assert process.returncode is None, (tmp_path / "log").read_text()
        try:
            return httpx.get(f"http://{address}/metrics", trust_env=False).text
        except httpx.ConnectError:
            return ""

    try:
        await until(lambda: bool(scraped()), seconds=60)
        text = [scraped() for _ in range(3)][-1]
    finally:
        process.terminate()
        await process.wait()
    succeeded = re.findall(r'node_scrape_collector_success{collector="(\w+)"} 1', text)
    assert set(succeeded) == COLLECTORS
    names = {metric.name for metric in vars(exporters).values() if isinstance(metric, Metric)}
    read = {name for name in names if name.startswith("node_")}
    assert read
    assert [name for name in read if f"\n{name}" not in text] == []
    said = (tmp_path / "log").read_text()
    assert not re.search(r"level=(warn|error)", said, re.IGNORECASE), said


@pytest.mark.parametrize("prefix", ["--", "--[no-]"])
def test_what_this_system_does_not_have_is_not_asked_for(prefix: str, tmp_path: Path) -> None:
    # As on macOS, and as each way of saying a switch prints it.
    says = f"{prefix}collector.cpu  Enable it. {prefix}collector.time  Enable it."
    binary = script(tmp_path, "node_exporter", says)
    command = node_exporter.command(binary, FOLDER)
    flags = [argument for argument in command if "collector" in argument]
    assert flags == ["--collector.cpu", "--collector.time"]


@pytest.mark.parametrize(("user", "expected"), [(0, ["--log.level=error"]), (1000, [])])
def test_only_as_root_are_warnings_left_out(
    user: int, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_exporter.os, "geteuid", lambda: user)
    command = node_exporter.command(script(tmp_path, "node_exporter", ""), FOLDER)
    assert command[1:] == expected
