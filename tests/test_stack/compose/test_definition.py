"""What can be said of the compose file without running it; Grafana's service above all."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.not_empty import not_empty
from tests.test_stack.compose.packages import run


@pytest.fixture
def definition(docker: None, checkout: Path) -> dict[str, Any]:
    """The compose file as compose itself understands it, with the default ports."""
    file = str(checkout / "docker-compose.yml")
    command = ["docker", "compose", "--file", file, "--profile", "logs", "config"]
    parsed: dict[str, Any] = json.loads(run([*command, "--format", "json"]))
    return parsed


def test_every_service_has_what_an_operator_expects(definition: dict[str, Any]) -> None:
    for name, service in not_empty(definition["services"].items()):
        expected = {"mem_limit", "pids_limit", "stop_grace_period", "user"}
        ends_by_itself = name == "history"
        # Images without a shell have nothing to check themselves with.
        if not ends_by_itself and "profiles" not in service:
            expected |= {"healthcheck"}
        assert expected <= set(service), name
        assert service["restart"] == ("no" if ends_by_itself else "unless-stopped"), name
        assert service["read_only"], name


def test_no_proxy_is_between_the_containers(definition: dict[str, Any]) -> None:
    """The docker client gives every container the proxies of its own configuration."""
    for name, service in not_empty(definition["services"].items()):
        check = service.get("healthcheck", {}).get("test", [])
        # The wget of these images knows no exceptions from a proxy.
        assert ("wget" in check) == ("-Y" in check), name
        if service.get("network_mode") != "none":
            assert service["environment"]["no_proxy"] == "*", name
            assert service["environment"]["NO_PROXY"] == "*", name


def test_every_image_is_pinned(definition: dict[str, Any]) -> None:
    pulled = [each["image"] for each in definition["services"].values() if "build" not in each]
    assert [image for image in not_empty(pulled) if not re.search(r":v?\d+\.\d+", image)] == []


def test_the_history_is_made_with_the_prometheus_that_runs(
    definition: dict[str, Any], checkout: Path
) -> None:
    dockerfile = (checkout / "Dockerfile").read_text()
    image = definition["services"]["prometheus"]["image"]
    assert re.findall(r"^FROM (\S+) AS prometheus$", dockerfile, re.MULTILINE) == [image]
    history = definition["services"]["history"]
    (volume,) = [m for m in history["volumes"] if m["type"] == "volume"]
    assert (volume["source"], volume["target"]) == ("prometheus-data", "/prometheus")
    assert history["user"] == definition["services"]["prometheus"]["user"]
    (target,) = yaml.safe_load((checkout / "prometheus/targets/orchestrator.yml").read_text())
    assert f"--instance={target['targets'][0]}" in history["command"]


def test_every_mounted_file_is_in_the_checkout(definition: dict[str, Any]) -> None:
    mounts = [
        each for service in definition["services"].values() for each in service.get("volumes", ())
    ]
    # What is below .state is made by `make up`, and compose says so where it is missing.
    bound = [
        Path(mount["source"])
        for mount in mounts
        if mount["type"] == "bind" and mount["bind"].get("create_host_path")
    ]
    assert [str(path) for path in not_empty(bound) if not path.exists()] == []


def test_what_is_optional_is_confined_as_everything_else(definition: dict[str, Any]) -> None:
    optional = {n: s for n, s in definition["services"].items() if "profiles" in s}
    assert set(optional) == {"loki", "alloy"}
    for name, service in not_empty(optional.items()):
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service["user"].startswith("0"), name
        assert not service.get("ports"), name
    (logs,) = [m for m in optional["alloy"]["volumes"] if m["target"] == "/var/log/orchestrator"]
    assert logs["read_only"] is True


def test_grafana_finds_what_its_provisioning_asks_for(
    definition: dict[str, Any], checkout: Path
) -> None:
    grafana = definition["services"]["grafana"]
    files = [*(checkout / "grafana/provisioning").rglob("*.yml")]
    variables = {
        name for file in files for name in re.findall(r"\$\{?([A-Z][A-Z_]+)", file.read_text())
    }
    assert variables
    assert variables <= set(grafana["environment"])
    targets = {mount["target"] for mount in grafana["volumes"]}
    assert grafana["environment"]["DASHBOARDS_DIR"] in targets


def test_grafanas_password_comes_from_a_file(definition: dict[str, Any]) -> None:
    grafana = definition["services"]["grafana"]
    (secret,) = grafana["secrets"]
    password_file = grafana["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"]
    assert password_file == f"/run/secrets/{secret['source']}"
    assert "GF_SECURITY_ADMIN_PASSWORD" not in grafana["environment"]
