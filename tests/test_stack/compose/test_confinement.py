"""What the engine and the kernel really applied, not what the compose file asks for."""

from pathlib import Path
from typing import Any

import pytest

from prometheus_tools.yaml_reading import read_yaml
from tests.not_empty import not_empty
from tests.project import ROOT
from tests.test_stack.compose.conftest import Stack, inspect_services

DEFINED = read_yaml((ROOT / "docker-compose.yml").read_text())["services"]
# Those of a profile do not run unless they are asked for; test_compose_file looks at them.
SERVICES = sorted(
    name
    for name, service in DEFINED.items()
    if "profiles" not in service and service.get("restart") != "no"
)


@pytest.fixture(params=SERVICES)
def container(request: pytest.FixtureRequest, stack: Stack) -> dict[str, Any]:
    """One service's container after the other."""
    if request.param in stack.without:
        pytest.skip(f"{request.param} does not run: its image can't be had here")
    found: dict[str, Any] = inspect_services(stack.project)[request.param]
    return found


def _process(container: dict[str, Any]) -> dict[str, str]:
    """The kernel's view of the container's first process."""
    status = Path(f"/proc/{container['State']['Pid']}/status").read_text()
    return {key: value.strip() for key, _, value in (x.partition(":") for x in status.splitlines())}


def test_is_not_root(container: dict[str, Any]) -> None:
    assert "0" not in _process(container)["Uid"].split()


def test_has_no_capability_and_gains_none(container: dict[str, Any]) -> None:
    process = _process(container)
    assert {int(process[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}
    assert process["NoNewPrivs"] == "1"


def test_root_filesystem_is_read_only(container: dict[str, Any]) -> None:
    mounts = Path(f"/proc/{container['State']['Pid']}/mountinfo").read_text().splitlines()
    (root,) = (fields for fields in map(str.split, mounts) if fields[4] == "/")
    assert "ro" in root[5].split(",")


def test_memory_and_processes_are_limited(container: dict[str, Any]) -> None:
    assert 0 < container["HostConfig"]["Memory"] <= 2**30
    assert 0 < container["HostConfig"]["PidsLimit"] <= 512


def test_what_has_ended_was_confined_as_well(stack: Stack) -> None:
    history = inspect_services(stack.project)["history"]
    assert (history["State"]["Status"], history["State"]["ExitCode"]) == ("exited", 0)
    host = history["HostConfig"]
    assert history["Config"]["User"] == "65534:65534"
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert 0 < host["Memory"] <= 2**30
    assert 0 < host["PidsLimit"] <= 512
    assert not history["NetworkSettings"]["Ports"]


def test_ports_are_on_the_loopback_address(container: dict[str, Any]) -> None:
    bindings = container["NetworkSettings"]["Ports"].values()
    published = {each["HostIp"] for ports in bindings for each in ports or ()}
    service = container["Config"]["Labels"]["com.docker.compose.service"]
    assert published == ({"127.0.0.1"} if "ports" in DEFINED[service] else set())


def test_only_the_app_reaches_the_database(stack: Stack) -> None:
    networks = {
        service: set(container["NetworkSettings"]["Networks"])
        for service, container in inspect_services(stack.project).items()
    }
    near_the_database = {name for name, own in networks.items() if own & networks["postgres"]}
    assert near_the_database == {"app", "postgres"}


def test_a_secret_is_seen_by_its_users_only(container: dict[str, Any]) -> None:
    service = container["Config"]["Labels"]["com.docker.compose.service"]
    users = {
        "database_password": {"app", "postgres"},
        "grafana_admin_password": {"grafana"},
        # A folder of those that are Alertmanager's alone.
        "alertmanager": {"alertmanager"},
    }
    mounted = {Path(mount["Source"]).name for mount in container["Mounts"]} & set(users)
    assert mounted == {name for name, services in users.items() if service in services}
    environment = "\n".join(container["Config"]["Env"] or ())
    secrets = [Path(m["Source"]) for m in container["Mounts"] if Path(m["Source"]).name in users]
    assert len(secrets) == len(mounted)
    files = [
        file
        for source in secrets
        for file in ([source] if source.is_file() else not_empty((source / "secrets").iterdir()))
    ]
    shown = [file for file in files if file.read_text() in environment]
    assert shown == []


def test_alertmanager_sees_no_secret_but_its_own(stack: Stack) -> None:
    mounted = stack.checkout / ".state" / "secrets" / "alertmanager"
    assert {file.name for file in (mounted / "secrets").iterdir()} == {"webhook_url"}
