"""Behind a real server: who left, who was given up, and that each is counted once."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from tests.free_port import free_port
from tests.programs import answering
from tests.project import ROOT
from tests.waiting import eventually, until

REQUESTS = "http_server_request_duration_seconds_count"
STREAMS = "http_server_stream_duration_seconds_count"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "served.log"


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
async def client(log: Path, port: int) -> AsyncIterator[httpx.AsyncClient]:
    program = "tests.test_asgi_observability.served:app"
    command = [sys.executable, "-m", "uvicorn", program, f"--port={port}"]
    url = f"http://127.0.0.1:{port}"
    command.append("--timeout-graceful-shutdown=1")
    async with answering(command, ROOT, log, url) as client:
        yield client


def said(log: Path) -> str:
    """All that the service has written."""
    return log.read_text()


async def leave(port: int, request: bytes, *, after: bytes = b"") -> None:
    """Send ``request``, read up to ``after``, and go."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await writer.drain()
    if after:
        await reader.readuntil(after)
    writer.close()


async def counted(client: httpx.AsyncClient) -> dict[tuple[str, str, str], float]:
    """How many requests and streams had which route and end."""
    families = parsed((await client.get("/metrics")).text)
    return {
        (
            sample.name,
            sample.labels["http_route"],
            sample.labels.get("http_response_status_code") or sample.labels["outcome"],
        ): sample.value
        for family in families
        for sample in family.samples
        if sample.name in {REQUESTS, STREAMS} and sample.value
    }


async def test_a_client_that_left_is_no_success_and_no_error_of_ours(
    client: httpx.AsyncClient, port: int, log: Path
) -> None:
    head = b"GET %b HTTP/1.1\r\nHost: t\r\n\r\n"
    await leave(port, head % b"/slow")
    await leave(port, b"POST /reads HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nabc")
    await leave(port, head % b"/stream", after=b"data: x")
    assert (await client.get("/slow")).json() == "done"
    wanted = {
        (REQUESTS, "/slow", "499"): 1,
        (REQUESTS, "/slow", "200"): 1,
        (REQUESTS, "/reads", "499"): 1,
        (REQUESTS, "/stream", "200"): 1,
        (STREAMS, "/stream", "cancelled"): 1,
    }
    found: dict[tuple[str, str, str], float] = {}

    async def complete() -> bool:
        found.update(
            {key: number for key, number in (await counted(client)).items() if key[1] != "/metrics"}
        )
        return len(found) >= len(wanted)

    await eventually(complete)
    assert found == wanted
    assert "unhandled_error" not in said(log)


async def test_what_a_stopping_server_gives_up_is_not_its_clients(
    client: httpx.AsyncClient, log: Path
) -> None:
    waiting = asyncio.create_task(client.get("/never"))

    async def is_at_work() -> bool:
        return "http_server_active_requests 1.0" in (await client.get("/metrics")).text

    await eventually(is_at_work)
    (pid,) = re.findall(r"Started server process \[(\d+)\]", said(log))
    os.kill(int(pid), signal.SIGTERM)
    await asyncio.gather(waiting, return_exceptions=True)

    def lines() -> list[dict[str, object]]:
        texts = [line for line in said(log).splitlines() if line[:1] == "{"]
        return [line for line in map(json.loads, texts) if line.get("route") == "/never"]

    await until(lambda: bool(lines()))
    assert [line["status"] for line in lines()] == [503]
