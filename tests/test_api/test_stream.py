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
        if not line and "id" in fields:
            yield fields["id"], fields["event"], json.loads(fields["data"])
        if not line:
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
    tmp_path: Path, upstreams: ScriptedUpstreams
) -> None:
    (tokens := tmp_path / "tokens").write_text(f"staying:{'s' * 20}\nleaving:{'l' * 20}\n")
    database = f"sqlite:///{tmp_path}/orchestrator.db"
    settings = {
        **INTERVAL,
        "METRICS_ACCESS__TOKENS_FILE": str(tokens),
        "METRICS_ACCESS__STREAM_HEARTBEAT_SECONDS": "3600",
    }

    def bearer(letter: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {letter * 20}"}

    async with (
        serving_process(tmp_path / "log", upstreams.url, database, **settings) as client,
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
