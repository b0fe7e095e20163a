"""100 SMS at once against the simulator at its normal latencies, beside one at a time.

On SQLite and PostgreSQL, with 1 and with 4 workers.
"""

import asyncio
import itertools
import statistics
import tempfile
import time
from pathlib import Path

import httpx

from tests.bench.databases import new_databases
from tests.test_logs.conftest import processes

AT_ONCE = 100
ROUNDS = 5


async def run() -> None:
    """Print the times on each database with each number of workers, the two loads interleaved."""
    print(
        f"{'database':10} {'workers':>7} {'at once':>7} {'SMS':>5} {'errors':>6}"
        f" {'p50':>8} {'p99':>8} {'max':>8}"
    )
    for workers, database in itertools.product((1, 4), ("sqlite", "postgresql")):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            async with (
                new_databases(folder) as urls,
                processes(
                    folder, traffic_per_minute=0, workers=workers, database_url=urls[database]
                ) as both,
            ):
                await _compare(both.app, database, workers)


async def _compare(client: httpx.AsyncClient, database: str, workers: int) -> None:
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
            f"{database:10} {workers:>7} {at_once:>7} {len(seconds):>5}"
            f" {len(seconds) - len(done):>6}"
            f" {_ms(statistics.median(done))} {_ms(p99)} {_ms(done[-1])}"
        )
    print(f"{'':18} ratio of the medians: {_median(together) / _median(alone):.2f}")


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


def _median(seconds: list[float]) -> float:
    return statistics.median(s for s in seconds if s == s)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:>5.0f} ms"
