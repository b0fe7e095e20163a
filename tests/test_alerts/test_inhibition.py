"""Which alerts are held back by which, decided by a real Alertmanager."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from alerts.paths import ALERTMANAGER_CONFIG
from stack.toolchain import locate
from stack.toolchain.packages import LOCAL_TEMPLATES, default_templates
from tests.serving_process import free_port
from tests.waiting import until

ORCHESTRATOR_DOWN = {"alertname": "TargetDown", "severity": "page", "job": "orchestrator"}
NODE_DOWN = {"alertname": "TargetDown", "severity": "ticket", "job": "node"}
SLOW = {"alertname": "SMSProcessingSlow", "severity": "page", "job": "orchestrator"}
AI_FAILING = {
    "alertname": "AIProviderFailing",
    "severity": "page",
    "job": "orchestrator",
    "component": "ai_provider",
}
AI_BREAKER = {**AI_FAILING, "alertname": "CircuitBreakerOpen", "severity": "ticket"}
SMS_AGENT_BREAKER = {**AI_BREAKER, "component": "sms_agent"}


@pytest.fixture
async def alertmanager(tmp_path: Path) -> AsyncIterator[httpx.Client]:
    """A running Alertmanager with the stack's configuration, and no alerts."""
    tool = locate("alertmanager")
    if templates := default_templates(tool):
        (tmp_path / LOCAL_TEMPLATES).symlink_to(templates.resolve())
    address = f"127.0.0.1:{free_port()}"
    log = tmp_path / "log"
    with log.open("w") as output:
        process = await asyncio.create_subprocess_exec(
            *(str(tool.path), f"--config.file={ALERTMANAGER_CONFIG}"),
            *(f"--storage.path={tmp_path / 'data'}", "--cluster.listen-address="),
            f"--web.listen-address={address}",
            cwd=tmp_path,
            stderr=output,
        )

    def ready() -> bool:
        assert process.returncode is None, log.read_text()
        try:
            return client.get("/-/ready").is_success
        except httpx.ConnectError:
            return False

    try:
        with httpx.Client(base_url=f"http://{address}") as client:
            await until(ready, seconds=60)
            yield client
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def held_back(alertmanager: httpx.Client, *alerts: dict[str, str]) -> list[dict[str, str]]:
    """Those of ``alerts``, all firing at once, that nobody is notified of."""
    alertmanager.post(
        "/api/v2/alerts", json=[{"labels": labels} for labels in alerts]
    ).raise_for_status()
    known = alertmanager.get("/api/v2/alerts").raise_for_status().json()
    assert len(known) == len(alerts)
    return [alert["labels"] for alert in known if alert["status"]["inhibitedBy"]]


async def test_a_service_that_is_down_has_no_symptoms(alertmanager: httpx.Client) -> None:
    silent = held_back(alertmanager, ORCHESTRATOR_DOWN, SLOW, AI_FAILING, SMS_AGENT_BREAKER)
    assert sorted(alert["alertname"] for alert in silent) == [
        *("AIProviderFailing", "CircuitBreakerOpen", "SMSProcessingSlow")
    ]


async def test_what_else_is_down_is_told(alertmanager: httpx.Client) -> None:
    assert held_back(alertmanager, ORCHESTRATOR_DOWN, NODE_DOWN) == []


async def test_another_target_down_silences_nothing(alertmanager: httpx.Client) -> None:
    assert held_back(alertmanager, NODE_DOWN, SLOW) == []


async def test_a_failing_upstream_silences_its_own_breaker_only(
    alertmanager: httpx.Client,
) -> None:
    silent = held_back(alertmanager, AI_FAILING, AI_BREAKER, SMS_AGENT_BREAKER)
    assert silent == [AI_BREAKER]


async def test_an_open_breaker_silences_nothing(alertmanager: httpx.Client) -> None:
    assert held_back(alertmanager, SMS_AGENT_BREAKER, SLOW) == []
