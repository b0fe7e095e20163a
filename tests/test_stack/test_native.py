"""The native stack for real: up, the way of one SMS, killed, up again, down.

Each test finds it up, whatever another has done to it.
"""

import asyncio
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from stack import native
from stack.backend import StackError
from tests.free_port import free_port
from tests.not_empty import not_empty
from tests.project import ROOT
from tests.release_server import script, served
from tests.test_stack import short_waits
from tests.test_stack.journey import walk
from tests.test_stack.native_stack import QUICK, Stack
from tests.test_stack.notifying import notifies_slack

GRAFANA = f"""\
#!{sys.executable}
# A stand-in: Grafana is in no package of Debian's.
import http.server, json, os, sys

if sys.argv[1:] == ["--version"]:
    sys.exit("grafana version 13.2.3")

class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path.startswith(("/api/health", "/d/")) else 404)
        self.end_headers()
        self.wfile.write(json.dumps([sys.argv[1:], dict(os.environ)]).encode())

address = os.environ["GF_SERVER_HTTP_ADDR"], int(os.environ["GF_SERVER_HTTP_PORT"])
http.server.HTTPServer(address, Health).serve_forever()
"""
DOCKER = """\
#!/bin/sh
# An engine that answers, and compose v2.
echo 2.40.3
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack for all, in whatever state."""
    stack = Stack(tmp_path_factory.mktemp("state"), {**QUICK, "GRAFANA": "yes"})
    stack.put_on_path("grafana", GRAFANA)
    try:
        yield stack
    finally:
        stack.run("down")


@pytest.fixture
def stack(shared: Stack) -> Stack:
    """The stack, up and without a fault."""
    if not all(component.up for component in shared.status()):
        started = shared.run("up")
        assert started.returncode == 0, started.stderr
    httpx.delete(f"{shared.addresses.receiver}/faults").raise_for_status()
    return shared


def test_a_grafana_that_comes_later_is_started_by_the_next_up(
    shared: Stack, tmp_path: Path
) -> None:
    assert shared.run("down").returncode == 0
    (tmp_path / "releases").mkdir()
    with served(tmp_path / "releases") as releases:
        stack = Stack(shared.state, {**shared.variables, "STACK_GRAFANA_URL": releases.url})
        stack.keep_tools_in(tmp_path / "tools")
        stack.keep_off_path("grafana")
        # Not the Grafana whose checksum this project keeps.
        releases.publish(
            "grafana", {"bin/grafana": script(tmp_path, "x", "grafana version 13.2.3")}
        )
        first = stack.run("up")
        assert first.returncode == 0, first.stderr
        assert "is not what it should be" in first.stdout
        assert "versions.sha256 says" in first.stdout
        assert "Grafana is left out: " in first.stdout
        assert "make preview" in first.stdout
        assert stack.is_well()

        stack.path = shared.path
        second = stack.run("up")
        assert second.returncode == 0, second.stderr
        assert "grafana 13.2.3 from PATH" in second.stdout
        assert "Grafana: user admin" in second.stdout
        assert {each.name: each.up for each in stack.status()}["grafana"]
        assert "running already" in stack.run("up").stdout


def test_every_component_is_up(stack: Stack) -> None:
    status = stack.status()
    assert all(component.up and component.since for component in not_empty(status)), status
    names = {component.name for component in status}
    assert names >= {"app", "simulator", "prometheus", "alertmanager", "node-exporter", "grafana"}
    assert stack.is_well()


def test_grafana_gets_its_settings(stack: Stack) -> None:
    url = f"http://127.0.0.1:{stack.variables['GRAFANA_PORT']}/api/health"
    arguments, environment = httpx.get(url).json()
    assert arguments[0] == "server"
    assert environment["PROMETHEUS_URL"] == stack.addresses.prometheus
    assert environment["PROMETHEUS_SCRAPE_INTERVAL"] == stack.variables["SCRAPE_INTERVAL"]
    assert Path(environment["DASHBOARDS_DIR"], "overview.json").exists()
    assert Path(environment["GF_PATHS_PROVISIONING"], "datasources").is_dir()
    password = stack.state / "secrets" / "grafana_admin_password"
    assert environment["GF_SECURITY_ADMIN_PASSWORD"] == f"$__file{{{password}}}"
    assert len(password.read_text()) >= 16
    assert password.stat().st_mode & 0o077 == 0


def test_the_stack_that_runs_is_the_one_that_is_asked(stack: Stack, tmp_path: Path) -> None:
    with_docker = Stack(stack.state)
    with_docker.path = stack.path
    with_docker.put_on_path("docker", DOCKER)
    answer = with_docker.run("status", way="")
    assert stack.addresses.app in answer.stdout


async def test_from_one_sms_to_one_notification_and_its_resolution(stack: Stack) -> None:
    await short_waits.give(stack)
    await asyncio.to_thread(walk, stack.addresses, scrape_seconds=1)


def test_one_sms_by_hand(stack: Stack) -> None:
    sent = stack.run("send", "can I pay 200 a week for 8 weeks?")
    assert sent.returncode == 0
    for word in ("tenant_context", "ai_response", "confidence", "status"):
        assert word in sent.stdout


def test_faults_are_listed_switched_and_refused_by_name(stack: Stack) -> None:
    assert "* sms_agent_down" in stack.run("fault", "sms_agent_down").stdout
    assert "*" not in stack.run("fault", "none").stdout
    refused = stack.run("fault", "sms_agent_dwn")
    assert refused.returncode == 1
    assert "sms_agent_down" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_second_up_restarts_nothing(stack: Stack) -> None:
    before = {component.name: component.since for component in not_empty(stack.status())}
    # The running stack knows its ports: no variable is needed.
    stack_without_variables = Stack(stack.state)
    stack_without_variables.variables = {}
    assert stack_without_variables.run("up").returncode == 0
    assert {component.name: component.since for component in stack.status()} == before


def test_a_secret_that_is_dropped_switches_its_receiver_on(stack: Stack) -> None:
    alertmanager = stack.addresses.alertmanager
    secret = stack.state / "secrets" / "slack_webhook_url"
    assert not notifies_slack(alertmanager)
    secret.write_text("http://127.0.0.1:1/slack")
    assert "Notified: the simulator's receiver, Slack;" in stack.run("up").stdout
    assert notifies_slack(alertmanager)
    secret.unlink()
    assert stack.run("up").returncode == 0
    assert not notifies_slack(alertmanager)


def test_another_port_for_a_running_stack_is_refused(stack: Stack) -> None:
    changed = Stack(stack.state)
    changed.variables = {"APP_PORT": str(free_port()), "SCRAPE_INTERVAL": "1s"}
    refused = changed.run("up")
    assert refused.returncode == 1
    assert f"APP_PORT is {stack.variables['APP_PORT']}, not" in refused.stderr
    assert "SCRAPE_INTERVAL" not in refused.stderr


def test_logs_of_one_component(stack: Stack) -> None:
    lines = stack.run("logs", "app").stdout.splitlines()
    assert any(" request " in line for line in lines)
    assert all(line.startswith("app ") for line in not_empty(lines))
    assert "info" not in stack.run("logs", "app", "--level", "error").stdout
    refused = stack.run("logs", "apple")
    assert refused.returncode == 1
    assert "app" in refused.stderr


def test_a_component_that_hangs_is_told_with_the_way_out(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`up` alone does nothing to it."""
    monkeypatch.setattr(native, "HEALTHY_WITHIN_SECONDS", 0)
    (app,) = [p for p in stack.processes() if p.cmdline()[-2:] == ["-m", "app"]]
    app.suspend()
    try:
        with pytest.raises(
            StackError, match=r"app runs, but hangs.*`make down` and then `make up`"
        ):
            native.NativeBackend(ROOT, stack.state, {}).up()
    finally:
        app.resume()


def test_runbooks_have_the_addresses_of_the_stack(stack: Stack) -> None:
    page = httpx.get(f"{stack.addresses.receiver}/runbooks/TargetDown").text
    assert f"curl -s --max-time 10 {stack.addresses.prometheus}/api/v1/targets" in page
    assert f"--alertmanager.url={stack.addresses.alertmanager} " in page


def test_tools_are_told_with_their_paths(stack: Stack) -> None:
    told = stack.run("tools").stdout.splitlines()
    paths = {line.split()[0]: Path(line.rpartition(": ")[2]) for line in told}
    assert {"prometheus", "alertmanager", "amtool", "promtool"} <= paths.keys()
    assert all(path.is_file() for path in not_empty(paths.values()))
    assert len(told) == len(paths), "the oldest are only for tests"


def test_down_when_the_supervisor_hangs(stack: Stack) -> None:
    (supervisor,) = [p for p in stack.processes() if "supervisord" in " ".join(p.cmdline())]
    supervisor.suspend()
    assert stack.run("down").returncode == 0
    assert stack.processes() == []


def test_up_after_everything_was_killed(stack: Stack) -> None:
    killed = stack.processes()
    assert len(killed) >= 6
    for process in killed:
        process.send_signal(signal.SIGKILL)
    psutil.wait_procs(killed, timeout=30)
    assert not any(component.up for component in not_empty(stack.status()))
    assert stack.run("up").returncode == 0
    assert all(component.up for component in not_empty(stack.status()))


def test_up_after_only_the_supervisor_was_killed(stack: Stack) -> None:
    (supervisor,) = [p for p in stack.processes() if "supervisord" in " ".join(p.cmdline())]
    supervisor.kill()
    supervisor.wait(30)
    assert stack.run("up").returncode == 0
    assert all(component.up for component in not_empty(stack.status()))
    servers = [p for p in stack.processes() if p.cmdline()[-2:] == ["-m", "app"]]
    assert len(servers) == 1


def test_a_taken_port_is_named_before_anything_starts(stack: Stack, tmp_path: Path) -> None:
    other = Stack(tmp_path / "other")
    other.variables["PROMETHEUS_PORT"] = stack.variables["PROMETHEUS_PORT"]
    refused = other.run("up")
    assert refused.returncode == 1
    port = stack.variables["PROMETHEUS_PORT"]
    assert f"port {port} for prometheus is taken by prometheus (pid" in refused.stderr
    assert "make up PROMETHEUS_PORT=" in refused.stderr
    assert other.processes() == []


def test_down_leaves_no_process_and_no_port(stack: Stack) -> None:
    assert stack.run("down").returncode == 0
    assert stack.processes() == []
    supervised = (stack.state / "logs" / "supervisord.log").read_text()
    # All of them by their supervisor, the callers before those who are called.
    stopped = ["prometheus", "alertmanager", "app", "simulator", "node-exporter", "grafana"]
    assert re.findall(r" stopped: (\S+)", supervised)[-6:] == stopped
    listening = {c.laddr.port for c in psutil.net_connections("inet") if c.status == "LISTEN"}
    assert listening.isdisjoint(int(p) for n, p in stack.variables.items() if n.endswith("PORT"))
    assert stack.run("status").returncode == 1
    assert stack.run("down").returncode == 0
