"""docker-compose.yml and the Dockerfile, without an engine."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prometheus_tools.toolchain import ToolMissing, locate, versions
from prometheus_tools.yaml_reading import read_yaml
from stack import compose
from stack.ports import PORTS
from tests.not_empty import not_empty
from tests.project import ROOT

FILE = ROOT / "docker-compose.yml"
PROFILE = "logs"
PROJECT = "a-project"
"""Compose has one for every file; `make up` makes it from the checkout's path."""
ENDS_BY_ITSELF = {"history"}
WITHOUT_SHELL = {"loki", "alloy"}
"""Their images hold nothing that a health check could run."""
SECRETS_OF = {
    "app": {"database_password", "log_hash_key", "metrics_tokens", "operator_tokens"},
    "grafana": {"grafana_admin_password"},
    "postgres": {"database_password"},
    "prometheus": {"prometheus_metrics_token"},
    "simulator": {"simulator_metrics_token"},
}
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def _value(match: re.Match[str]) -> str:
    name, kind, default = match.groups()
    if name == "COMPOSE_PROJECT_NAME":
        return PROJECT
    if name in versions.pinned():
        return versions.version(name)
    assert kind == "-", f"{FILE.name}: {name} has no default and is not in versions.env"
    return str(default)


def _read() -> dict[str, Any]:
    parsed: dict[str, Any] = read_yaml(_VARIABLE.sub(_value, FILE.read_text()))
    return parsed


DEFINED = _read()
SERVICES: dict[str, dict[str, Any]] = DEFINED["services"]
each_service = pytest.mark.parametrize("name", SERVICES)


@pytest.fixture(scope="module")
def by_compose() -> dict[str, Any]:
    """The file as compose v2 itself understands it, with nothing set."""
    if shutil.which("docker") and compose.compose_version() >= compose.OLDEST_COMPOSE:
        command = ["docker", "compose"]
    else:
        try:
            command = [str(locate("docker-compose").path)]
        except ToolMissing as missing:
            pytest.skip(f"compose v2 can't be had: {missing}")
    done = subprocess.run(
        [*command, "--file", str(FILE), "--profile", PROFILE, "config", "--format", "json"],
        env={name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
        | {"COMPOSE_PROJECT_NAME": PROJECT},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "variable is not set" not in done.stderr
    parsed: dict[str, Any] = json.loads(done.stdout)
    return parsed


def test_compose_takes_it_and_reads_it_as_we_do(by_compose: dict[str, Any]) -> None:
    theirs = by_compose["services"]
    assert set(theirs) == set(SERVICES)
    for name, service in not_empty(SERVICES.items()):
        for key in ("image", "user", "read_only", "cap_drop", "security_opt", "restart"):
            assert theirs[name][key] == service[key], f"{name}: {key}"
        ports = [
            f"{port['host_ip']}:{port['published']}:{port['target']}"
            for port in theirs[name].get("ports", ())
        ]
        assert ports == service.get("ports", []), name
        check = service.get("healthcheck", {}).get("test")
        assert theirs[name].get("healthcheck", {}).get("test") == check, name
    assert set(by_compose["secrets"]) == set(DEFINED["secrets"])
    assert set(by_compose["volumes"]) == set(DEFINED["volumes"])


def test_each_image_is_pinned() -> None:
    pulled = [service["image"] for service in SERVICES.values() if "build" not in service]
    assert len(pulled) == 7
    assert [image for image in pulled if not re.search(r":v?\d+\.\d+(\.\d+)?(-|$)", image)] == []


@each_service
def test_a_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert not service["user"].startswith(("0", "root")), "runs as root"
    assert service["restart"] == ("no" if name in ENDS_BY_ITSELF else "unless-stopped")
    for limit in ("mem_limit", "pids_limit", "stop_grace_period"):
        assert service[limit], limit
    assert service["logging"]["options"]["max-size"], "its log would fill the disk"


@each_service
def test_no_proxy_is_between_the_containers(name: str) -> None:
    """The docker client gives every container the proxies of its own configuration."""
    service = SERVICES[name]
    check = service.get("healthcheck", {}).get("test", [])
    # The wget of these images knows no exceptions from a proxy.
    assert ("wget" in check) == ("-Y" in check)
    if service.get("network_mode") != "none":
        assert service["environment"]["no_proxy"] == "*"
        assert service["environment"]["NO_PROXY"] == "*"


def test_every_service_listens_on_the_loopback_address_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    wrong = [port for port in not_empty(ports) if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port)]
    assert wrong == []
    assert {service.get("network_mode", "none") for service in SERVICES.values()} == {"none"}


@pytest.mark.parametrize("port", PORTS, ids=lambda port: port.variable)
def test_a_port_has_the_variable_and_the_default_of_the_stack(port: Any) -> None:
    published = f"127.0.0.1:${{{port.variable}:-{port.default}}}:{port.default}"
    assert FILE.read_text().count(published) == 1, published


def test_what_goes_on_running_has_a_health_check() -> None:
    without = {name for name, service in SERVICES.items() if "healthcheck" not in service}
    assert without == ENDS_BY_ITSELF | WITHOUT_SHELL
    assert {name for name, s in SERVICES.items() if "profiles" in s} == WITHOUT_SHELL
    waited_for = [
        (other, condition["condition"])
        for service in SERVICES.values()
        for other, condition in service.get("depends_on", {}).items()
    ]
    for other, condition in not_empty(waited_for):
        done = "completed_successfully" if other in ENDS_BY_ITSELF else "healthy"
        assert condition == f"service_{done}", other


def test_a_health_check_asks_a_port_of_its_own_service() -> None:
    asked = {
        name: re.findall(r"http://127\.0\.0\.1:(\d+)/", " ".join(service["healthcheck"]["test"]))
        for name, service in SERVICES.items()
        if "healthcheck" in service
    }
    # The database is asked by its own client.
    assert asked.pop("postgres") == []
    assert asked
    for name, ports in asked.items():
        assert len(ports) == 1, name
        assert any(each.endswith(f":{ports[0]}") for each in SERVICES[name]["ports"]), name


def test_a_secret_is_a_file_that_only_its_users_get() -> None:
    for name, secret in not_empty(DEFINED["secrets"].items()):
        assert secret == {"file": f"./.state/secrets/{name}"}
    used = {
        name: {each if isinstance(each, str) else each["source"] for each in service["secrets"]}
        for name, service in SERVICES.items()
        if "secrets" in service
    }
    assert used == SECRETS_OF
    assert set().union(*used.values()) == set(DEFINED["secrets"])


def test_no_password_is_in_the_environment() -> None:
    names = [name for service in SERVICES.values() for name in service.get("environment", ())]
    secret = [name for name in names if re.search(r"PASSWORD|TOKEN|KEY|SECRET", name)]
    assert secret
    assert [n for n in secret if not re.search(r"_(FILE|DIR|DISABLED)$", n)] == []


def test_only_the_app_reaches_the_database() -> None:
    assert DEFINED["networks"]["database"] == {"internal": True}
    near = {name for name, s in SERVICES.items() if "database" in s.get("networks", ())}
    assert near == {"app", "postgres"}
    assert SERVICES["postgres"]["networks"] == ["database"]


def test_every_mounted_file_is_in_the_checkout_and_every_volume_declared() -> None:
    sources, volumes = [], []
    for service in SERVICES.values():
        for mount in service.get("volumes", ()):
            source = mount["source"] if isinstance(mount, dict) else mount.partition(":")[0]
            (sources if source.startswith((".", "/")) else volumes).append(source)
    committed = [source for source in sources if source != "/" and ".state" not in source]
    assert len(committed) > 5
    assert [source for source in committed if not (ROOT / source).exists()] == []
    assert set(volumes) == set(DEFINED["volumes"])


def test_what_is_mounted_from_the_machine_is_read_only() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", ())]
    named = [mount for mount in mounts if not isinstance(mount, dict)]
    bound = [mount for mount in named if mount.startswith((".", "/", "$"))]
    assert [mount for mount in not_empty(bound) if not mount.endswith(":ro")] == []
    described = [mount for mount in mounts if isinstance(mount, dict)]
    assert [mount for mount in not_empty(described) if mount["read_only"] is not True] == []


def test_loki_is_reached_by_grafana_only_and_its_reader_changes_no_log() -> None:
    assert [name for name in WITHOUT_SHELL if SERVICES[name].get("ports")] == []
    assert "orchestrator-logs:/var/log/orchestrator:ro" in SERVICES["alloy"]["volumes"]


def test_the_history_is_for_the_prometheus_that_runs() -> None:
    history = SERVICES["history"]
    assert history["build"]["args"]["PROMETHEUS_VERSION"] == versions.version("PROMETHEUS_VERSION")
    assert "prometheus-data:/prometheus" in history["volumes"]
    assert history["user"] == SERVICES["prometheus"]["user"]
    assert "./prometheus:/srv/prometheus:ro" in history["volumes"]
    assert "--targets=/srv/prometheus/targets" in history["command"]


def test_grafana_finds_what_its_provisioning_asks_for() -> None:
    grafana = SERVICES["grafana"]
    provisioning = ROOT / "grafana/provisioning"
    asked = {
        name
        for file in provisioning.rglob("*.yml")
        for name in re.findall(r"\$\{?([A-Z][A-Z_]+)", file.read_text())
    }
    assert asked
    assert asked <= set(grafana["environment"])
    targets = {mount.split(":")[1] for mount in grafana["volumes"]}
    assert grafana["environment"]["DASHBOARDS_DIR"] in targets
    # Grafana logs an error for each of its folders that is not there.
    folders = {folder.name for folder in provisioning.iterdir()}
    assert folders == {"alerting", "dashboards", "datasources", "plugins"}


def test_grafanas_password_comes_from_its_secret() -> None:
    (secret,) = SERVICES["grafana"]["secrets"]
    environment = SERVICES["grafana"]["environment"]
    assert environment["GF_SECURITY_ADMIN_PASSWORD__FILE"] == f"/run/secrets/{secret}"


def test_node_exporter_measures_what_the_native_one_measures() -> None:
    service = SERVICES["node-exporter"]
    mounts = dict(mount.split(":")[:2] for mount in service["volumes"])
    assert mounts["./prometheus/node_exporter.flags"] == "/etc/node_exporter.flags"
    assert "@/etc/node_exporter.flags" in service["command"]
    own = [flag for flag in service["command"] if flag.startswith("--collector")]
    assert own == [], "what only compose measures"


# --- the Dockerfile -------------------------------------------------------------------------------


def _stages(file: Path = ROOT / "Dockerfile") -> dict[str, list[str]]:
    """What each stage copies from the checkout, with that of the stages it is made from."""
    stages: dict[str, list[str]] = {}
    copied: list[str] = []
    lines = not_empty(file.read_text().splitlines())
    for number, line in enumerate(lines, start=1):
        if line.startswith("FROM "):
            match = re.fullmatch(r"FROM (\S+) AS (\S+)", line.strip())
            assert match, f"{file.name}, line {number}: write FROM image AS stage, not {line}"
            base, stage = match.groups()
            copied = stages.setdefault(stage, list(stages.get(base, ())))
        elif line.startswith("COPY ") and "--from" not in line:
            copied += line.split()[1:-1]
    return stages


STAGES = _stages()


def test_a_stage_without_a_name_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text("ARG TAG\nFROM python:${TAG}\n")
    with pytest.raises(AssertionError, match=r"Dockerfile, line 2: write FROM image AS stage"):
        _stages(file)


def test_what_is_built_are_stages_of_the_dockerfile_with_all_their_arguments() -> None:
    arguments = set(re.findall(r"^ARG (\w+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    built = [service["build"] for service in SERVICES.values() if "build" in service]
    assert {build["target"] for build in built} == {"orchestrator", "history"}
    for build in not_empty(built):
        assert build["target"] in STAGES
        assert set(build["args"]) == arguments


def test_what_is_copied_is_there_and_not_ignored() -> None:
    ignore = (ROOT / ".dockerignore").read_text().split()
    assert ignore[0] == "*"
    let_in = [Path(line[1:]) for line in ignore if line.startswith("!")]
    copied = {Path(source) for sources in STAGES.values() for source in sources}
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert any(source.is_relative_to(each) for each in let_in), f".dockerignore: {source}"


@pytest.mark.parametrize(
    ("stage", "module"),
    [("orchestrator", "app"), ("orchestrator", "simulator"), ("history", "stack.history")],
)
def test_what_is_copied_is_all_that_runs_needs(stage: str, module: str, tmp_path: Path) -> None:
    for source in (name for name in STAGES[stage] if not name.startswith("requirements/")):
        target = tmp_path / source
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, target)
    help_shown = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert help_shown.returncode == 0, help_shown.stderr
