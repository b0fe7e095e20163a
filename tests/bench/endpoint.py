"""The JSON endpoint from its cache beside an empty endpoint, /metrics by its size, 500 readers.

Goal: from cache at most 1.25 of an empty endpoint.
"""

import asyncio
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import redirect_stdout
from pathlib import Path

import orjson
from starlette.types import ASGIApp, Message

from app.core import catalogue
from app.core.config import MetricsAccess, Settings
from app.core.instrumentation import orchestrator_instruments
from app.main import create_app
from app.services.broadcast import Broadcast
from asgi_observability.exposition import exposition
from tests.bench.layer import request_scope

ROUNDS, REQUESTS, READERS, EVENTS = 15, 200, 500, 30
NOWHERE = Path(os.devnull).open("w")  # noqa: SIM115 - open as long as the process


async def run() -> None:
    """Print medians of rounds that were run in turn."""
    await _from_cache()
    _scrapes()
    await _readers()


async def _from_cache() -> None:
    with tempfile.TemporaryDirectory() as folder:
        access = MetricsAccess(
            open_on_loopback=True, cache_seconds=3600, requests_per_minute=100_000_000
        )
        settings = Settings(
            database_url=f"sqlite:///{folder}/orchestrator.db", metrics_access=access
        )
        with redirect_stdout(NOWHERE):
            app = create_app(settings)

            @app.get("/empty")
            async def empty() -> dict[str, str]:
                return {}

            async with app.router.lifespan_context(app):
                medians = await _in_turn(
                    {
                        "an empty endpoint": lambda: _request(app, "/empty"),
                        "from cache": lambda: _request(app, "/orchestrate/metrics"),
                    }
                )
    base, cached = medians.values()
    print(f"an empty endpoint {base:>8.1f} µs")
    print(f"from cache        {cached:>8.1f} µs   ratio {cached / base:.2f}")


async def _in_turn(calls: dict[str, Callable[[], Awaitable[None]]]) -> dict[str, float]:
    microseconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            started = time.perf_counter()
            for _ in range(REQUESTS):
                await call()
            microseconds[name].append((time.perf_counter() - started) / REQUESTS * 1e6)
    return {name: statistics.median(values) for name, values in microseconds.items()}


async def _request(app: ASGIApp, path: str) -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] != 200:
            raise RuntimeError(f"{path} answers {message['status']}")

    scope = request_scope(path)
    await app(scope, receive, send)


def _scrapes() -> None:
    for series in (1_000, 10_000):
        instruments = orchestrator_instruments()
        requests = instruments.histogram(catalogue.HTTP_SERVER_REQUEST_DURATION)
        buckets = len(catalogue.REQUEST_SECONDS) + 3
        for number in range(series // buckets):
            requests.series("GET", f"/route-{number}", "200").note(0.1)
        seconds = []
        for _ in range(5):
            started = time.perf_counter()
            body = exposition(instruments.snapshot(), "").body
            seconds.append(time.perf_counter() - started)
        print(
            f"/metrics of {body.count(b'{'):>6} series {statistics.median(seconds) * 1e3:>8.1f} ms"
        )


async def _readers() -> None:
    number = 0

    async def snapshot() -> bytes:
        nonlocal number
        number += 1
        return orjson.dumps({f"figure_{key}": key + number for key in range(200)})

    broadcast = Broadcast(snapshot, orchestrator_instruments(), 0.1, 15)
    seen = [0] * READERS
    before = resource.getrusage(resource.RUSAGE_SELF)

    async def read(reader: int) -> None:
        async for event in broadcast.events(None, lambda: True):
            seen[reader] += event.count(b"event: ")
            if seen[reader] >= EVENTS:
                return

    started = time.perf_counter()
    await asyncio.gather(*(read(reader) for reader in range(READERS)))
    wall = time.perf_counter() - started
    broadcast.close()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    grown = (after.ru_maxrss - before.ru_maxrss) / 1024
    print(
        f"{READERS} readers, {sum(seen) / READERS:.0f} events each in {wall:.1f} s: "
        f"{cpu / sum(seen) * 1e6:.1f} µs CPU an event, {grown:.1f} MiB more memory"
    )
