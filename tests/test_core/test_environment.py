"""Variables that Kubernetes sets for services are no settings; misspelt settings are refused."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from alerts.notifications.settings import NotificationSettings
from app.core import config
from app.core.environment import OwnSettings, SettingsError, without_service_addresses
from simulator import settings as simulation
from tests.free_port import free_port
from tests.length import LONG
from tests.not_empty import not_empty
from tests.serving_process import serving_process
from tests.sms import SMS
from tests.upstreams import ScriptedUpstreams

LOADERS: dict[str, Callable[[], object]] = {
    "ORCHESTRATOR": config.load_settings,
    "ALERTS": NotificationSettings.load,
    "SIMULATOR": simulation.load_settings,
}


def service_variables(service: str, port: int = 8000) -> dict[str, str]:
    """What Kubernetes sets for a service of this name, from its documentation."""
    pair = f"{service}_PORT_{port}"
    return {
        f"{service}_SERVICE_HOST": "10.0.0.11",
        f"{service}_SERVICE_PORT": str(port),
        f"{service}_SERVICE_PORT_HTTP_METRICS": str(port),
        f"{service}_PORT": f"tcp://10.0.0.11:{port}",
        f"{pair}_TCP": f"tcp://10.0.0.11:{port}",
        f"{pair}_TCP_PROTO": "tcp",
        f"{pair}_TCP_PORT": str(port),
        f"{pair}_TCP_ADDR": "10.0.0.11",
        f"{pair}_UDP": f"udp://[fd00::11]:{port}",
        f"{pair}_UDP_PROTO": "udp",
        f"{pair}_UDP_PORT": str(port),
        f"{pair}_UDP_ADDR": "fd00::11",
    }


@pytest.mark.parametrize("prefix", LOADERS)
@pytest.mark.parametrize("suffix", ["", "_METRICS", "_AI_PROVIDER", "_RECEIVER"])
def test_the_variables_of_a_service_change_nothing(
    monkeypatch: pytest.MonkeyPatch, prefix: str, suffix: str
) -> None:
    usual = LOADERS[prefix]()
    for name, value in service_variables(f"{prefix}{suffix}").items():
        monkeypatch.setenv(name, value)
    assert LOADERS[prefix]() == usual


@pytest.mark.parametrize("prefix", LOADERS)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SERVICE_HOSTS", "10.0.0.11"),
        ("SERVICE_HOST", "orchestrator.example"),
        ("SERVICE_PORT", "http"),
        ("PROT", "tcp://10.0.0.11:8000"),
        ("PORT_8000_TCP", "8000"),
        ("PORT_TCP", "tcp://10.0.0.11:8000"),
        ("PORT_8000_TCP_USER", "root"),
    ],
)
def test_what_only_looks_like_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, prefix: str, name: str, value: str
) -> None:
    monkeypatch.setenv(f"{prefix}_{name}", value)
    with pytest.raises(ValueError, match=f"{prefix}_{name}: no such setting; "):
        LOADERS[prefix]()


def test_a_port_that_is_a_number_is_the_settings() -> None:
    variables = {
        "PROMETHEUS_PORT": "tcp://10.0.0.5:9090",
        "NOTIFICATION_SERVICE_PORT": "8003",
        "GRAFANA_PORT": "x",
        "APP_URL": "tcp://10.0.0.5:9090",
    }
    assert without_service_addresses(variables) == {
        "NOTIFICATION_SERVICE_PORT": "8003",
        "GRAFANA_PORT": "x",
        "APP_URL": "tcp://10.0.0.5:9090",
    }


async def test_the_service_runs_in_a_foreign_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, upstreams: ScriptedUpstreams
) -> None:
    strange = {
        **{name: f"http://127.0.0.1:{free_port()}" for name in ("http_proxy", "all_proxy")},
        **service_variables("ORCHESTRATOR_METRICS"),
        "TZ": "Pacific/Chatham",
        "LC_ALL": "ja_JP.EUC-JP",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONUTF8": "0",
        # For the test's own client; the upstreams are called by another name.
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    for name, value in strange.items():
        monkeypatch.setenv(name, value)
    elsewhere = upstreams.url.replace("127.0.0.1", "localhost")
    before = os.umask(0o077)
    try:
        async with serving_process(
            tmp_path / "log", elsewhere, f"sqlite:///{tmp_path}/o.db", workers=2 if LONG else 1
        ) as client:
            answer = await client.post("/orchestrate/sms-received", json=SMS)
            assert answer.json()["status"] == "sent"
            status = (await client.get("/orchestrate/workflow/conversation-1/status")).json()
    finally:
        os.umask(before)
    assert "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")
    assert status["status"] == "sent"


def test_all_settings_are_read_in_the_one_way() -> None:
    own = subclasses(OwnSettings)
    assert {each.model_config["env_prefix"] for each in own} >= {f"{name}_" for name in LOADERS}
    assert subclasses(BaseSettings) - own == {OwnSettings}
    assert all(each.model_config["frozen"] for each in not_empty(own))


def subclasses(base: type[BaseSettings]) -> set[type[BaseSettings]]:
    """All of this project's."""
    ours = ("app.", "alerts.", "simulator.")
    direct = {each for each in base.__subclasses__() if each.__module__.startswith(ours)}
    return direct | {below for each in direct for below in subclasses(each)}


def test_a_port_that_is_no_port_is_still_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_PORT", "http://10.0.0.11:8000")
    with pytest.raises(SettingsError, match="ORCHESTRATOR_PORT='http://10"):
        config.load_settings()
