"""100 SMS at once against the simulator at its normal latencies, beside one at a time."""

import asyncio
import itertools
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.serving_process import ROOT, free_port, serving_process

AT_ONCE = 100
ROUNDS = 5
PORTS = ("COLLECTIONS_MONITOR", "SMS_AGENT", "NOTIFICATION_SERVICE", "AI_PROVIDER", "RECEIVER")


async def run() -> None:
    """Print the times with 1 and with 4 workers, the two loads interleaved."""
    print(
        f"{'workers':>7} {'at once':>7} {'SMS':>5} {'errors':>6} {'p50':>8} {'p99':>8} {'max':>8}"
    )
    for workers in (1, 4):
        with tempfile.TemporaryDirectory() as folder:
            async with (
                _simulator(Path(folder)) as upstreams,
                serving_process(
                    Path(folder) / "app.log",
                    upstreams["AI_PROVIDER"],
                    f"sqlite:///{folder}/orchestrator.db",
                    workers=workers,
                    **{f"{name}_URL": url for name, url in upstreams.items()},
                ) as client,
            ):
                await _compare(client, workers)


async def _compare(client: httpx.AsyncClient, workers: int) -> None:
    numbers = itertools.count()
    await _send(client, numbers, 20)
    alone: list[float] = []
    together: list[float] = []
    for _ in range(ROUNDS):
        for _ in range(10):
            alone += await _send(client, numbers, 1)
        together += await _send(client, numbers, AT_ONCE)
    for at_once, seconds in ((1, alone), (AT_ONCE, together)):
        done = sorted(s for s in seconds if s == s)
        p99 = done[int(len(done) * 0.99)]
        print(
            f"{workers:>7} {at_once:>7} {len(seconds):>5} {len(seconds) - len(done):>6}"
            f" {_ms(statistics.median(done))} {_ms(p99)} {_ms(done[-1])}"
        )
    print(f"{'':>7} ratio of the medians: {_median(together) / _median(alone):.2f}")


async def _send(
    client: httpx.AsyncClient, numbers: "itertools.count[int]", count: int
) -> list[float]:
    """The seconds each of ``count`` SMS took, all sent at once; NaN for one that failed."""

    async def one(number: int) -> float:
        sms = {
            "tenant_id": f"tenant-{number}",
            "phone_number": f"+1555{number:07}",
            "content": f"When is my rent due? ({number})",
            "conversation_id": f"bench-{number}",
        }
        started = time.perf_counter()
        response = await client.post("/orchestrate/sms-received", json=sms)
        ended = time.perf_counter()
        failed = response.is_error or response.json()["status"] == "failed"
        return float("nan") if failed else ended - started

    return list(await asyncio.gather(*(one(next(numbers)) for _ in range(count))))


@asynccontextmanager
async def _simulator(folder: Path) -> AsyncIterator[dict[str, str]]:
    """The simulator in a process of its own, without traffic; gives the upstreams' URLs."""
    ports = {name: free_port() for name in PORTS}
    environment = {f"SIMULATOR_{name}_PORT": str(port) for name, port in ports.items()}
    with (folder / "simulator.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
            [sys.executable, "-m", "simulator"],
            cwd=ROOT,
            env=os.environ | environment | {"SIMULATOR_TRAFFIC_PER_MINUTE": "0"},
            stdout=log,
            stderr=log,
        )
    urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    receiver = urls.pop("RECEIVER")
    try:
        await _healthy([receiver, *urls.values()])
        yield urls
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 30)


async def _healthy(urls: list[str]) -> None:
    async with asyncio.timeout(60), httpx.AsyncClient() as client:
        for url in urls:
            while True:
                try:
                    await client.get(f"{url}/health")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)


def _median(seconds: list[float]) -> float:
    return statistics.median(s for s in seconds if s == s)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:>5.0f} ms"
