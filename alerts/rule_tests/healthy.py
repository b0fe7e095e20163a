"""A healthy service that starts, restarts and ends calls nobody.

Everything that the service exposes is there from the first scrape on, counters at large values, as
after a restart of Prometheus; later all of them fall back to zero, as after a restart of the
service; in the end they are gone. Failures stand at a number, but do not grow.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from alerts import exporters
from alerts.model import Group, Severity
from alerts.rule_tests.universe import JOB, selector
from alerts.signals import slo
from app.core import catalogue
from app.core.catalogue import BreakerState, Route, StepStatus
from app.core.thresholds import Thresholds
from asgi_observability.catalogue import Outcome
from asgi_observability.metric import Kind, Metric

_STEP = 15
_BEGIN, _RESTART, _END = 20, 160, 300
"""Samples before everything is there, before the restart, and before the end."""

_LOOKED_AT = (1, 2, 4, 8, 20, 60)
"""Evaluations after the beginning and after the restart."""

_FAILURES = frozenset(
    metric.name
    for metric in (
        *(catalogue.OPERATION_ERRORS, catalogue.OPERATION_RETRIES),
        *(catalogue.ROLLUP_FLUSH_FAILURES, catalogue.ROLLUP_LOST_EVENTS),
        catalogue.BACKGROUND_TASK_FAILURES,
        catalogue.CLOCK_SET_BACK,
        *(catalogue.LOG_LINES_DROPPED, catalogue.LOG_WRITE_ERRORS),
        *(catalogue.INSTRUMENTATION_ERRORS, catalogue.LABEL_OVERFLOWS),
        *(catalogue.CIRCUIT_BREAKER_TRANSITIONS, catalogue.METRICS_REQUESTS_REFUSED),
        *(catalogue.HTTP_SERVER_HEADERS_REFUSED, catalogue.ESCALATIONS),
    )
)
_BAD: Mapping[str, frozenset[str]] = {
    "outcome": frozenset({Outcome.ERROR, Outcome.CANCELLED}),
    "status": frozenset({StepStatus.FAILED}),
    "route": frozenset({Route.FAILED, Route.ESCALATED}),
    "action": frozenset({"modify", "escalate"}),
    "http_response_status_code": frozenset({"500", "503"}),
    "mode": frozenset({"user", "system"}),
}
_OPEN_VALUES: Mapping[str, tuple[str, ...]] = {
    "http_route": ("/orchestrate/sms-received", "/health"),
    "http_response_status_code": ("200", "500"),
}
_GROWTH = {catalogue.PROCESS_CPU.name: 3}
"""In a step, where it is not 30."""
_GAUGES = {
    catalogue.PROCESS_MEMORY.name: 100e6,
    catalogue.PROCESS_START_TIME.name: 1.0,
    catalogue.DB_CLIENT_CONNECTION_MAX.name: 10.0,
    catalogue.SMS_CAPACITY.name: 100.0,
    catalogue.PROCESS_WORKERS.name: 2.0,
    # As if it had just been: the last moment of the test.
    catalogue.BACKGROUND_TASK_LAST_ROUND.name: float(_END * _STEP),
}


def healthy_test(groups: tuple[Group, ...], thresholds: Thresholds) -> dict[str, Any]:
    """One test of all groups, as promtool takes it."""
    quiet = sorted(
        {
            threshold.alert
            for group in groups
            for signal in group.signals
            for threshold in signal.thresholds
            # To nobody.
            if threshold.severity is not Severity.INFO
        }
    )
    times = sorted((since + after) * _STEP for since in (_BEGIN, _RESTART) for after in _LOOKED_AT)
    inputs = dict(_platform())
    for metric in catalogue.metrics():
        for labels in _labels(metric):
            inputs |= _series(metric, {"job": JOB, "instance": "a:8000", **labels})
    return {
        "name": "a healthy service is there, restarts, and is gone",
        "interval": f"{_STEP}s",
        "input_series": [{"series": name, "values": values} for name, values in inputs.items()],
        "alert_rule_test": [
            {"eval_time": f"{time}s", "alertname": alert, "exp_alerts": []}
            for alert in quiet
            for time in times
        ],
        # Something is recorded of it, so that silence is no accident.
        "promql_expr_test": [
            {
                "expr": f"count by (job) ({slo.TOTAL} > 0)",
                "eval_time": f"{(_BEGIN + 60) * _STEP}s",
                "exp_samples": [
                    {"labels": selector("", {"job": JOB}), "value": len(slo.promised(thresholds))}
                ],
            }
        ],
    }


def _platform() -> Iterator[tuple[str, str]]:
    """What is scraped beside the service is up throughout."""
    jobs = ("orchestrator", "prometheus", "alertmanager", "node")
    for job in jobs:
        instance = "a:8000" if job == JOB else f"{job}:9090"
        series = selector(exporters.UP.name, {"job": job, "instance": instance})
        yield series, f"1x{_END}"


def _labels(metric: Metric) -> Iterator[dict[str, str]]:
    """Each value of each label once, the others at their first."""
    values: dict[str, tuple[str, ...]] = {}
    for label in metric.labels:
        open_values = _OPEN_VALUES.get(label.name, ("some",))
        values[label.name] = open_values if label.values is None else label.values
    first = {name: of[0] for name, of in values.items()}
    seen = []
    for name, of in values.items() or [("", ("",))]:
        for value in of:
            labels = {**first, name: value} if name else {}
            if labels not in seen:
                seen.append(labels)
                yield labels


def _series(metric: Metric, labels: dict[str, str]) -> dict[str, str]:
    if metric.kind is Kind.GAUGE:
        return {selector(metric.name, labels): _constant(_gauge(metric, labels))}
    grows = 0 if metric.name in _FAILURES or _is_bad(labels) else _GROWTH.get(metric.name, 30)
    if metric.kind is Kind.COUNTER:
        return {selector(metric.name, labels): _counter(grows)}
    # All are quick, or sure: the confidences are above 0.9.
    at = metric.buckets.index(0.95) if 0.95 in metric.buckets else 0
    found = {}
    for position, bound in enumerate(metric.buckets):
        bounded = {**labels, "le": str(float(bound))}
        found[selector(metric.bucket, bounded)] = _counter(grows if position >= at else 0)
    found[selector(metric.bucket, {**labels, "le": "+Inf"})] = _counter(grows)
    found[selector(metric.count, labels)] = _counter(grows)
    found[selector(metric.sum, labels)] = _counter(grows * metric.buckets[at])
    return found


def _is_bad(labels: Mapping[str, str]) -> bool:
    return any(labels.get(name) in values for name, values in _BAD.items())


def _gauge(metric: Metric, labels: Mapping[str, str]) -> float:
    if metric.name == catalogue.CIRCUIT_BREAKER_STATE.name:
        return 2.0 if labels["state"] == BreakerState.CLOSED else 0.0
    return _GAUGES.get(metric.name, 0.0)


def _constant(value: float) -> str:
    return f"_x{_BEGIN} {value:g}x{_END - _BEGIN - 1} stale"


def _counter(grows: float) -> str:
    before, after = _RESTART - _BEGIN, _END - _RESTART
    return f"_x{_BEGIN} 1000000+{grows:g}x{before - 1} 0+{grows:g}x{after - 1} stale"
