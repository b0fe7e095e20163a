"""Events counted and timed, beside prometheus-client; what is handed on later is in the figure.

Goals: a counter at most 0.1 of `.labels(kw).inc()`, a histogram at most 0.1 of
`.labels(kw).observe()`, a timer at most 0.35 of `.labels(kw).time()`. What feeds the rollups as
well is a line below each.
"""

import statistics
import time
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram

from app.core import catalogue
from app.core.catalogue import Component, Detection, EscalationType, Operation, Severity
from app.core.instrumentation import orchestrator_instruments
from asgi_observability.instruments import Instruments

ROUNDS = 15
CALLS = 5000
ESCALATION = (EscalationType.HOSTILE_LANGUAGE, Severity.HIGH, Detection.AUTO)
SEND = (Component.SMS_AGENT, Operation.SEND_SMS)
GOALS = {"counter": 0.1, "histogram": 0.1, "timer": 0.35}

Call = Callable[[], object]


async def run() -> bool:
    """Print each variant's median of rounds that were run in turn, and its ratio to its peer."""
    alone, feeding = orchestrator_instruments(), orchestrator_instruments()
    feeding.recorder.subscribe(lambda *_: None)
    registry = CollectorRegistry()
    counter = Counter("approvals", "Peer.", ["action"], registry=registry)
    histogram = Histogram("calls_seconds", "Peer.", ["component", "operation"], registry=registry)
    peers: dict[str, tuple[str, Call]] = {
        "counter": (".labels(kw).inc()", lambda: counter.labels(action="approve").inc()),
        "histogram": (
            ".labels(kw).observe()",
            lambda: histogram.labels(component=SEND[0], operation=SEND[1]).observe(0.1),
        ),
        "timer": (".labels(kw).time()", lambda: _timed(histogram)),
    }
    ours = {
        "counter": _counters(alone) | {"  with rollups": feeding_counter(feeding)},
        "histogram": _histograms(alone, "") | _histograms(feeding, "  with rollups"),
        "timer": {
            "operation()": lambda: _operation(alone),
            "  with rollups": lambda: _operation(feeding),
        },
    }
    met = [_compare(kind, peers[kind], ours[kind], feeding) for kind in GOALS]
    return all(met)


def _timed(histogram: Histogram) -> None:
    with histogram.labels(component=SEND[0], operation=SEND[1]).time():
        pass


def _operation(instruments: Instruments) -> None:
    with instruments.operation(*SEND):
        pass


def _counters(instruments: Instruments) -> dict[str, Call]:
    escalations = instruments.counter(catalogue.ESCALATIONS)
    invoices = instruments.counter_of("invoices_total", "Sent.", kind=["paper", "mail"])
    return {
        "a counter": instruments.counter(catalogue.SMS_RECEIVED).series().note,
        "  by three labels": lambda: escalations.series(*ESCALATION).note(),
        "  by name: .inc(kind=...)": lambda: invoices.inc(kind="paper"),
    }


def feeding_counter(instruments: Instruments) -> Call:
    """Counts what somebody has subscribed to."""
    return instruments.counter(catalogue.SMS_RECEIVED).series().note


def _histograms(instruments: Instruments, name: str) -> dict[str, Call]:
    series = instruments.histogram(catalogue.OPERATION_DURATION).series(*SEND, "success")
    return {name or "a histogram": lambda: series.note(0.1)}


def _compare(
    kind: str, peer: tuple[str, Call], ours: Mapping[str, Call], feeding: Instruments
) -> bool:
    calls = dict([peer]) | ours
    nanoseconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            started = time.perf_counter_ns()
            for _ in range(CALLS):
                call()
            if "rollups" in name:
                feeding.recorder.drain()
            nanoseconds[name].append((time.perf_counter_ns() - started) / CALLS)
    medians = {name: statistics.median(values) for name, values in nanoseconds.items()}
    base = medians[peer[0]]
    for name, median in medians.items():
        print(f"{name:<40} {median:>8.0f} ns   ratio {median / base:.3f}")
    # The first of ours is what the goal is about.
    return medians[next(iter(ours))] / base <= GOALS[kind]
