"""Several real workers of a real server, and no folder named: one number, whoever answers."""

import os
import signal
import sys
from pathlib import Path

import httpx
import pytest

from tests.exposed import summed_in
from tests.free_port import free_port
from tests.programs import answering
from tests.project import ROOT
from tests.waiting import eventually

PAID = "billing_invoices_total"


async def value(client: httpx.AsyncClient, name: str) -> float:
    # A connection of its own for each question, so that any of the workers may answer.
    exposed = (await client.get("/metrics", headers={"Connection": "close"})).text
    return summed_in(exposed, name)


async def test_every_worker_tells_the_same_and_a_killed_one_s_counts_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where the folder is found, so that it goes with the test.
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    port, payments = free_port(), 20
    command = [
        *(sys.executable, "-m", "uvicorn", "tests.test_asgi_observability.adopted:app"),
        *(f"--port={port}", "--workers=2"),
    ]
    async with answering(
        command, ROOT, tmp_path / "log", f"http://127.0.0.1:{port}", ready_at="/pid"
    ) as client:

        async def all_run() -> bool:
            return await value(client, "process_workers") == 2

        await eventually(all_run)
        workers = set()
        for number in range(payments):
            response = await client.post(
                f"/invoices/{number}/payment", headers={"Connection": "close"}
            )
            assert response.is_success

        async def all_told() -> bool:
            return await value(client, PAID) == payments

        # The other's snapshot is at most a second old.
        await eventually(all_told)
        for _ in range(10):
            assert await value(client, PAID) == payments
            workers.add((await client.get("/pid", headers={"Connection": "close"})).json())
        os.kill(workers.pop(), signal.SIGKILL)
        for _ in range(10):
            try:
                assert await value(client, PAID) == payments
            except httpx.TransportError:
                continue  # it was the killed one's to answer
        await eventually(all_run)
        assert await value(client, PAID) == payments
