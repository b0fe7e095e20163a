"""The stream over a real server: events, resumption, and a stop that does not wait for readers."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.core.config import MetricsAccess, Settings
from tests.application import served
from tests.serving_process import serving_process
from tests.sms import SMS
from tests.upstreams import ScriptedUpstreams

URL = "/orchestrate/metrics/stream"


async def events(response: httpx.Response) -> AsyncIterator[tuple[str, str, Any]]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        fields[name] = value
        if not line and "id" in fields:
            yield fields["id"], fields["event"], json.loads(fields["data"])
        if not line:
            fields = {}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """A stream does not depend on the database."""
    return sqlite_url


def with_access(settings: Settings, **changed: object) -> Settings:
    access = settings.metrics_access.model_dump() | {"stream_interval_seconds": 0.1} | changed
    return settings.model_copy(update={"metrics_access": MetricsAccess.model_validate(access)})


async def test_an_sms_shows_within_moments_and_a_reader_can_come_back(settings: Settings) -> None:
    async with (
        served(with_access(settings)) as client,
        asyncio.timeout(60),
    ):
        async with client.stream("GET", URL) as response:
            assert response.headers["Content-Type"].startswith("text/event-stream")
            assert response.headers["Cache-Control"] == "no-store"
            stream = events(response)
            _, _, state = await anext(stream)
            assert state["last_hour"]["sms_received"] == 0
            assert (await client.post("/orchestrate/sms-received", json=SMS)).is_success
            last_id = ""
            async for event_id, name, state in stream:
                assert name == "snapshot"
                last_id = event_id
                if state["last_hour"]["sms_received"] == 1:
                    break
        for seen in (last_id, "gone-1"):
            async with client.stream("GET", URL, headers={"Last-Event-ID": seen}) as response:
                _, _, state = await anext(events(response))
                assert state["last_hour"]["sms_received"] == 1


async def test_a_token_that_is_taken_away_ends_its_streams_and_no_others(
    tmp_path: Path, settings: Settings
) -> None:
    (tokens := tmp_path / "tokens").write_text(f"staying:{'s' * 20}\nleaving:{'l' * 20}\n")
    changed = with_access(settings, tokens_file=tokens, stream_heartbeat_seconds=3600)

    def bearer(letter: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {letter * 20}"}

    async with (
        served(changed) as client,
        asyncio.timeout(60),
        client.stream("GET", URL, headers=bearer("l")) as leaving,
        client.stream("GET", URL, headers=bearer("s")) as staying,
    ):
        goes_on = events(staying)
        await anext(goes_on)
        tokens.write_text(f"staying:{'s' * 20}\n")
        async for _ in leaving.aiter_bytes():
            pass
        assert (await client.get(URL, headers=bearer("l"))).status_code == 401
        assert (await client.post("/orchestrate/sms-received", json=SMS)).is_success
        async for _, _, state in goes_on:
            if state["last_hour"]["sms_received"] == 1:
                break


async def test_a_stop_ends_the_streams_instead_of_waiting_for_them(
    tmp_path: Path, upstreams: ScriptedUpstreams, sqlite_url: str
) -> None:
    interval = {"METRICS_ACCESS__STREAM_INTERVAL_SECONDS": "0.1"}
    log = tmp_path / "log"
    ended = asyncio.Event()

    async def read_on(response: httpx.Response) -> None:
        async for _ in response.aiter_bytes():
            pass
        ended.set()

    async with serving_process(log, upstreams.url, sqlite_url, **interval) as client:
        request = client.build_request("GET", URL)
        response = await client.send(request, stream=True)
        reading = asyncio.create_task(read_on(response))
    async with asyncio.timeout(60):
        await ended.wait()
    await reading
    said = log.read_text()
    assert "Application shutdown complete" in said
    # The server gives requests 30 s to end, and says when it had to end them itself.
    assert "graceful shutdown exceeded" not in said
    assert "Traceback" not in said
