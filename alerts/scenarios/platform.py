"""What is scraped beside the orchestrator, in good health: Prometheus, Alertmanager, a machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from alerts import exporters
from alerts.scenarios.conditions import Conditions, labelled
from alerts.scenarios.counted import Counted, whole
from asgi_observability.metric import Kind, Metric

INSTANCES: Mapping[str, str] = {
    "prometheus": "prometheus:9090",
    "alertmanager": "alertmanager:9093",
    "node": "node:9100",
}
"""The one instance of each job."""

_GROUP = {"rule_group": "/etc/prometheus/rules/slo.yml;slo"}
_PEER = {"alertmanager": "http://alertmanager:9093/api/v2/alerts"}
_DISK = {"device": "/dev/vda1", "fstype": "ext4", "mountpoint": "/"}


@dataclass(frozen=True, slots=True)
class _Row:
    """A gauge's value, or what a counter counts a minute."""

    metric: Metric
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


_HEALTHY = (
    _Row(exporters.RULE_FAILURES, 0, _GROUP),
    _Row(exporters.RULE_GROUP_DURATION, 0.05, _GROUP),
    _Row(exporters.RULE_GROUP_INTERVAL, 15, _GROUP),
    _Row(exporters.RULE_GROUP_RULES, 14, _GROUP),
    _Row(exporters.RULE_GROUP_MISSED, 0, _GROUP),
    _Row(exporters.NOTIFICATIONS_SENT, 4, _PEER),
    _Row(exporters.NOTIFICATIONS_ERRORS, 0, _PEER),
    _Row(exporters.NOTIFICATIONS_QUEUE_LENGTH, 0),
    _Row(exporters.NOTIFICATIONS_QUEUE_CAPACITY, 10_000),
    _Row(exporters.ALERTMANAGERS_DISCOVERED, 1),
    _Row(exporters.CONFIG_RELOADED, 1),
    _Row(exporters.SAMPLES_OUT_OF_ORDER, 0),
    _Row(exporters.SAMPLES_OUT_OF_BOUNDS, 0),
    _Row(exporters.SAMPLES_DUPLICATE, 0),
    _Row(exporters.POOL_TARGETS, 1, {"scrape_job": "orchestrator"}),
    _Row(exporters.HEAD_SERIES, 8_000),
    _Row(exporters.COMPACTIONS_FAILED, 0),
    _Row(exporters.RELOADS_FAILED, 0),
    _Row(exporters.HEAD_TRUNCATIONS_FAILED, 0),
    _Row(exporters.CHECKPOINTS_FAILED, 0),
    _Row(exporters.WAL_CORRUPTIONS, 0),
    _Row(exporters.WAL_WRITES_FAILED, 0),
    _Row(exporters.ALERTMANAGER_CONFIG_RELOADED, 1),
    _Row(exporters.ALERTMANAGER_CONFIG_HASH, 12_345),
    _Row(exporters.ALERTMANAGER_CLUSTER_MEMBERS, 1),
    _Row(exporters.ALERTMANAGER_NOTIFICATIONS, 0, {"integration": "webhook"}),
    _Row(
        exporters.ALERTMANAGER_NOTIFICATIONS_FAILED,
        0,
        {"integration": "webhook", "reason": "other"},
    ),
    _Row(exporters.FILESYSTEM_SIZE, 100e9, _DISK),
    _Row(exporters.FILESYSTEM_AVAILABLE, 60e9, _DISK),
    _Row(exporters.FILESYSTEM_READ_ONLY, 0, _DISK),
    _Row(exporters.FILESYSTEM_FILES, 6e6, _DISK),
    _Row(exporters.FILESYSTEM_FILES_FREE, 5e6, _DISK),
    _Row(exporters.MEMORY_TOTAL, 16e9),
    _Row(exporters.MEMORY_AVAILABLE, 9e9),
    _Row(exporters.CPU_SECONDS, 6, {"cpu": "0", "mode": "user"}),
    _Row(exporters.CPU_SECONDS, 54, {"cpu": "0", "mode": "idle"}),
    _Row(exporters.CLOCK_OFFSET, 0.0001),
)

_TIMES = (exporters.NODE_TIME,)
"""Gauges that are the time."""


def job_of(metric: Metric) -> str:
    """Who exposes a metric of others."""
    prefix = metric.name.partition("_")[0]
    return prefix if prefix in INSTANCES else "node"


def platform(conditions: Conditions) -> dict[str, Counted]:
    """What each job counts, as its instance number 0."""
    steps = len(conditions.minutes)
    found = {job: Counted(steps) for job in INSTANCES}
    for row in _HEALTHY:
        counted = found[job_of(row.metric)]
        if row.metric.kind is Kind.COUNTER:
            grown = np.full(steps, row.value * conditions.step / 60)
            counted.count(row.metric, 0, grown, **row.labels)
        else:
            counted.gauge(row.metric, 0, row.value, **row.labels)
    for metric in _TIMES:
        found[job_of(metric)].gauge(metric, 0, conditions.passed)
    theirs = frozenset(exporters.exporter_metrics())
    for (metric, labels, _), amounts in conditions.counted.items():
        if metric in theirs:
            found[job_of(metric)].count(metric, 0, whole(amounts), **dict(labels))
    for (metric, labels, _), values in conditions.set_to.items():
        if metric in theirs and metric not in SCRAPED:
            found[job_of(metric)].override(metric, labels, 0, values)
    return found


SCRAPED: Mapping[Metric, float] = {
    exporters.SCRAPE_DURATION: 0.05,
    exporters.SCRAPE_SAMPLES: 1_500,
    exporters.SCRAPE_SAMPLES_KEPT: 1_500,
}
"""What Prometheus says of each scrape that works, beside `up`."""

NO_LABELS = labelled({})
