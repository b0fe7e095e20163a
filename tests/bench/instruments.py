"""One event, one timed operation and one request, beside prometheus-client and a bare app."""

import asyncio
import statistics
import time
from collections.abc import Callable

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Histogram

from app.core import catalogue
from app.core.catalogue import Component, Operation
from app.core.instrumentation import Instruments
from app.core.middleware import ObservabilityMiddleware

ROUNDS = 15
CALLS = 5000
REQUESTS = 300


async def run() -> None:
    """Print each variant's median of rounds that were run in turn, and its ratio to its peer."""
    instruments = Instruments()
    registry = CollectorRegistry()
    counter = Counter("approvals", "Peer.", ["action"], registry=registry)
    histogram = Histogram("calls_seconds", "Peer.", ["component", "operation"], registry=registry)
    approvals = instruments.counter(catalogue.APPROVALS)

    def peer_timer() -> None:
        with histogram.labels(component="sms_agent", operation="send_sms").time():
            pass

    def our_timer() -> None:
        with instruments.operation(Component.SMS_AGENT, Operation.SEND_SMS):
            pass

    _compare(
        ("prometheus-client .labels(kw).inc()", lambda: counter.labels(action="approve").inc()),
        ("Family.child().inc()", lambda: approvals.child("approve").inc()),
    )
    _compare(("prometheus-client .labels(kw).time()", peer_timer), ("operation()", our_timer))
    await _compare_requests()


def _compare(peer: tuple[str, Callable[[], None]], ours: tuple[str, Callable[[], None]]) -> None:
    nanoseconds: dict[str, list[float]] = {peer[0]: [], ours[0]: []}
    for _ in range(ROUNDS):
        for name, call in (peer, ours):
            started = time.perf_counter_ns()
            for _ in range(CALLS):
                call()
            nanoseconds[name].append((time.perf_counter_ns() - started) / CALLS)
    base = statistics.median(nanoseconds[peer[0]])
    for name, values in nanoseconds.items():
        median = statistics.median(values)
        print(f"{name:<40} {median:>8.0f} ns   ratio {median / base:.2f}")


async def _compare_requests() -> None:
    bare = FastAPI()

    @bare.get("/items/{item}")
    async def item(item: str) -> dict[str, str]:
        return {"item": item}

    variants = {
        "bare FastAPI": bare,
        "with the layer": ObservabilityMiddleware(bare, Instruments()),
    }
    clients = {
        name: httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bench")
        for name, app in variants.items()
    }
    microseconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(ROUNDS):
        for name, client in clients.items():
            started = time.perf_counter()
            for _ in range(REQUESTS):
                await client.get("/items/1")
            microseconds[name].append((time.perf_counter() - started) / REQUESTS * 1e6)
    base = statistics.median(microseconds["bare FastAPI"])
    for name, values in microseconds.items():
        median = statistics.median(values)
        print(f"{name:<40} {median:>8.0f} µs   +{median - base:.0f} µs, in-process client included")
    await asyncio.gather(*(client.aclose() for client in clients.values()))
