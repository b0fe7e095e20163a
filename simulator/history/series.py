"""The series of a past: every metric's labels, with a value for each step."""

import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app import __version__
from app.core import catalogue
from app.core.catalogue import (
    BreakerState,
    Component,
    Detection,
    EscalationType,
    Kind,
    Metric,
    Operation,
    Outcome,
    Route,
    Severity,
    Step,
    StepStatus,
    StepType,
)
from app.core.synthetic_history import SYNTHETIC_HISTORY
from simulator import ai_provider, collections_monitor, notification_service, sms_agent
from simulator.history.distributions import Distribution, LogNormal
from simulator.history.workload import Counts, Workload, by_severity, managers_take
from simulator.managers import APPROVED_AT_ONCE, LATER_SECONDS, RESOLVED_AT_ONCE

UP = Metric("up", Kind.GAUGE, "bool", "1 where the last scrape of a target worked.")
"""What Prometheus adds to the series of each target."""

_CAPACITY = 100
_CONNECTIONS = 5

_TENANT = LogNormal.of(collections_monitor.LATENCY)
_TEXTS = LogNormal.of(sms_agent.LATENCY)
_NOTIFICATION = LogNormal.of(notification_service.LATENCY)
_ANSWER = LogNormal.of(ai_provider.LATENCY)
_OWN_SECONDS = 0.03
"""What the orchestrator takes for an SMS itself, its statements included."""
_PROCESSED = LogNormal.total((_TENANT, _TEXTS, _ANSWER), _OWN_SECONDS)
_SENT = LogNormal.total((_TENANT, _TEXTS, _ANSWER, _TEXTS), _OWN_SECONDS)
_GIVEN_UP = LogNormal(8.5, 1.2)
"""The AI's tries with the waits between them."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series: its name in Prometheus, its labels and a value for each step."""

    name: str
    labels: Mapping[str, str]
    values: NDArray[Any]


def all_series(workload: Workload, metrics: frozenset[Metric]) -> Iterator[tuple[Metric, Series]]:
    """The series of ``metrics``, metric by metric. Raises ValueError for one that has no past."""
    if unknown := metrics - KNOWN:
        names = ", ".join(sorted(metric.name for metric in unknown))
        raise ValueError(f"{names}: no synthetic history is made of it; leave it out")
    for metric, write in _WRITERS.items():
        if metric in metrics:
            for series in write(workload, metric):
                yield metric, series


def _counter(
    workload: Workload, metric: Metric, counts: NDArray[Any], name: str = "", **labels: str
) -> Series:
    """A counter that has counted ``counts`` in each step, from 0 again at each restart."""
    total = np.cumsum(counts)
    for restart in workload.restarts:
        if 0 < restart < len(total):
            total[restart:] -= total[restart - 1]
    return Series(name or metric.name, labels, total)


def _histogram(
    workload: Workload,
    metric: Metric,
    in_buckets: NDArray[np.int64],
    sums: NDArray[Any],
    **labels: str,
) -> Iterator[Series]:
    """A histogram of which each step has put ``in_buckets``, one column a bucket and one above."""
    cumulative = np.cumsum(in_buckets, axis=1)
    for column, bound in enumerate((*map(str, map(float, metric.buckets)), "+Inf")):
        counts = cumulative[:, column]
        yield _counter(workload, metric, counts, metric.bucket, **labels, le=bound)
    yield _counter(workload, metric, cumulative[:, -1], metric.count, **labels)
    yield _counter(workload, metric, np.round(sums, 6), metric.sum, **labels)


def _durations(
    workload: Workload,
    metric: Metric,
    counts: Counts,
    duration: Distribution,
    is_slowed: bool,
    **labels: str,
) -> Iterator[Series]:
    """A histogram of ``counts`` durations in each step, longer where the incidents say so."""
    rng = workload.rng(f"{metric.name}{sorted(labels.items())}")
    slowness = workload.slowness if is_slowed else np.ones(len(counts))
    in_buckets = np.zeros((len(counts), len(metric.buckets) + 1), dtype=np.int64)
    sums = np.zeros(len(counts))
    for factor in np.unique(slowness):
        then = slowness == factor
        in_buckets[then] = rng.multinomial(counts[then], duration.shares(metric.buckets, factor))
        sums[then] = in_buckets[then] @ duration.means(metric.buckets, factor)
    yield from _histogram(workload, metric, in_buckets, sums, **labels)


def _by_label(counts: Callable[[Workload], Mapping[str, Counts]], label: str) -> "Writer":
    def write(workload: Workload, metric: Metric) -> Iterator[Series]:
        for value, each in counts(workload).items():
            yield _counter(workload, metric, each, **{label: str(value)})

    return write


def _nothing(workload: Workload, metric: Metric) -> Iterator[Series]:
    """Counters of what didn't happen, by their closed sets of one label at most."""
    zeros = np.zeros(len(workload.times), dtype=np.int64)
    if not metric.labels:
        yield _counter(workload, metric, zeros)
    for label in metric.labels:
        for value in label.values or ():
            yield _counter(workload, metric, zeros, **{label.name: value})


def _constant(value: float, **labels: str) -> "Writer":
    def write(workload: Workload, metric: Metric) -> Iterator[Series]:
        yield Series(metric.name, labels, np.full(len(workload.times), value))

    return write


# --- HTTP ----------------------------------------------------------------------------------------

_PROBES_PER_MINUTE = {"/health": 4, "/metrics": 4}


def _requests(workload: Workload) -> Iterator[tuple[str, str, Counts, LogNormal, bool]]:
    """Method, route, how many, how long, and whether an incident makes them longer."""
    decided = workload.decided
    minutes = workload.past.step_seconds / 60
    yield "POST", "/orchestrate/sms-received", workload.received, _SENT, True
    sending = LogNormal.total((_TEXTS,), 0.012)
    yield "POST", "/orchestrate/approve-response", decided, sending, False
    route = "/orchestrate/escalations/{escalation_id}/resolve"
    yield "POST", route, workload.sum_of(workload.resolved.values()), LogNormal(0.012), False
    for path, per_minute in _PROBES_PER_MINUTE.items():
        asked = np.full_like(decided, round(per_minute * minutes))
        yield "GET", path, asked, LogNormal(0.004), False


def _http(workload: Workload, metric: Metric) -> Iterator[Series]:
    method_label, route_label, status_label = metric.label_names
    for method, route, asked, duration, is_slowed in _requests(workload):
        broken = workload.some(f"5xx {route}", asked, 0.0001 if method == "POST" else 0.0)
        for status, counts in (("200", asked - broken), ("500", broken)):
            if counts.any():
                labels = {method_label: method, route_label: route, status_label: status}
                yield from _durations(workload, metric, counts, duration, is_slowed, **labels)


# --- Operations ----------------------------------------------------------------------------------


def _operations(workload: Workload) -> Iterator[tuple[Component, Operation, Counts, LogNormal]]:
    received, routed = workload.received, workload.routed
    sent = routed[Route.AUTO_SENT] + workload.decisions["approve"] + workload.decisions["modify"]
    told = routed[Route.QUEUED] + workload.sum_of(workload.escalated.values())
    yield Component.COLLECTIONS_MONITOR, Operation.GET_TENANT, received, _TENANT
    yield Component.SMS_AGENT, Operation.GET_CONVERSATION, received, _TEXTS
    yield Component.AI_PROVIDER, Operation.CHAT_COMPLETION, received, _ANSWER
    yield Component.SMS_AGENT, Operation.SEND_SMS, sent, _TEXTS
    yield Component.NOTIFICATION_SERVICE, Operation.SEND_NOTIFICATION, told, _NOTIFICATION
    for statement, per_sms in (
        (Operation.SELECT, 2),
        (Operation.INSERT, 10),
        (Operation.UPDATE, 3),
        (Operation.OTHER, 4),
    ):
        yield Component.DATABASE, statement, received * per_sms, LogNormal(0.0004, 2)


_FAILING_SHARE = 0.0015


def _errors_of(workload: Workload, component: Component, tried: Counts) -> Counts:
    share = 0.0 if component is Component.DATABASE else _FAILING_SHARE
    return workload.some(f"errors {component}", tried, share)


def _operation_duration(workload: Workload, metric: Metric) -> Iterator[Series]:
    for component, operation, tried, duration in _operations(workload):
        failed = _errors_of(workload, component, tried)
        is_slowed = component is Component.AI_PROVIDER
        for outcome, counts in ((Outcome.SUCCESS, tried - failed), (Outcome.ERROR, failed)):
            if counts.any():
                labels = {"component": component, "operation": operation, "outcome": outcome}
                yield from _durations(workload, metric, counts, duration, is_slowed, **labels)


def _operation_errors(workload: Workload, metric: Metric) -> Iterator[Series]:
    for component, operation, tried, _ in _operations(workload):
        failed = _errors_of(workload, component, tried)
        if failed.any():
            labels = {"component": component, "operation": operation}
            yield _counter(workload, metric, failed, **labels, error_type="server_error")


def _retries(workload: Workload, metric: Metric) -> Iterator[Series]:
    for component, operation, tried, _ in _operations(workload):
        failed = _errors_of(workload, component, tried)
        if failed.any():
            yield _counter(workload, metric, failed, component=component, operation=operation)


def _breakers(workload: Workload, metric: Metric) -> Iterator[Series]:
    for component in catalogue.UPSTREAMS:
        for state in BreakerState:
            value = np.full(len(workload.times), int(state is BreakerState.CLOSED))
            yield Series(metric.name, {"component": component, "state": state}, value)


_STEPS = {
    Step.TENANT_CONTEXT: (StepType.API_CALL, _TENANT),
    Step.MESSAGE_HISTORY: (StepType.API_CALL, _TEXTS),
    Step.AI_RESPONSE: (StepType.AI_PROCESSING, _ANSWER),
    Step.PAYMENT_PLAN: (StepType.DATABASE_OPERATION, LogNormal(0.004)),
    Step.SEND_SMS: (StepType.API_CALL, _TEXTS),
    Step.QUEUE_FOR_APPROVAL: (StepType.DATABASE_OPERATION, LogNormal(0.006)),
    Step.OPEN_ESCALATION: (StepType.DATABASE_OPERATION, LogNormal(0.006)),
    Step.NOTIFY_MANAGER: (StepType.NOTIFICATION, _NOTIFICATION),
}
_LEFT_OUT = (Step.PAYMENT_PLAN, Step.SEND_SMS, Step.QUEUE_FOR_APPROVAL, Step.OPEN_ESCALATION)
"""Steps that not every SMS needs."""


def _steps(workload: Workload, metric: Metric) -> Iterator[Series]:
    routed = workload.routed
    taken = {
        Step.TENANT_CONTEXT: workload.received,
        Step.MESSAGE_HISTORY: workload.received,
        Step.AI_RESPONSE: workload.answered,
        Step.SEND_SMS: routed[Route.AUTO_SENT],
        Step.QUEUE_FOR_APPROVAL: routed[Route.QUEUED],
        Step.OPEN_ESCALATION: routed[Route.ESCALATED],
        Step.NOTIFY_MANAGER: routed[Route.QUEUED] + workload.sum_of(workload.escalated.values()),
        Step.PAYMENT_PLAN: workload.plans_found,
    }
    for step, (step_type, duration) in _STEPS.items():
        labels = {"step": step, "step_type": step_type, "status": StepStatus.COMPLETED}
        is_slowed = step is Step.AI_RESPONSE
        yield from _durations(workload, metric, taken[step], duration, is_slowed, **labels)
        if step in _LEFT_OUT:
            skipped = workload.answered - taken[step]
            labels = {**labels, "status": StepStatus.SKIPPED}
            yield from _durations(workload, metric, skipped, LogNormal(0.00001), False, **labels)
    labels = {
        "step": Step.AI_RESPONSE,
        "step_type": StepType.AI_PROCESSING,
        "status": StepStatus.FAILED,
    }
    yield from _durations(workload, metric, workload.failed, _GIVEN_UP, False, **labels)


# --- The business --------------------------------------------------------------------------------

_ROUTE_DURATIONS = {
    Route.AUTO_SENT: _SENT,
    Route.QUEUED: _PROCESSED,
    Route.ESCALATED: _PROCESSED,
    Route.FAILED: _GIVEN_UP,
}


def _received(workload: Workload, metric: Metric) -> Iterator[Series]:
    yield _counter(workload, metric, workload.received)


def _processing(workload: Workload, metric: Metric) -> Iterator[Series]:
    for route, duration in _ROUTE_DURATIONS.items():
        counts = workload.routed[route]
        yield from _durations(workload, metric, counts, duration, True, route=route)


def _in_flight(workload: Workload, metric: Metric) -> Iterator[Series]:
    # Little's law: as many as arrive in the time that one takes.
    expected = workload.received / workload.past.step_seconds * 0.8 * workload.slowness
    yield Series(metric.name, {}, workload.rng(metric.name).poisson(expected))


def _confidence(workload: Workload, metric: Metric) -> Iterator[Series]:
    yield from _histogram(workload, metric, workload.confidences, workload.confidence_sums)


def _approval_wait(workload: Workload, metric: Metric) -> Iterator[Series]:
    waited = managers_take(APPROVED_AT_ONCE)
    for action, counts in workload.decisions.items():
        yield from _durations(workload, metric, counts, waited, False, action=action)


def _queue_length(workload: Workload, metric: Metric) -> Iterator[Series]:
    yield Series(metric.name, {}, workload.waiting)


def _queue_age(workload: Workload, metric: Metric) -> Iterator[Series]:
    yield Series(metric.name, {}, _oldest(workload, metric.name, workload.waiting))


def _oldest(workload: Workload, subject: str, waiting: Counts) -> NDArray[Any]:
    """The age of the oldest of so many that wait: the more there are, the older."""
    drawn = workload.rng(subject).uniform(size=len(waiting))
    age = max(LATER_SECONDS) * drawn ** (1 / np.maximum(waiting, 1))
    shown: NDArray[np.float64] = np.round(np.where(waiting > 0, age, 0.0), 3).astype(np.float64)
    return shown


def _escalations(workload: Workload, metric: Metric) -> Iterator[Series]:
    for (kind, severity), counts in workload.escalated.items():
        detection = Detection.MANUAL if kind is EscalationType.MANAGER_REQUEST else Detection.AUTO
        labels = {"type": kind, "severity": severity, "detection": detection}
        yield _counter(workload, metric, counts, **labels)


def _open(workload: Workload, severity: Severity) -> Counts:
    opened = workload.sum_of(by_severity(workload.escalated, severity))
    return np.cumsum(opened - workload.sum_of(by_severity(workload.resolved, severity)))


def _escalations_open(workload: Workload, metric: Metric) -> Iterator[Series]:
    for severity in Severity:
        yield Series(metric.name, {"severity": severity}, _open(workload, severity))


def _escalations_oldest(workload: Workload, metric: Metric) -> Iterator[Series]:
    for severity in Severity:
        age = _oldest(workload, f"{metric.name} {severity}", _open(workload, severity))
        yield Series(metric.name, {"severity": severity}, age)


def _resolutions(workload: Workload, metric: Metric) -> Iterator[Series]:
    taken = managers_take(RESOLVED_AT_ONCE)
    for kind in dict.fromkeys(kind for kind, _ in workload.resolved):
        counts = workload.sum_of(n for (other, _), n in workload.resolved.items() if other is kind)
        yield from _durations(workload, metric, counts, taken, False, type=kind)


def _answers(workload: Workload, metric: Metric) -> Iterator[Series]:
    for route in metric.label("route").values or ():
        yield _counter(workload, metric, workload.routed[Route(route)], route=route)


def _detections(workload: Workload, metric: Metric) -> Iterator[Series]:
    found = workload.plans_found
    yield _counter(workload, metric, found, result="found")
    yield _counter(workload, metric, workload.answered - found, result="none")


def _auto_approved(workload: Workload, metric: Metric) -> Iterator[Series]:
    yield _counter(workload, metric, workload.plans_auto_approved)


# --- The process ---------------------------------------------------------------------------------


def _cpu(workload: Workload, metric: Metric) -> Iterator[Series]:
    idle = 0.02 * workload.past.step_seconds
    noise = workload.rng(metric.name).uniform(0.95, 1.05, len(workload.times))
    used = (idle + 0.012 * workload.received) * noise
    yield _counter(workload, metric, np.round(used, 3))


def _memory(workload: Workload, metric: Metric) -> Iterator[Series]:
    noise = workload.rng(metric.name).uniform(0, 6e6, len(workload.times))
    yield Series(metric.name, {}, (115e6 + noise).astype(np.int64))


def _descriptors(workload: Workload, metric: Metric) -> Iterator[Series]:
    open_now = 40 + workload.rng(metric.name).poisson(6, len(workload.times))
    yield Series(metric.name, {}, open_now)


def _start_time(workload: Workload, metric: Metric) -> Iterator[Series]:
    started = np.full(len(workload.times), workload.times[0] - 86400)
    for restart in workload.restarts:
        if restart < len(started):
            started[restart:] = workload.times[restart]
    yield Series(metric.name, {}, started)


def _lag(workload: Workload, metric: Metric) -> Iterator[Series]:
    once_a_second = np.full(len(workload.times), workload.past.step_seconds)
    yield from _durations(workload, metric, once_a_second, LogNormal(0.0012, 1.7), False)


def _flushes(workload: Workload, metric: Metric) -> Iterator[Series]:
    once_a_second = np.full(len(workload.times), workload.past.step_seconds)
    yield from _durations(workload, metric, once_a_second, LogNormal(0.004), False)


def _pool(workload: Workload, metric: Metric) -> Iterator[Series]:
    busy = workload.received / workload.past.step_seconds * 0.1
    used = np.minimum(workload.rng(metric.name).poisson(busy), _CONNECTIONS - 1)
    yield Series(metric.name, {"state": "used"}, used)
    yield Series(metric.name, {"state": "idle"}, np.ones_like(used))


def _lines(workload: Workload, metric: Metric) -> Iterator[Series]:
    shares = {"debug": 2.7, "info": 15.0, "warning": 0.02, "error": 0.001, "critical": 0.0}
    for level, per_sms in shares.items():
        counts = workload.rng(f"lines {level}").poisson(workload.received * per_sms)
        yield _counter(workload, metric, counts, level=level)


def _build(workload: Workload, metric: Metric) -> Iterator[Series]:
    values = ("orchestrator", "development", __version__, platform.python_version())
    labels = dict(zip(metric.label_names, values, strict=True))
    yield Series(metric.name, labels, np.ones(len(workload.times), dtype=np.int64))


Writer = Callable[[Workload, Metric], Iterator[Series]]

_WRITERS: Mapping[Metric, Writer] = {
    SYNTHETIC_HISTORY: _constant(1),
    UP: _constant(1),
    catalogue.HTTP_SERVER_REQUEST_DURATION: _http,
    catalogue.HTTP_SERVER_ACTIVE_REQUESTS: _in_flight,
    catalogue.OPERATION_DURATION: _operation_duration,
    catalogue.OPERATION_ERRORS: _operation_errors,
    catalogue.OPERATION_RETRIES: _retries,
    catalogue.CIRCUIT_BREAKER_STATE: _breakers,
    catalogue.DB_CLIENT_CONNECTION_COUNT: _pool,
    catalogue.DB_CLIENT_CONNECTION_MAX: _constant(_CONNECTIONS),
    catalogue.PROCESS_WORKERS: _constant(1),
    catalogue.PROCESS_CPU: _cpu,
    catalogue.PROCESS_MEMORY: _memory,
    catalogue.PROCESS_START_TIME: _start_time,
    catalogue.PROCESS_OPEN_FDS: _descriptors,
    catalogue.EVENT_LOOP_LAG: _lag,
    catalogue.BUILD_INFO: _build,
    catalogue.INSTRUMENTATION_ERRORS: _nothing,
    catalogue.ROLLUP_FLUSH_FAILURES: _nothing,
    catalogue.ROLLUP_FLUSH_DURATION: _flushes,
    catalogue.ROLLUP_LOST_EVENTS: _nothing,
    catalogue.METRICS_STREAM_READERS: _constant(0),
    catalogue.METRICS_REQUESTS_REFUSED: _nothing,
    catalogue.LOG_LINES: _lines,
    catalogue.LOG_LINES_DROPPED: _nothing,
    catalogue.LOG_WRITE_ERRORS: _nothing,
    catalogue.LOG_QUEUE_BYTES: _constant(0),
    catalogue.HTTP_SERVER_HEADERS_REFUSED: _nothing,
    catalogue.SMS_RECEIVED: _received,
    catalogue.SMS_PROCESSING_DURATION: _processing,
    catalogue.SMS_IN_FLIGHT: _in_flight,
    catalogue.SMS_CAPACITY: _constant(_CAPACITY),
    catalogue.WORKFLOW_STEP_DURATION: _steps,
    catalogue.WORKFLOW_RETRIES: _nothing,
    catalogue.AI_RESPONSES: _answers,
    catalogue.AI_CONFIDENCE: _confidence,
    catalogue.APPROVALS: _by_label(lambda workload: workload.decisions, "action"),
    catalogue.APPROVAL_WAIT_DURATION: _approval_wait,
    catalogue.APPROVAL_QUEUE_LENGTH: _queue_length,
    catalogue.APPROVAL_QUEUE_OLDEST_AGE: _queue_age,
    catalogue.ESCALATIONS_OPEN: _escalations_open,
    catalogue.ESCALATIONS_OLDEST_AGE: _escalations_oldest,
    catalogue.ESCALATIONS: _escalations,
    catalogue.ESCALATION_RESOLUTION_DURATION: _resolutions,
    catalogue.PAYMENT_PLANS: _by_label(lambda workload: workload.plans, "result"),
    catalogue.PAYMENT_PLAN_DETECTIONS: _detections,
    catalogue.PAYMENT_PLANS_AUTO_APPROVED: _auto_approved,
}

KNOWN: frozenset[Metric] = frozenset(_WRITERS)
"""The metrics of which a history can be made."""
