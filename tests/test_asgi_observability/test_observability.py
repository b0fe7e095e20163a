"""The layer on a service that shares nothing with the orchestrator, run as its users run it."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from tests.free_port import free_port
from tests.not_empty import not_empty
from tests.programs import answering
from tests.project import ROOT
from tests.waiting import until


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "billing.log"


@pytest.fixture
async def client(log: Path) -> AsyncIterator[httpx.AsyncClient]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "tests.test_asgi_observability.adopted:app",
        f"--port={port}",
    ]
    url = f"http://127.0.0.1:{port}"
    async with answering(command, ROOT, log, url) as client:
        yield client


def written(log: Path) -> list[dict[str, object]]:
    """Every whole line of the layer's; the server's own are beside them, as it writes them."""
    lines = log.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line[0] == "{" and line[-1:] == "\n"]


async def samples(client: httpx.AsyncClient) -> dict[tuple[str, tuple[str, ...]], float]:
    exposed = (await client.get("/metrics")).text
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in parsed(exposed)
        for sample in family.samples
    }


async def test_requests_operations_and_own_metrics_are_counted(client: httpx.AsyncClient) -> None:
    for number in range(3):
        assert (await client.post(f"/invoices/{number}/payment")).is_success
    found = await samples(client)
    # Label values in the order of their labels' names.
    route = ("POST", "200", "/invoices/{invoice_id}/payment")
    assert found["http_server_request_duration_seconds_count", route] == 3
    scrapes = ("GET", "200", "/metrics")
    assert found["http_server_request_duration_seconds_count", scrapes] >= 1
    assert found["operation_duration_seconds_count", ("bank", "charge", "success")] == 3
    assert found["billing_invoices_total", ("paper",)] == 3
    assert any(name == "build_info" and "billing" in labels for name, labels in found)
    assert found["process_resident_memory_bytes", ()] > 0
    assert not [name for name, _ in not_empty(found) if name.startswith("orchestrator_")]


async def test_logs_are_structured_and_carry_the_correlation_id(
    client: httpx.AsyncClient, log: Path
) -> None:
    headers = {"X-Correlation-ID": "correlation-1"}
    broken = await client.get("/broken", headers=headers)
    assert broken.headers["X-Correlation-ID"] == "correlation-1"
    # The exception is logged once the answer is out.
    await until(lambda: any(line["event"] == "unhandled_error" for line in written(log)))
    lines = written(log)
    assert all(line["service"] == "billing" for line in not_empty(lines))
    (access,) = [line for line in lines if line["event"] == "request" and line["status"] == 500]
    assert access["correlation_id"] == "correlation-1"
    assert access["route"] == "/broken"
    assert access["level"] == "error"
    (unhandled,) = [line for line in lines if line["event"] == "unhandled_error"]
    assert unhandled["correlation_id"] == "correlation-1"
    assert unhandled["exception"][0]["message"] == "a bug"  # type: ignore[index]
