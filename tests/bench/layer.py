"""One request through each layer: µs over the bare app in process, and requests/s over HTTP.

In process it is the CPU time of all threads, so that what a layer does later is in it: lines that a
thread writes, waited for at the end of each round, and scrapes where they go on.
Goals: at most 8 µs and 0.12 of the three together; at 60 routes 1.1 of the cost at one; 0.90 of the
bare app's requests/s; a streamed chunk at most 0.3 µs.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Iterable
from contextlib import ExitStack, redirect_stdout
from pathlib import Path

import psutil
from fastapi import FastAPI
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Message, Scope

from asgi_observability.log_writer import writers
from tests.bench.variants import VARIANTS, routes
from tests.free_port import free_port
from tests.project import ROOT

# As many requests as there are between two looks of the thread that writes.
ROUNDS, REQUESTS = 12, 1000
SERVED = (
    "bare app",
    "empty ASGI layer",
    "busy for 8 µs",
    "this layer",
    "  without access line",
    "fastapi-instrumentator",
    "the three together",
    "OpenTelemetry's",
)
IN_PROCESS = tuple(name for name in VARIANTS if name not in ("busy for 8 µs", "OpenTelemetry's"))
BESIDE_OPENTELEMETRY = ("bare app", "this layer", "the three together", "OpenTelemetry's")
"""By themselves: once it is loaded, this layer asks it for the active span of each request."""

SCRAPED = ("this layer", "fastapi-instrumentator", "starlette-exporter", "the three together")
SERVED_ROUNDS, SERVED_SECONDS, CONNECTIONS = 5, 1.0, 16
CHUNKS = 2000
NOWHERE = Path(os.devnull).open("w")  # noqa: SIM115 - open as long as the process

Measured = dict[str, list[float]]
"""What each round gave, by variant."""


async def run() -> None:
    """Print each variant's median of rounds that were run in turn."""
    for count in (1, 60):
        _print_over_bare(f"{count} route{'s' * (count > 1)}", await _unheard(_in_process(count)))
    scraped = await _unheard(_in_process(1, scraped=True))
    _print_over_bare(f"scraped every {REQUESTS} requests", scraped)
    bare, ours = (statistics.median(each) for each in (await _unheard(_chunks())).values())
    print(f"\na streamed chunk: {bare:.2f} µs bare, {ours - bare:+.2f} µs in this layer")
    _print_over_bare(
        "1 route, OpenTelemetry loaded", await _unheard(_in_process(1, BESIDE_OPENTELEMETRY))
    )
    _print_of_bare(*await _over_http())


async def _unheard(measuring: Awaitable[Measured]) -> Measured:
    """Measure while the access lines go nowhere."""
    with redirect_stdout(NOWHERE):
        return await measuring


async def _in_process(
    count: int, names: Iterable[str] = IN_PROCESS, *, scraped: bool = False
) -> Measured:
    apps = {name: VARIANTS[name](routes(FastAPI(), count)) for name in names}
    path = f"/r{count - 1}/items/1"
    microseconds: Measured = {name: [] for name in apps}
    for _ in range(ROUNDS):
        for name, app in apps.items():
            scrape = scraped and name in SCRAPED
            microseconds[name].append(await _request_us(app, path, scrape=scrape))
    return microseconds


def _print_over_bare(title: str, microseconds: Measured) -> None:
    medians = {name: statistics.median(values) for name, values in microseconds.items()}
    together = medians["the three together"] - medians["bare app"]
    print(f"\n{title + ':':<30} {'µs':>6} {'over bare':>10} {'of the three':>13}")
    for name, median in medians.items():
        over = median - medians["bare app"]
        print(f"  {name:<28} {median:>6.1f} {over:>+10.1f} {over / together:>13.2f}")


async def _request_us(app: ASGIApp, path: str, *, scrape: bool) -> float:
    scope = request_scope(path)
    started = time.process_time()
    for _ in range(REQUESTS):
        await app(dict(scope), _receive, _send)
    if scrape:
        await app(request_scope("/metrics"), _receive, _send)
    # What still waits is this variant's, and would be another's time.
    for writer in writers():
        if writer.queued_bytes:
            writer.flush()
    return (time.process_time() - started) / REQUESTS * 1e6


async def _chunks() -> Measured:
    microseconds: Measured = {"bare app": [], "this layer": []}
    for _ in range(ROUNDS):
        for name, values in microseconds.items():
            app = VARIANTS[name](_streaming())
            # What an application does at its first request is not a chunk's.
            await app(request_scope("/nowhere"), _receive, _send)
            await asyncio.sleep(0.1)
            started = time.perf_counter()
            await app(request_scope("/stream"), _still_there, _send)
            values.append((time.perf_counter() - started) / CHUNKS * 1e6)
    return microseconds


def _streaming() -> FastAPI:
    app = FastAPI()

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def chunks():  # type: ignore[no-untyped-def]
            for _ in range(CHUNKS):
                yield b"data: x\n\n"

        return StreamingResponse(chunks())

    return app


async def _over_http() -> tuple[Measured, Measured, dict[str, float]]:
    """Requests a second of each round, the server's µs of CPU for one, and at their end its MB."""
    per_second: Measured = {name: [] for name in SERVED}
    microseconds: Measured = {name: [] for name in SERVED}
    with ExitStack() as stack:
        servers = {name: _served(stack, name) for name in SERVED}
        for port, _ in servers.values():
            await _answers(port)
        for _ in range(SERVED_ROUNDS):
            for name, (port, process) in servers.items():
                before = _cpu_seconds(process)
                a_second = await _requests_per_second(port)
                used = _cpu_seconds(process) - before
                per_second[name].append(a_second)
                microseconds[name].append(used / (a_second * SERVED_SECONDS) * 1e6)
        memory = {
            name: psutil.Process(process.pid).memory_info().rss / 1e6
            for name, (_, process) in servers.items()
        }
    return per_second, microseconds, memory


def _cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """What it has used; where other work shares the processors, this still compares."""
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system


def _print_of_bare(per_second: Measured, cpu: Measured, memory: dict[str, float]) -> None:
    bare, bare_cpu = (statistics.median(measured["bare app"]) for measured in (per_second, cpu))
    print(f"\nover HTTP, {CONNECTIONS} connections:{'requests/s':>14} {'of bare':>8}", end="")
    print(f" {'µs of CPU':>10} {'bare of it':>11} {'MB':>7}")
    for name, values in per_second.items():
        median, used = statistics.median(values), statistics.median(cpu[name])
        print(f"  {name:<28} {median:>10.0f} {median / bare:>8.2f}", end="")
        print(f" {used:>10.1f} {bare_cpu / used:>11.2f} {memory[name]:>7.1f}")


def _served(stack: ExitStack, name: str) -> tuple[int, subprocess.Popen[bytes]]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "tests.bench.variants:serve", "--factory"]
    process = subprocess.Popen(
        [*command, f"--port={port}", "--no-access-log", "--log-level=critical"],
        cwd=ROOT,
        env={**os.environ, "BENCH_VARIANT": name},
        stdout=subprocess.DEVNULL,
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return port, process


async def _answers(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return


async def _requests_per_second(port: int) -> float:
    """Over raw sockets: an HTTP client in Python would be slower than what it measures."""
    request = b"GET /r0/items/1 HTTP/1.1\r\nHost: bench\r\n\r\n"
    until = time.perf_counter() + SERVED_SECONDS

    async def one() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        answered = 0
        while time.perf_counter() < until:
            writer.write(request)
            await reader.readuntil(b'{"item":"1"}')
            answered += 1
        writer.close()
        return answered

    return sum(await asyncio.gather(*(one() for _ in range(CONNECTIONS)))) / SERVED_SECONDS


def request_scope(path: str) -> Scope:
    """A GET as a server hands it over."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"bench"), (b"user-agent", b"bench"), (b"accept", b"*/*")],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
    }


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _still_there() -> Message:
    """A client that stays: a streamed response waits for it to leave."""
    await asyncio.Event().wait()
    raise AssertionError("nobody leaves")


async def _send(message: Message) -> None:
    return None
