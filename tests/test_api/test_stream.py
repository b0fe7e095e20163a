"""The stream over a real server: events, resumption, and a stop that does not wait for readers."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from tests.serving_process import serving_process
from tests.sms import SMS
from tests.upstreams import ScriptedUpstreams

URL = "/orchestrate/metrics/stream"
INTERVAL = {"METRICS_ACCESS__STREAM_INTERVAL_SECONDS": "0.1"}


async def events(response: httpx.Response) -> AsyncIterator[tuple[str, str, Any]]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        fields[name] = value
        if not line and "event" in fields:
            yield fields["id"], fields["event"], json.loads(fields["data"])
            fields = {}


async def test_an_sms_shows_within_moments_and_a_reader_can_come_back(
    tmp_path: Path, upstreams: ScriptedUpstreams
) -> None:
    database = f"sqlite:///{tmp_path}/orchestrator.db"
    async with (
        serving_process(tmp_path / "log", upstreams.url, database, **INTERVAL) as client,
        asyncio.timeout(60),
    ):
        async with client.stream("GET", URL) as response:
            assert response.headers["Content-Type"].startswith("text/event-stream")
            assert response.headers["Cache-Control"] == "no-store"
            stream = events(response)
            _, name, state = await anext(stream)
            assert (name, state["last_hour"]["sms_received"]) == ("snapshot", 0)
            assert (await client.post("/orchestrate/sms-received", json=SMS)).is_success
            last_id = ""
            async for event_id, name, change in stream:
                assert name == "change"
                last_id = event_id
                if change.get("last_hour", {}).get("sms_received") == 1:
                    break
        async with client.stream("GET", URL, headers={"Last-Event-ID": last_id}) as response:
            _, name, _ = await anext(events(response))
            assert name == "change"
        async with client.stream("GET", URL, headers={"Last-Event-ID": "gone-1"}) as response:
            _, name, state = await anext(events(response))
            assert (name, state["last_hour"]["sms_received"]) == ("snapshot", 1)


async def test_a_stop_ends_the_streams_instead_of_waiting_for_them(
    tmp_path: Path, upstreams: ScriptedUpstreams
) -> None:
    database = f"sqlite:///{tmp_path}/orchestrator.db"
    log = tmp_path / "log"
    ended = asyncio.Event()

    async def read_on(response: httpx.Response) -> None:
        async for _ in response.aiter_bytes():
            pass
        ended.set()

    async with serving_process(log, upstreams.url, database, **INTERVAL) as client:
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
