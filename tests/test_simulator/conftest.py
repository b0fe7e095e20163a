"""The simulation, served on free ports, and clients of it."""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from simulator import ai_provider, collections_monitor, notification_service, sms_agent
from simulator.faults import Upstream
from simulator.latency import Latency
from simulator.settings import Settings
from simulator.simulation import running

NOWHERE = "http://127.0.0.1:1"
CHAT = {"model": "any", "logprobs": True, "messages": [{"role": "user", "content": "Hi"}]}
SMS = {"phone_number": "+15550000001", "content": "Hello", "conversation_id": "c-1"}
NOTIFICATION = {"recipient": "managers", "subject": "s", "body": "b", "conversation_id": "c-1"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of this folder in one loop: that of the shared simulation."""
    for item in items:
        if item.path.parent == Path(__file__).parent and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@dataclass(frozen=True)
class Simulation:
    """A running simulation, by HTTP."""

    control: httpx.AsyncClient
    upstreams: dict[Upstream, httpx.AsyncClient]

    async def call(self, upstream: Upstream) -> httpx.Response:
        """One ordinary call to ``upstream``."""
        client = self.upstreams[upstream]
        if upstream is Upstream.AI:
            return await client.post("/v1/chat/completions", json=CHAT)
        if upstream is Upstream.SMS_AGENT:
            return await client.post("/sms/send", json=SMS)
        if upstream is Upstream.NOTIFICATION_SERVICE:
            return await client.post("/notifications/send", json=NOTIFICATION)
        return await client.get("/monitor/tenant/tenant-1")

    async def switch_on(self, fault: str) -> None:
        (await self.control.put(f"/faults/{fault}")).raise_for_status()

    async def switch_off(self, fault: str) -> None:
        (await self.control.delete(f"/faults/{fault}")).raise_for_status()


def quiet_settings(**changed: object) -> Settings:
    """Settings for free ports, without traffic."""
    ports = {name: 0 for name in Settings.model_fields if name.endswith("_port")}
    values = {"app_url": NOWHERE, "traffic_per_minute": 0, "seed": 1, **ports, **changed}
    return Settings.model_validate(values)


@asynccontextmanager
async def simulating(settings: Settings) -> AsyncIterator[Simulation]:
    """Run the simulation in this process."""
    async with AsyncExitStack() as stack:
        addresses = await stack.enter_async_context(running(settings))

        async def client(url: str) -> httpx.AsyncClient:
            return await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30))

        yield Simulation(
            control=await client(addresses.control),
            upstreams={name: await client(url) for name, url in addresses.upstreams.items()},
        )


@pytest.fixture(autouse=True)
def _no_simulator_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("SIMULATOR_"):
            monkeypatch.delenv(name)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_simulation() -> AsyncIterator[Simulation]:
    async with AsyncExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            for service in (ai_provider, collections_monitor, notification_service, sms_agent):
                patch.setattr(service, "LATENCY", Latency(median=0.001))
            simulation = await stack.enter_async_context(simulating(quiet_settings()))
        yield simulation


@pytest_asyncio.fixture(loop_scope="session")
async def simulation(shared_simulation: Simulation) -> Simulation:
    """A simulation without faults, traffic, notifications and normal latencies.

    It is one for all tests and given to each as new.
    """
    for path in ("/faults", "/alerts"):
        (await shared_simulation.control.delete(path)).raise_for_status()
    (
        await shared_simulation.control.put("/traffic", json={"messages_per_minute": 0})
    ).raise_for_status()
    return shared_simulation
