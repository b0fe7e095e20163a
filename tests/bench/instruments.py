"""One event and one timed operation, beside prometheus-client.

Goals: a counter at most 0.25 of `.labels(kw).inc()`, a timer at most 0.35 of
`.labels().time()`; both feed the rollups as well.
"""

import statistics
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Histogram

from app.core import catalogue
from app.core.catalogue import Component, Detection, EscalationType, Operation, Severity
from app.core.instrumentation import orchestrator_instruments
from asgi_observability.instruments import Instruments

ROUNDS = 15
CALLS = 5000
ESCALATION = (EscalationType.HOSTILE_LANGUAGE, Severity.HIGH, Detection.AUTO)


async def run() -> None:
    """Print each variant's median of rounds that were run in turn, and its ratio to its peer."""
    instruments = orchestrator_instruments()
    registry = CollectorRegistry()
    counter = Counter("approvals", "Peer.", ["action"], registry=registry)
    histogram = Histogram("calls_seconds", "Peer.", ["component", "operation"], registry=registry)
    received = instruments.counter(catalogue.SMS_RECEIVED).series()
    escalations = instruments.counter(catalogue.ESCALATIONS)

    def peer_timer() -> None:
        with histogram.labels(component="sms_agent", operation="send_sms").time():
            pass

    def our_timer() -> None:
        with instruments.operation(Component.SMS_AGENT, Operation.SEND_SMS):
            pass

    _compare(
        instruments,
        ("prometheus-client .labels(kw).inc()", lambda: counter.labels(action="approve").inc()),
        ("a fact noted", received.note),
        ("  with three labels, looked up", lambda: escalations.series(*ESCALATION).note()),
    )
    _compare(
        instruments,
        ("prometheus-client .labels(kw).time()", peer_timer),
        ("operation()", our_timer),
    )


def _compare(
    instruments: Instruments,
    peer: tuple[str, Callable[[], None]],
    *ours: tuple[str, Callable[[], None]],
) -> None:
    nanoseconds: dict[str, list[float]] = {name: [] for name, _ in (peer, *ours)}
    for _ in range(ROUNDS):
        # What was noted is handed on elsewhere, once a second.
        instruments.recorder.drain()
        for name, call in (peer, *ours):
            started = time.perf_counter_ns()
            for _ in range(CALLS):
                call()
            nanoseconds[name].append((time.perf_counter_ns() - started) / CALLS)
    base = statistics.median(nanoseconds[peer[0]])
    for name, values in nanoseconds.items():
        median = statistics.median(values)
        print(f"{name:<40} {median:>8.0f} ns   ratio {median / base:.2f}")
