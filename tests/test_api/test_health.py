"""Liveness and dependencies."""

import asyncio
import signal

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from app.api import health
from app.assembly import Orchestrator
from app.core.config import Settings
from app.main import create_app
from tests.not_empty import not_empty
from tests.sms import SMS
from tests.test_api.conftest import on_both_databases
from tests.upstreams import ScriptedUpstreams
from tests.waiting import until


async def test_alive(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health")).json() == {"status": "ok"}


async def test_a_balancer_sees_that_it_stops_before_it_does(settings: Settings) -> None:
    """It goes on serving meanwhile; only then the server is told. A second signal is not held."""
    told = asyncio.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: told.set())
    try:
        for seconds, again in ((0.05, False), (600, True)):
            told.clear()
            app = create_app(settings.model_copy(update={"stop_drain_seconds": seconds}))
            transport = httpx.ASGITransport(app)
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(transport=transport, base_url="http://o") as client,
            ):
                signal.raise_signal(signal.SIGTERM)
                await until(app.state.stopping.is_set)
                answer = await client.get("/health")
                assert (answer.status_code, answer.json()) == (503, {"status": "stopping"})
                received = await client.get("/orchestrate/metrics")
                assert received.status_code != 503
                if again:
                    assert not told.is_set()
                    signal.raise_signal(signal.SIGTERM)
                await asyncio.wait_for(told.wait(), 60)
    finally:
        signal.signal(signal.SIGTERM, before)


@on_both_databases
async def test_every_dependency_up(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/health/dependencies")).json()
    assert answer["status"] == "ok"
    assert set(answer["dependencies"]) == {
        "database",
        "collections_monitor",
        "sms_agent",
        "notification_service",
        "ai_provider",
    }
    assert all(dependency["up"] for dependency in not_empty(answer["dependencies"].values()))


async def test_an_upstream_down_and_its_breaker_open(
    settings: Settings, upstreams: ScriptedUpstreams
) -> None:
    refusing = settings.model_copy(update={"sms_agent_url": "http://127.0.0.1:1"})
    app = create_app(refusing)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://o") as client,
    ):
        answer = await client.post("/orchestrate/sms-received", json=SMS)
        assert answer.json()["status"] == "failed"
        response = await client.get("/health/dependencies")
        exposed = (await client.get("/metrics")).text
    assert response.status_code == 200
    answer = response.json()
    assert answer["status"] == "degraded"
    assert answer["dependencies"]["sms_agent"] == {
        "up": False,
        "reason": "could not be reached",
        "breaker": "open",
    }
    assert answer["dependencies"]["ai_provider"] == {
        "up": True,
        "reason": None,
        "breaker": "closed",
    }
    assert 'circuit_breaker_state{component="sms_agent",state="open"} 1.0' in exposed
    assert 'circuit_breaker_state{component="sms_agent",state="closed"} 0.0' in exposed
    assert 'circuit_breaker_transitions_total{component="sms_agent",state="open"} 1.0' in exposed


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_without_the_database(
    client: httpx.AsyncClient, orchestrator: Orchestrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused() -> None:
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    monkeypatch.setattr(type(orchestrator.database), "_ping", lambda _: refused())
    response = await client.get("/health/dependencies")
    assert response.status_code == 503
    assert response.json()["dependencies"]["database"]["up"] is False


async def test_an_upstream_that_hangs_is_named_within_the_bound(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, upstreams: ScriptedUpstreams
) -> None:
    monkeypatch.setattr(health, "PROBE_SECONDS", 0.2)
    upstreams.hanging.add("health")
    async with asyncio.timeout(60):  # it would hang for ever
        answer = (await client.get("/health/dependencies")).json()
    assert answer["status"] == "degraded"
    agent = answer["dependencies"]["sms_agent"]
    assert (agent["up"], agent["reason"]) == (False, "did not answer within 0.2 s")
    upstreams.hang.set()
