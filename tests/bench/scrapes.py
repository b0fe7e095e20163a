"""`/metrics` by its size, beside prometheus-client, and how long the event loop stands still.

Goals: ten thousand series in at most 0.2 of `generate_latest`, the event loop never held 10 ms
longer than it is anyway while they are rendered and compressed.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from asgi_observability.catalogue import REQUEST_SECONDS
from asgi_observability.exposition import Exposer
from asgi_observability.instruments import Instruments

ROUNDS = 9
SIZES = (1_000, 10_000)
LINES_A_SERIES = len(REQUEST_SECONDS) + 3
TICK_SECONDS = 0.0005
RATIO, PAUSE_MS = 0.2, 10


async def run() -> bool:
    """Print medians of rounds that were run in turn; False where a goal is missed."""
    return all([await _scraped(series) for series in SIZES])


async def _scraped(series: int) -> bool:
    instruments, registry = _filled(series // LINES_A_SERIES)
    exposer = Exposer(instruments.snapshot)
    peer: list[float] = []
    ours: list[float] = []
    idle: list[float] = []
    paused: list[float] = []
    body = (await exposer.answer("")).body  # The series' lines are made at the first scrape.
    for _ in range(ROUNDS):
        peer.append(_milliseconds(lambda: generate_latest(registry)))
        ours.append(_milliseconds(lambda: exposer._exposition("", "")))
        idle.append(await _pause(lambda: asyncio.sleep(0.03)))
        paused.append(await _pause(lambda: exposer.answer("", "gzip")))
    exposer.close()
    ratio = statistics.median(ours) / statistics.median(peer)
    pause, otherwise = statistics.median(paused), statistics.median(idle)
    print(
        f"{body.count(b'{'):>6} series   prometheus-client {statistics.median(peer):>6.1f} ms   "
        f"ours {statistics.median(ours):>5.2f} ms   ratio {ratio:.3f}   event loop held "
        f"{pause:.1f} ms (idle {otherwise:.1f} ms)"
    )
    return ratio <= RATIO and pause - otherwise <= PAUSE_MS


def _filled(count: int) -> tuple[Instruments, CollectorRegistry]:
    """The same histogram in both, with ``count`` series."""
    instruments, registry = Instruments(), CollectorRegistry()
    names = ["method", "route", "status"]
    theirs = Histogram("asked_seconds", "Peer.", names, registry=registry, buckets=REQUEST_SECONDS)
    ours = instruments.histogram_of(
        *("asked_seconds", "Ours.", REQUEST_SECONDS), method=None, route=None, status=None
    )
    for number in range(count):
        for seconds in (0.01, 0.2, 1.3):
            theirs.labels("GET", f"/route-{number}", "200").observe(seconds)
            ours.series("GET", f"/route-{number}", "200").note(seconds)
    return instruments, registry


def _milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


async def _pause(work: Callable[[], Awaitable[object]]) -> float:
    """The longest that a timer of the event loop was late during ``work``, in milliseconds."""
    task = asyncio.ensure_future(work())
    longest, last = 0.0, time.perf_counter()
    while not task.done():
        await asyncio.sleep(TICK_SECONDS)
        now = time.perf_counter()
        longest, last = max(longest, now - last - TICK_SECONDS), now
    await task
    return longest * 1000
