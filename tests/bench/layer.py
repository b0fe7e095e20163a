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
from collections.abc import Awaitable, Container, Iterable, Mapping
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, fields
from pathlib import Path

import psutil
from fastapi import FastAPI
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Message, Scope

from asgi_observability.log_writer import writers
from tests.bench.variants import VARIANTS, answers_at_once, routes
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

TAKES_IDS = ("bare app", "this layer", "asgi-correlation-id", "the three together")
SCRAPED = ("this layer", "fastapi-instrumentator", "starlette-exporter", "the three together")
AROUND_NOTHING = ("bare app", "empty ASGI layer", "this layer")
STARTS, SERVED_ROUNDS, SERVED_SECONDS, CONNECTIONS = 4, 3, 1.0, 16
"""Each server is started several times: where its memory happens to lie makes 2 to 4 µs."""

CHUNKS = 2000
OFFERED = {
    "an ID": [(b"x-request-id", b"0198c6d0-7c1b-7c3a-9d6e-3f5a2b1c4d5e")],
    "an ID and a trace": [
        (b"x-request-id", b"0198c6d0-7c1b-7c3a-9d6e-3f5a2b1c4d5e"),
        (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ],
}
"""What gateways and traced callers send along."""

NOWHERE = Path(os.devnull).open("w")  # noqa: SIM115 - open as long as the process

Header = tuple[bytes, bytes]
Measured = dict[str, list[float]]
"""What each round gave, by variant."""


async def run() -> None:
    """Print each variant's median of rounds that were run in turn."""
    for count in (1, 60):
        _print_over_bare(f"{count} route{'s' * (count > 1)}", await _unheard(_in_process(count)))
    for what, headers in OFFERED.items():
        _print_over_bare(f"offered {what}", await _unheard(_offered(headers)))
    scraped = await _unheard(_in_process(1, scraped=True))
    _print_over_bare(f"scraped every {REQUESTS} requests", scraped)
    bare, ours = (statistics.median(each) for each in (await _unheard(_chunks())).values())
    print(f"\na streamed chunk: {bare:.2f} µs bare, {ours - bare:+.2f} µs in this layer")
    at_once = await _unheard(_around_nothing())
    bare, _, ours = (statistics.median(each) for each in at_once.values())
    print(f"\naround an application that does nothing: {ours - bare:+.2f} µs in this layer")
    _print_over_bare(
        "1 route, OpenTelemetry loaded", await _unheard(_in_process(1, BESIDE_OPENTELEMETRY))
    )
    _print_of_bare(await _over_http())


async def _unheard(measuring: Awaitable[Measured]) -> Measured:
    """Measure while the access lines go nowhere."""
    with redirect_stdout(NOWHERE):
        return await measuring


async def _in_process(
    count: int, names: Iterable[str] = IN_PROCESS, *, scraped: bool = False
) -> Measured:
    apps = {name: VARIANTS[name](routes(FastAPI(), count)) for name in names}
    scope = request_scope(f"/r{count - 1}/items/1")
    return await _rounds(apps, scope, SCRAPED if scraped else ())


async def _offered(headers: Iterable[Header]) -> Measured:
    apps = {name: VARIANTS[name](routes(FastAPI(), 1)) for name in TAKES_IDS}
    return await _rounds(apps, request_scope("/r0/items/1", headers))


async def _around_nothing() -> Measured:
    apps = {name: VARIANTS[name](answers_at_once()) for name in AROUND_NOTHING}
    return await _rounds(apps, request_scope("/r0/items/1"))


async def _rounds(
    apps: Mapping[str, ASGIApp], scope: Scope, scraped: Container[str] = ()
) -> Measured:
    microseconds: Measured = {name: [] for name in apps}
    for _ in range(ROUNDS):
        for name, app in apps.items():
            microseconds[name].append(await _request_us(app, scope, scrape=name in scraped))
    return microseconds


def _print_over_bare(title: str, microseconds: Measured) -> None:
    medians = {name: statistics.median(values) for name, values in microseconds.items()}
    together = medians["the three together"] - medians["bare app"]
    print(f"\n{title + ':':<30} {'µs':>6} {'over bare':>10} {'of the three':>13}")
    for name, median in medians.items():
        over = median - medians["bare app"]
        print(f"  {name:<28} {median:>6.1f} {over:>+10.1f} {over / together:>13.2f}")


async def _request_us(app: ASGIApp, scope: Scope, *, scrape: bool) -> float:
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


@dataclass(frozen=True)
class Served:
    """What one server of a variant did: medians of its rounds, and its memory at their end."""

    per_second: float
    microseconds: float
    megabytes: float


async def _over_http() -> dict[str, list[Served]]:
    """Of each variant, what each start of its server gave."""
    served: dict[str, list[Served]] = {name: [] for name in SERVED}
    for start in range(STARTS):
        print(f"over HTTP: start {start + 1} of {STARTS}", file=sys.stderr)
        with ExitStack() as stack:
            servers = {name: _served(stack, name) for name in SERVED}
            for port, _ in servers.values():
                await _answers(port)
            rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in SERVED}
            for _ in range(SERVED_ROUNDS):
                for name, (port, process) in servers.items():
                    before = _cpu_seconds(process)
                    a_second = await _requests_per_second(port)
                    used = _cpu_seconds(process) - before
                    rounds[name].append((a_second, used / (a_second * SERVED_SECONDS) * 1e6))
            for name, (_, process) in servers.items():
                per_second, microseconds = map(statistics.median, zip(*rounds[name], strict=True))
                memory = psutil.Process(process.pid).memory_info().rss / 1e6
                served[name].append(Served(per_second, microseconds, memory))
    return served


def _cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """What it has used; where other work shares the processors, this still compares."""
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system


def _print_of_bare(served: Mapping[str, list[Served]]) -> None:
    """Each start is compared with the bare app's at the same time."""
    print(
        f"\nover HTTP, {CONNECTIONS} connections:{'requests/s':>14} {'of bare':>8} {'':>11}", end=""
    )
    print(f" {'µs of CPU':>10} {'over bare':>10} {'MB':>6}")
    for name, starts in served.items():
        pairs = list(zip(starts, served["bare app"], strict=True))
        of_bare = sorted(ours.per_second / bare.per_second for ours, bare in pairs)
        over = statistics.median(ours.microseconds - bare.microseconds for ours, bare in pairs)
        per_second, cpu, memory = (
            statistics.median(getattr(each, field.name) for each in starts)
            for field in fields(Served)
        )
        print(f"  {name:<28} {per_second:>10.0f} {statistics.median(of_bare):>8.2f}", end="")
        print(f" {f'{of_bare[0]:.2f}-{of_bare[-1]:.2f}':>11} {cpu:>10.1f} {over:>+10.1f}", end="")
        print(f" {memory:>6.1f}")


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


def request_scope(path: str, headers: Iterable[Header] = ()) -> Scope:
    """A GET as a server hands it over, with three headers and more."""
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
        "headers": [
            *((b"host", b"bench"), (b"user-agent", b"bench"), (b"accept", b"*/*")),
            *headers,
        ],
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
