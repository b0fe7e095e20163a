"""The series of a past: labels, a value for each step, and how closely they are read."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core import catalogue
from app.core.catalogue import (
    Component,
    Detection,
    EscalationType,
    Operation,
    PlanResult,
    Route,
    Step,
    StepStatus,
    StepType,
)
from app.core.synthetic_history import SYNTHETIC_HISTORY
from asgi_observability.catalogue import Outcome
from asgi_observability.metric import Kind, Metric
from simulator import ai_provider, collections_monitor, sms_agent
from simulator.history.latencies import LogNormal
from simulator.history.workload import Counts, Workload

UP = Metric("up", Kind.GAUGE, "bool", "1 where the last scrape of a target worked.")
"""What Prometheus adds to the series of each target."""

_CAPACITY = 100

_CALLED = (collections_monitor.LATENCY, sms_agent.LATENCY, ai_provider.LATENCY)
_OWN_SECONDS = 0.03
"""What the orchestrator takes for an SMS itself, its statements included."""
_ANSWERED = LogNormal.total([ai_provider.LATENCY])
_HANDED_OVER = LogNormal.total([sms_agent.LATENCY], _OWN_SECONDS)
_PROCESSED = LogNormal.total(_CALLED, _OWN_SECONDS)
_SENT = LogNormal.total((*_CALLED, sms_agent.LATENCY), _OWN_SECONDS)
_GIVEN_UP = LogNormal(8.5, 1.2)
"""The AI's tries with the waits between them."""
_PROCESSING = {
    Route.AUTO_SENT: _SENT,
    Route.QUEUED: _PROCESSED,
    Route.ESCALATED: _PROCESSED,
    Route.FAILED: _GIVEN_UP,
}


class Read(IntEnum):
    """How a series is read over weeks, every five minutes."""

    NOW = 0
    """Its value, or a rate over hours: one sample is enough."""
    OVER_5M = 1
    """A rate over five minutes: that takes one at each end of them."""
    OVER_1M = 2
    """Over one minute as well."""
    AGE = 3
    """How old its last sample is: that takes one each minute. Its value is always the same."""


_NONE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Series:
    """One series: its name in Prometheus, its labels and a value for each step."""

    name: str
    labels: Mapping[str, str]
    values: NDArray[Any]
    read: Read = Read.NOW


def all_series(workload: Workload, metrics: frozenset[Metric]) -> Iterator[Series]:
    """The series of ``metrics``, name by name. Raises ValueError for one that has no past."""
    if unknown := metrics - KNOWN:
        names = ", ".join(sorted(metric.name for metric in unknown))
        raise ValueError(f"{names}: no synthetic history is made of it; leave it out")
    for metric, write in _WRITERS.items():
        if metric in metrics:
            yield from sorted(write(workload, metric), key=lambda series: series.name)


def _counter(
    workload: Workload,
    name: str,
    counts: NDArray[Any],
    labels: Mapping[str, str] = _NONE,
    read: Read = Read.NOW,
) -> Series:
    """A counter that has counted ``counts`` in each step, from 0 again at each restart."""
    total = np.cumsum(counts)
    for restart in workload.restarts:
        if 0 < restart < len(total):
            total[restart:] -= total[restart - 1]
    return Series(name, labels, total, read)


def _counters(of: Callable[[Workload], Mapping[Any, Counts]]) -> "Writer":
    """A counter for each value of the one label."""

    def write(workload: Workload, metric: Metric) -> Iterator[Series]:
        (label,) = metric.label_names
        for value, counts in of(workload).items():
            yield _counter(workload, metric.name, counts, {label: value})

    return write


def _gauge(of: Callable[[Workload], Any]) -> "Writer":
    """One gauge, whose value may be constant."""

    def write(workload: Workload, metric: Metric) -> Iterator[Series]:
        yield Series(metric.name, {}, np.broadcast_to(of(workload), workload.times.shape))

    return write


def _up(workload: Workload, metric: Metric) -> Iterator[Series]:
    ones = np.ones(len(workload.times), dtype=np.int64)
    past = workload.past
    for job, instance in {**past.watched, past.job: past.instance}.items():
        # Prometheus's own is what tells that it takes samples in at all.
        read = Read.AGE if job == "prometheus" else Read.NOW
        yield Series(metric.name, {"job": job, "instance": instance}, ones, read)


def _buckets(
    workload: Workload,
    metric: Metric,
    labels: Mapping[str, str],
    in_buckets: NDArray[np.int64],
    read: Read,
) -> Iterator[Series]:
    """The buckets of a histogram, of the counts in each step and bucket.

    They are ``read`` as their count is: a share of both over minutes in which one of them begins
    would take all calls for slow ones.
    """
    total = np.cumsum(in_buckets, axis=1)
    bounds = [*map(str, map(float, metric.buckets)), "+Inf"]
    # Of the buckets that are always empty only the last: the others would tell nothing.
    first = max(int(np.argmax(total.any(axis=0))) - 1, 0)
    for bound, below in list(zip(bounds, total.T, strict=True))[first:]:
        yield _counter(workload, metric.bucket, below, {**labels, "le": bound}, read)


def _scattered(
    workload: Workload, metric: Metric, counts: Counts, duration: LogNormal, name: str
) -> NDArray[np.int64]:
    """``counts`` in each bucket of ``metric``, and above, when durations are like ``duration``."""
    rng = workload.rng(name)
    in_buckets = np.zeros((len(counts), len(metric.buckets) + 1), dtype=np.int64)
    for slowness in np.unique(workload.slowness):
        then = workload.slowness == slowness
        shares = duration.shares(metric.buckets, slowness)
        in_buckets[then] = rng.multinomial(counts[then], shares)
    return in_buckets


def _durations(
    workload: Workload,
    metric: Metric,
    labels: Mapping[str, str],
    counts: Counts,
    duration: LogNormal,
    read: Read,
) -> Iterator[Series]:
    """The buckets of calls that take about ``duration``."""
    name = " ".join((metric.name, *labels.values()))
    scattered = _scattered(workload, metric, counts, duration, name)
    yield from _buckets(workload, metric, labels, scattered, read)


def _started(workload: Workload) -> NDArray[np.int64]:
    started = np.full(len(workload.times), workload.times[0] - 86400)
    for restart in workload.restarts:
        started[restart:] = workload.times[min(restart, len(started) - 1)]
    return started


def _received(workload: Workload, metric: Metric) -> Iterator[Series]:
    yield _counter(workload, metric.name, workload.received, read=Read.OVER_1M)


def _requests(workload: Workload, metric: Metric) -> Iterator[Series]:
    _, route_label, status_label = metric.label_names
    for route, asked, duration in (
        ("/orchestrate/sms-received", workload.received, _SENT),
        ("/orchestrate/approve-response", workload.decided, _HANDED_OVER),
    ):
        broken = workload.some(f"5xx {route}", asked, 0.0001)
        for status, counts in (("200", asked - broken), ("500", broken)):
            labels = {"http_request_method": "POST", route_label: route, status_label: status}
            yield _counter(workload, metric.count, counts, labels, Read.OVER_1M)
            if counts is not broken:
                yield from _durations(
                    workload,
                    metric,
                    labels=labels,
                    counts=counts,
                    duration=duration,
                    read=Read.OVER_1M,
                )


def _ai_calls(workload: Workload, metric: Metric) -> Iterator[Series]:
    called = {"component": Component.AI_PROVIDER, "operation": Operation.CHAT_COMPLETION}
    for outcome, counts in (
        (Outcome.SUCCESS, workload.answered),
        (Outcome.ERROR, workload.failed),
    ):
        labels = {**called, "outcome": outcome}
        yield _counter(workload, metric.count, counts, labels, Read.OVER_1M)
    labels = {**called, "outcome": Outcome.SUCCESS}
    yield from _durations(
        workload,
        metric,
        labels=labels,
        counts=workload.answered,
        duration=_ANSWERED,
        read=Read.OVER_1M,
    )


def _steps(workload: Workload, metric: Metric) -> Iterator[Series]:
    ai = {"step": Step.AI_RESPONSE, "step_type": StepType.AI_PROCESSING}
    sent = {"step": Step.SEND_SMS, "step_type": StepType.API_CALL}
    for step, status, counts in (
        (ai, StepStatus.COMPLETED, workload.answered),
        (ai, StepStatus.FAILED, workload.failed),
        (sent, StepStatus.COMPLETED, workload.routed[Route.AUTO_SENT]),
    ):
        labels = {**step, "status": status}
        yield _counter(workload, metric.count, counts, labels, Read.OVER_5M)


def _processing(workload: Workload, metric: Metric) -> Iterator[Series]:
    for route, duration in _PROCESSING.items():
        counts = workload.routed[route]
        scattered = _scattered(workload, metric, counts, duration, f"processing {route}")
        yield from _buckets(workload, metric, {"route": route}, scattered, Read.OVER_5M)
        seconds = np.round(counts * duration.mean * workload.slowness, 3)
        for name, values in ((metric.count, counts), (metric.sum, seconds)):
            yield _counter(workload, name, values, {"route": route}, Read.OVER_5M)


def _in_flight(workload: Workload) -> Counts:
    # Little's law: as many as arrive in the time that one takes.
    expected = workload.received / workload.seconds * _SENT.mean * workload.slowness
    return workload.rng("in flight").poisson(expected)


def _confidence(workload: Workload, metric: Metric) -> Iterator[Series]:
    in_buckets = np.zeros((len(workload.times), len(metric.buckets) + 1), dtype=np.int64)
    for way, counts in workload.outcomes:
        in_buckets[:, np.searchsorted(metric.buckets, way.confidence)] += counts
    yield from _buckets(workload, metric, {}, in_buckets, Read.OVER_5M)
    total = sum(counts * way.confidence for way, counts in workload.outcomes)
    for name, values in ((metric.count, workload.answered), (metric.sum, np.round(total, 6))):
        yield _counter(workload, name, values, read=Read.OVER_5M)


def _escalations(workload: Workload, metric: Metric) -> Iterator[Series]:
    for (kind, severity), counts in workload.escalated.items():
        detection = Detection.MANUAL if kind is EscalationType.MANAGER_REQUEST else Detection.AUTO
        labels = {"type": kind, "severity": severity, "detection": detection}
        yield _counter(workload, metric.name, counts, labels)


def _plans(workload: Workload) -> dict[PlanResult, Counts]:
    return {plan: n for plan, n in workload.by(lambda way: way.plan).items() if plan}


def _detections(workload: Workload) -> dict[str, Counts]:
    none = workload.by(lambda way: way.plan is None)[True]
    return {"found": workload.answered - none, "none": none}


def _auto_approved(workload: Workload, metric: Metric) -> Iterator[Series]:
    sent = workload.by(lambda way: (way.plan, way.route))[PlanResult.VALID, Route.AUTO_SENT]
    yield _counter(workload, metric.name, sent)


def _responses(workload: Workload) -> Mapping[str, Counts]:
    return {k: counts for k, counts in workload.routed.items() if k is not Route.FAILED}


Writer = Callable[[Workload, Metric], Iterator[Series]]

_WRITERS: Mapping[Metric, Writer] = {
    SYNTHETIC_HISTORY: _gauge(lambda _: 1),
    UP: _up,
    catalogue.PROCESS_START_TIME: _gauge(_started),
    catalogue.HTTP_SERVER_REQUEST_DURATION: _requests,
    catalogue.OPERATION_DURATION: _ai_calls,
    catalogue.SMS_RECEIVED: _received,
    catalogue.SMS_PROCESSING_DURATION: _processing,
    catalogue.SMS_IN_FLIGHT: _gauge(_in_flight),
    catalogue.SMS_CAPACITY: _gauge(lambda _: _CAPACITY),
    catalogue.WORKFLOW_STEP_DURATION: _steps,
    catalogue.AI_RESPONSES: _counters(_responses),
    catalogue.AI_CONFIDENCE: _confidence,
    catalogue.APPROVALS: _counters(lambda workload: workload.decisions),
    catalogue.ESCALATIONS: _escalations,
    catalogue.PAYMENT_PLANS: _counters(_plans),
    catalogue.PAYMENT_PLAN_DETECTIONS: _counters(_detections),
    catalogue.PAYMENT_PLANS_AUTO_APPROVED: _auto_approved,
}

KNOWN: frozenset[Metric] = frozenset(_WRITERS)
"""The metrics of which a history can be made."""
