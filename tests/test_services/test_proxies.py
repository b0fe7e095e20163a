"""A proxy in the environment is never used; the AI provider has a setting for one."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx
import pytest
from pydantic import SecretStr

from app.core.config import Settings, load_settings
from app.core.environment import SettingsError
from app.main import create_app
from simulator.settings import Settings as SimulatorSettings
from simulator.simulation import running
from tests.free_port import free_port
from tests.not_empty import not_empty
from tests.sms import SMS
from tests.upstreams import ScriptedUpstreams, serving
from tests.waiting import until

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@dataclass
class RecordingProxy:
    """Passes every request on to ``target``, and keeps what it was asked for."""

    url: str = ""
    target: str = ""
    heads: list[bytes] = field(default_factory=list)

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        method, address, _ = head.decode().splitlines()[0].split(" ")
        said = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        content = await reader.readexactly(int(said[1])) if said else b""
        url = self.target + httpx.URL(address).raw_path.decode()
        async with httpx.AsyncClient(trust_env=False) as client:
            kind = {"Content-Type": "application/json"}
            answer = await client.request(method, url, content=content, headers=kind)
        status = f"HTTP/1.1 {answer.status_code} OK"
        size = f"Content-Length: {len(answer.content)}"
        answered = "\r\n".join((status, "Connection: close", size, "", ""))
        writer.write(answered.encode() + answer.content)
        await writer.drain()
        writer.close()


@pytest.fixture
async def proxy(upstreams: ScriptedUpstreams) -> AsyncIterator[RecordingProxy]:
    recording = RecordingProxy(target=upstreams.url)
    async with await asyncio.start_server(recording.pass_on, "127.0.0.1", 0) as server:
        recording.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield recording


@pytest.fixture(params=["alive", "dead"])
def surrounding_proxy(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, proxy: RecordingProxy
) -> RecordingProxy:
    """A proxy in all the variables that tell of one; nothing listens at the dead one."""
    url = proxy.url if request.param == "alive" else f"http://127.0.0.1:{free_port()}"
    for name in VARIABLES:
        monkeypatch.setenv(name, url)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    return proxy


async def said_of_one_sms(settings: Settings) -> str:
    """The status of an SMS that a new orchestrator with these settings has answered."""
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client,
    ):
        answer = await client.post("/orchestrate/sms-received", json=SMS)
        assert answer.status_code == 200, answer.text
        health = (await client.get("/health/dependencies")).json()
        assert all(each["up"] for each in not_empty(health["dependencies"].values())), health
        return str(answer.json()["status"])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_upstreams_are_called_directly(
    settings: Settings, surrounding_proxy: RecordingProxy
) -> None:
    assert await said_of_one_sms(settings) == "sent"
    assert surrounding_proxy.heads == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_ai_provider_alone_is_called_through_its_proxy(
    settings: Settings, proxy: RecordingProxy
) -> None:
    with_user = proxy.url.replace("http://", "http://user:open%20sesame@")
    outside = {"ai_provider_url": "http://ai.example", "ai_provider_proxy": SecretStr(with_user)}
    assert await said_of_one_sms(settings.model_copy(update=outside)) == "sent"
    asked = [head.split(b"\r\n")[0] for head in proxy.heads]
    assert asked == [
        b"POST http://ai.example/v1/chat/completions HTTP/1.1",
        b"GET http://ai.example/health HTTP/1.1",
    ]
    login = b"Basic " + base64.b64encode(b"user:open sesame")
    assert all(login in head for head in not_empty(proxy.heads))


@pytest.mark.parametrize("value", ["proxy.example:3128", "user:sesame", "socks5://proxy:1080", ""])
def test_a_proxy_that_is_no_url_is_refused_and_not_quoted(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_AI_PROVIDER_PROXY", value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert "ORCHESTRATOR_AI_PROVIDER_PROXY: write it as http://HOST:PORT" in str(refused.value)
    assert not value or value not in str(refused.value)


async def test_the_simulator_calls_the_orchestrator_directly(
    surrounding_proxy: RecordingProxy, upstreams: ScriptedUpstreams
) -> None:
    app = ScriptedUpstreams().app()
    received = asyncio.Event()

    @app.post("/orchestrate/sms-received")
    async def receive() -> dict[str, str]:
        received.set()
        return {}

    ports = dict.fromkeys(
        (name for name in SimulatorSettings.model_fields if name.endswith("_port")), 0
    )
    async with serving(app) as url:
        settings = SimulatorSettings(app_url=url, traffic_per_minute=6000, **ports)
        async with running(settings):
            await until(received.is_set)
    assert surrounding_proxy.heads == []
