"""The series of a past: one table of what each metric counts, and how closely it is read."""

import platform
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app import __version__
from app.core import catalogue
from app.core.catalogue import Route, Severity
from app.core.config import Settings
from app.core.instrumentation import SERVICE
from app.core.synthetic_history import SYNTHETIC_HISTORY
from asgi_observability.metric import Kind, Label, Metric
from simulator import ai_provider, collections_monitor, sms_agent
from simulator.history.scatter import Scatter
from simulator.history.workload import Workload
from simulator.latency import Latency
from simulator.managers import LATER_SECONDS

Places = tuple[int, ...]
"""Which samples of each five minutes are read over weeks; 0 is the last one, -1 the first."""

UP = Metric("up", Kind.GAUGE, "bool", "Was it scraped?", (Label("job"), Label("instance")))
"""What Prometheus adds to the series of each target."""

_OWN_SECONDS = 0.03
"""What the orchestrator takes for an SMS itself, its statements included."""

_NOW = (0,)
"""Its value is read, or a rate over hours."""
_OVER_5M = (0, -1)
"""A rate over five minutes: the two samples at its ends make it right."""
_OVER_1M = (0, 1, -1)
"""Over one minute as well: Prometheus extends it by as much as lies between two samples."""
_OVER_2M = (0, 3, -1)
"""Over two minutes and over five."""
_OVER_1M_AND_2M = (0, 1, 3, -1)
"""Over one minute, two and five."""
_AGE = tuple(range(0, 300, 2))
"""How old the last sample is: every second one."""

READ: Mapping[Metric, Places] = {
    SYNTHETIC_HISTORY: _NOW,
    UP: _AGE,
    catalogue.PROCESS_START_TIME: _NOW,
    catalogue.BUILD_INFO: _NOW,
    catalogue.HTTP_SERVER_REQUEST_DURATION: _OVER_1M_AND_2M,
    catalogue.OPERATION_DURATION: _OVER_1M,
    catalogue.SMS_RECEIVED: _OVER_1M,
    catalogue.SMS_PROCESSING_DURATION: _OVER_2M,
    catalogue.SMS_IN_FLIGHT: _NOW,
    catalogue.SMS_CAPACITY: _NOW,
    catalogue.WORKFLOW_STEP_DURATION: _OVER_2M,
    catalogue.AI_RESPONSES: _OVER_5M,
    catalogue.AI_CONFIDENCE: _OVER_5M,
    catalogue.APPROVALS: _OVER_5M,
    catalogue.APPROVAL_QUEUE_OLDEST_AGE: _NOW,
    catalogue.ESCALATIONS: _NOW,
    catalogue.ESCALATIONS_OLDEST_AGE: _NOW,
    catalogue.PAYMENT_PLANS: _NOW,
    catalogue.PAYMENT_PLAN_DETECTIONS: _OVER_5M,
    catalogue.PAYMENT_PLANS_AUTO_APPROVED: _NOW,
}
KNOWN = frozenset(READ)
"""The metrics of which a history can be made."""


class Series(NamedTuple):
    """One series: its name in Prometheus, its labels and a value for each step."""

    name: str
    labels: Mapping[str, str]
    values: NDArray[Any]
    read: Places


class _Row(NamedTuple):
    """What a metric has in each step: the value of a gauge; of the others, how many it counts.

    ``labels`` are the values of its labels, in their order. ``measured`` is what a histogram
    measures; without it there is its count only.
    """

    metric: Metric
    labels: tuple[str, ...]
    values: NDArray[Any] | int
    measured: Scatter | None = None


def all_series(workload: Workload, metrics: frozenset[Metric]) -> Iterator[Series]:
    """The series of ``metrics``, name by name. Raises ValueError for one that has no past."""
    if unknown := metrics - KNOWN:
        names = ", ".join(sorted(metric.name for metric in unknown))
        raise ValueError(f"{names}: no synthetic history is made of it; leave it out")
    rows = list(_table(workload))
    for metric in READ:
        if metric in metrics:
            of_metric = [s for row in rows if row.metric == metric for s in _series(workload, row)]
            yield from sorted(of_metric, key=lambda series: series.name)


def _table(workload: Workload) -> Iterator[_Row]:
    called = (collections_monitor.LATENCY, sms_agent.LATENCY, ai_provider.LATENCY)
    processed = Scatter.of_calls(*called, own_seconds=_OWN_SECONDS)
    sent = Scatter.of_calls(*called, sms_agent.LATENCY, own_seconds=_OWN_SECONDS)
    handed_over = Scatter.of_calls(sms_agent.LATENCY, own_seconds=_OWN_SECONDS)
    past, routed = workload.past, workload.routed

    yield _Row(SYNTHETIC_HISTORY, (), 1)
    for target in past.targets.items():
        yield _Row(UP, target, 1)
    yield _Row(catalogue.PROCESS_START_TIME, (), _started(workload))
    build = (SERVICE, Settings().environment, __version__, platform.python_version())
    yield _Row(catalogue.BUILD_INFO, build, 1)
    yield _Row(catalogue.SMS_CAPACITY, (), 100)
    # Little's law: as many as arrive in the time that one takes.
    running = workload.received / past.step_seconds * sent.mean * workload.slowness
    yield _Row(catalogue.SMS_IN_FLIGHT, (), workload.rng("in flight").poisson(running))

    yield _Row(catalogue.SMS_RECEIVED, (), workload.received)
    for route, asked, seconds in (
        ("/orchestrate/sms-received", workload.received, sent),
        ("/orchestrate/approve-response", workload.decided, handed_over),
    ):
        broken = workload.some(f"5xx {route}", asked, 0.0001)
        request = catalogue.HTTP_SERVER_REQUEST_DURATION
        yield _Row(request, ("POST", route, "200"), asked - broken, seconds)
        yield _Row(request, ("POST", route, "500"), broken)

    answered, failed = workload.received - routed[Route.FAILED], routed[Route.FAILED]
    ai_seconds = Scatter.of_calls(ai_provider.LATENCY)
    call = catalogue.OPERATION_DURATION
    yield _Row(call, ("ai_provider", "chat_completion", "success"), answered, ai_seconds)
    yield _Row(call, ("ai_provider", "chat_completion", "error"), failed)
    step = catalogue.WORKFLOW_STEP_DURATION
    yield _Row(step, ("ai_response", "ai_processing", "completed"), answered)
    yield _Row(step, ("ai_response", "ai_processing", "failed"), failed)
    yield _Row(step, ("send_sms", "api_call", "completed"), routed[Route.AUTO_SENT])

    # Failed are those for which the AI was tried three times, with waits between.
    special = {Route.AUTO_SENT: sent, Route.FAILED: Scatter.of_calls(Latency(8.5, 1.2))}
    for route, counts in routed.items():
        seconds = special.get(route, processed)
        yield _Row(catalogue.SMS_PROCESSING_DURATION, (route,), counts, seconds)
        if route is not Route.FAILED:
            yield _Row(catalogue.AI_RESPONSES, (route,), counts)
    confidence = Scatter(lambda rng: ai_provider.draw_confidence(rng, low=False))
    yield _Row(catalogue.AI_CONFIDENCE, (), answered, confidence)

    for action, counts in workload.decisions.items():
        yield _Row(catalogue.APPROVALS, (action,), counts)
    # Whoever is last to be taken up was put off: the oldest has waited for that, more or less.
    oldest: list[tuple[Metric, tuple[str, ...]]] = [
        (catalogue.APPROVAL_QUEUE_OLDEST_AGE, ()),
        *((catalogue.ESCALATIONS_OLDEST_AGE, (severity,)) for severity in Severity),
    ]
    for metric, labels in oldest:
        draws = workload.rng(" ".join((metric.name, *labels)))
        yield _Row(metric, labels, draws.uniform(*LATER_SECONDS, len(workload.times)).round())
    for (kind, severity), counts in workload.escalated.items():
        detection = "manual" if kind is catalogue.EscalationType.MANAGER_REQUEST else "auto"
        yield _Row(catalogue.ESCALATIONS, (kind, severity, detection), counts)
    plans = workload.by(lambda way: way.plan)
    for result, counts in plans.items():
        yield _Row(catalogue.PAYMENT_PLANS, (result,), counts)
    found = sum(plans.values())
    yield _Row(catalogue.PAYMENT_PLAN_DETECTIONS, ("found",), found)
    yield _Row(catalogue.PAYMENT_PLAN_DETECTIONS, ("none",), answered - found)
    is_confirmed = (catalogue.PlanResult.VALID, Route.AUTO_SENT)
    confirmed = workload.by(lambda way: (way.plan, way.route))[is_confirmed]
    yield _Row(catalogue.PAYMENT_PLANS_AUTO_APPROVED, (), confirmed)


def _series(workload: Workload, row: _Row) -> Iterator[Series]:
    metric, counts = row.metric, np.asarray(row.values)
    labels, read = dict(zip(metric.label_names, row.labels, strict=True)), READ[metric]
    if metric.kind is Kind.GAUGE:
        yield Series(metric.name, labels, np.broadcast_to(counts, workload.times.shape), read)
        return
    name = metric.count if metric.kind is Kind.HISTOGRAM else metric.name
    yield Series(name, labels, _total(workload, counts), read)
    if row.measured is None:
        return
    # An incident makes what takes time slower, and nothing else.
    factor = workload.slowness if metric.unit == "seconds" else np.ones(len(workload.times))
    factors, of_step = np.unique(factor, return_inverse=True)
    buckets = np.array([row.measured.buckets(metric.buckets, each) for each in factors])
    shares, means = buckets[of_step, 0], buckets[of_step, 1]
    in_buckets = workload.rng(" ".join((metric.name, *row.labels))).multinomial(counts, shares)
    sums = np.round((in_buckets * means).sum(axis=1), 6)
    yield Series(metric.sum, labels, _total(workload, sums), read)
    below = np.cumsum(in_buckets, axis=1).T
    bounds = [*map(str, map(float, metric.buckets)), "+Inf"]
    # Empty ones too: Grafana's heat maps take the times of all buckets from the first, and would
    # show the history at the times of what is measured after it.
    for bound, within in zip(bounds, below, strict=True):
        yield Series(metric.bucket, {**labels, "le": bound}, _total(workload, within), read)


def _total(workload: Workload, counts: NDArray[Any]) -> NDArray[Any]:
    """A counter that has counted ``counts`` in each step, from 0 again at each restart."""
    total = np.cumsum(counts)
    for restart in workload.restarts:
        if 0 < restart < len(total):
            total[restart:] -= total[restart - 1]
    return total


def _started(workload: Workload) -> NDArray[np.int64]:
    """When the process had started that ran in each step."""
    restarts = [int(restart.timestamp()) for restart in workload.past.restarts]
    starts = np.array([int(workload.times[0]) - 86400, *restarts])
    return starts[np.searchsorted(restarts, workload.times, side="right")]
