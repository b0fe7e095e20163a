"""Log lines: what one costs, what a sink that stalls does to requests, and how fast they are found.

Goals: a line costs less than the same through structlog with its default
JSON renderer and the standard library's logging, and at most 4 µs; a stalled sink changes no
request's latency and holds no more memory than its queue; of 2,000,000 lines those of one ID are
found in 2 s, and counted by event in 5 s.
"""

import asyncio
import io
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import orjson
import psutil
import structlog
from fastapi import FastAPI
from starlette.types import Message

from app.core.instrumentation import orchestrator_instruments
from asgi_observability import correlation
from asgi_observability import logging as logs
from asgi_observability.event import FromCode
from asgi_observability.events import Request
from asgi_observability.log_sampling import Sampling
from asgi_observability.log_writer import Writer
from asgi_observability.logger import named
from asgi_observability.middleware import ObservabilityMiddleware
from asgi_observability.resource import Resource
from simulator import log_lines
from tests.bench.layer import request_scope
from tests.bench.variants import routes

ROUNDS, LINES = 15, 4000
LINES_TO_SEARCH = 2_000_000
STALLED_SECONDS = 10.0
PAUSE_SECONDS = 0.002
"""Between two requests, so that they are spread over the whole stall."""

METHOD, ROUTE = FromCode("POST"), FromCode("/orchestrate/sms-received")


class Nowhere:
    """A sink that takes everything, once it is open."""

    name = "nowhere"

    def __init__(self) -> None:
        self.file = open(os.devnull, "wb", buffering=0)  # noqa: SIM115 - open as long as we are
        self.open = threading.Event()
        self.open.set()

    def write(self, lines: memoryview) -> int:
        """Write, or hang as a dead network file system does."""
        self.open.wait()
        return self.file.write(lines)

    def reopen(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Let go of it."""
        self.file.close()


async def run() -> None:
    """Print every part."""
    await asyncio.to_thread(_lines)
    await _stall()
    await asyncio.to_thread(_search)


def _lines() -> None:
    """One access line, each way, in rounds that take turns."""
    correlation.bind(correlation.new_id())
    correlation.identify(tenant_id="tenant-42", workflow_id="w1")
    ways = {
        "structlog, JSONRenderer, stdlib logging": _through_the_standard_library(),
        "structlog with orjson, fast form": _through_structlog(),
        "log.event(…)": _declared(),
        "log.event(…), dropped by its level": _quiet(),
        "log.info(…), undeclared": _undeclared(),
        "Writer.put(…), the queue alone": _queued(),
    }
    microseconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, line in ways.items():
            microseconds[name].append(_timed(line))
            logs.flush()
    peer = statistics.median(next(iter(microseconds.values())))
    print(f"\none line {'µs':>46} {'of the first':>13}")
    for name, values in microseconds.items():
        median = statistics.median(values)
        print(f"  {name:<42} {median:>9.2f} {median / peer:>13.2f}")


def _timed(line: Callable[[], None]) -> float:
    started = time.perf_counter()
    for _ in range(LINES):
        line()
    return (time.perf_counter() - started) / LINES * 1e6


def _through_the_standard_library() -> Callable[[], None]:
    handler = logging.StreamHandler(io.TextIOWrapper(open(os.devnull, "wb")))  # noqa: SIM115
    target = logging.Logger("peer", logging.INFO)
    target.addHandler(handler)
    log = structlog.wrap_logger(
        target,
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
    ).bind(service="bench", version="0.1.0", environment="test")
    structlog.contextvars.bind_contextvars(**correlation.context().as_dict())
    return lambda: log.info("request", method=METHOD, route=ROUTE, status=200, duration_ms=12.3)


def _through_structlog() -> Callable[[], None]:
    log = structlog.wrap_logger(
        structlog.BytesLogger(open(os.devnull, "wb", buffering=0)),  # noqa: SIM115
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    ).bind(service="bench", version="0.1.0", environment="test", logger="peer")
    return lambda: log.info("request", method=METHOD, route=ROUTE, status=200, duration_ms=12.3)


def _declared() -> Callable[[], None]:
    logs.configure_logging(Resource("bench", environment="test"), logs.LogOptions(stdout="off"))
    constants = {"service": "bench", "version": "0.1.0", "environment": "test"}
    logs.log_through(logs.Pipeline(constants, Sampling(), [Writer(Nowhere(), 64 * 1024 * 1024)]))
    log = logs.get_logger("bench")
    log._logger.threshold = logging.INFO
    return lambda: log.event(Request(method=METHOD, route=ROUTE, status=200, duration_ms=12.3))


def _quiet() -> Callable[[], None]:
    log = logs.Logger(logs.NamedLogger("off"))
    return lambda: log.event(Request(method=METHOD, route=ROUTE, status=200, duration_ms=12.3))


def _undeclared() -> Callable[[], None]:
    log = logs.get_logger("bench")
    return lambda: log.info("request", method=METHOD, route=ROUTE, status=200, duration_ms=12.3)


def _queued() -> Callable[[], None]:
    (writer,), line = logs.pipeline().writers, b"x" * 299 + b"\n"
    return lambda: writer.put(line) and None


async def _stall() -> None:
    """Requests one after the other, while the sink takes everything and while it takes nothing."""
    sink, process = Nowhere(), psutil.Process()
    writer = Writer(sink, 256 * 1024)
    logs.log_through(logs.Pipeline({"service": "bench"}, Sampling(), [writer]))
    app = ObservabilityMiddleware(routes(FastAPI(), 1), orchestrator_instruments())
    named("access").threshold = logging.INFO
    scope = request_scope("/r0/items/1")

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        return None

    async def requests(seconds: float) -> list[float]:
        microseconds, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            started = time.perf_counter()
            await app(dict(scope), receive, send)
            microseconds.append((time.perf_counter() - started) * 1e6)
            await asyncio.sleep(PAUSE_SECONDS)
        return microseconds

    await requests(1)
    flowing = await requests(STALLED_SECONDS)
    memory = process.memory_info().rss
    sink.open.clear()
    stalled = await requests(STALLED_SECONDS)
    grown = (process.memory_info().rss - memory) / 1024
    queued, dropped = writer.queued_bytes / 1024, writer.dropped
    sink.open.set()
    writer.flush()
    title = f"the sink stalls for {STALLED_SECONDS:.0f} s"
    print(f"\n{title:<38} {'p50 µs':>10} {'p99 µs':>9} {'requests':>9}")
    for name, values in (("before", flowing), ("while it is stalled", stalled)):
        p99 = statistics.quantiles(values, n=100)[98]
        print(f"  {name:<36} {statistics.median(values):>10.1f} {p99:>9.1f} {len(values):>9}")
    ratio = statistics.median(stalled) / statistics.median(flowing)
    print(
        f"  ratio of the medians {ratio:.2f}; {queued:,.0f} KB waited in a queue of 256 KB, ",
        end="",
    )
    print(f"{dropped:,} lines dropped and counted, {grown:+,.0f} KB of memory")


def _search() -> None:
    """Questions to a log of two million lines, each by the command line of its user."""
    with tempfile.TemporaryDirectory(prefix="bench-logs-") as name:
        folder = Path(name)
        started = time.perf_counter()
        ids = log_lines.write(folder, LINES_TO_SEARCH, Random(1), _progress)
        seconds = time.perf_counter() - started
        logs.pipeline().close()
        _wait_for_compression(folder)
        print(f"\r{LINES_TO_SEARCH:,} lines, written in {seconds:.0f} s{'':<20}")
        _ask(folder, "rotated and compressed", ids[len(ids) // 2])
        for packed in folder.glob("*.gz"):
            subprocess.run(["gunzip", str(packed)], check=True)
        _ask(folder, "not compressed", ids[len(ids) // 2])


def _ask(folder: Path, state: str, identity: str) -> None:
    """Each question three times; the median counts."""
    files = sorted(folder.glob("*.jsonl*"))
    size = sum(file.stat().st_size for file in files) / 1e6
    print(f"\n{f'{state}: {len(files)} files, {size:,.0f} MB':<40} {'seconds':>8}")
    questions = {
        "those of one ID": ["find", "--id", identity, "--ndjson"],
        "the time line of one ID": ["trace", identity],
        "count by event": ["count", "event"],
        "warnings, counted by component": ["count", "component", "--level", "warning"],
        "slower than 2 s": ["find", "--slower-than", "2s"],
    }
    for question, arguments in questions.items():
        command = [
            sys.executable,
            "-m",
            "app.logs",
            *arguments,
            "--in",
            str(folder),
        ]
        times, said = [], ""
        for _ in range(3):
            started = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            times.append(time.perf_counter() - started)
            said = done.stderr.strip()
        print(f"  {question:<38} {statistics.median(times):>8.2f}  {said}", flush=True)


def _progress(written: int) -> None:
    if sys.stdout.isatty():
        print(f"\rwriting: {written:,} of {LINES_TO_SEARCH:,} lines", end="", flush=True)


def _wait_for_compression(folder: Path) -> None:
    """Wait until what was rotated is compressed, as it would be a minute later."""
    while len(list(folder.glob("*.jsonl"))) > 1 or list(folder.glob("*.new")):
        time.sleep(0.2)
