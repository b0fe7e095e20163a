"""What the records of the monitoring itself have to say."""

from alerts import exporters
from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.scraping import added, beside_yesterday
from alerts.rule_tests.universe import (
    INSTANCES,
    Universe,
    Values,
    or_zero,
    share,
)
from alerts.signals import monitoring
from app.core.thresholds import Thresholds
from asgi_observability.metric import Metric

_TARGET = ("job", "instance")
_GROUP = (*_TARGET, "rule_group")
_WAY = (*_TARGET, "alertmanager")
_INTEGRATION = (*_TARGET, "integration")
_FIVE, _FIFTEEN, _HOUR = 300, 900, 3600

STORE = (
    exporters.COMPACTIONS_FAILED,
    exporters.RELOADS_FAILED,
    exporters.HEAD_TRUNCATIONS_FAILED,
    exporters.CHECKPOINTS_FAILED,
    exporters.WAL_CORRUPTIONS,
    exporters.WAL_WRITES_FAILED,
)


def tests(_thresholds: Thresholds) -> list[RecordTest]:
    """The tests of the group."""
    return [_rules(), _sending(), _notifying(), _cluster(), _store(), _days()]


def _observe(universe: Universe, metric: Metric, **labels: str) -> None:
    """A metric's series of two instances, and of a third where little happens."""
    universe.observe(metric, **labels)
    universe.observe_one(metric, "calm", "c:8000", 0.001, **labels)


def _rules() -> RecordTest:
    universe = Universe()
    failures, missed = exporters.RULE_FAILURES, exporters.RULE_GROUP_MISSED
    took, interval = exporters.RULE_GROUP_DURATION, exporters.RULE_GROUP_INTERVAL
    for metric in (failures, missed, took, interval):
        for group in ("slo", "http"):
            _observe(universe, metric, rule_group=group)
    expected = {
        monitoring.RULE_FAILURES.name: universe.increases(failures.name, _FIVE, _GROUP),
        monitoring.RULES_MISSED.name: universe.increases(missed.name, _FIVE, _GROUP),
        monitoring.RULE_TIME.name: share(
            universe.now(took.name, _GROUP), universe.now(interval.name, _GROUP)
        ),
    }
    return RecordTest("rules that fail, take long or are left out", universe, expected)


def _least(values: Values) -> Values:
    """The least of each instance's values."""
    found: dict[tuple[tuple[str, str], ...], float] = {}
    for key, value in values.items():
        instance = tuple(pair for pair in key if pair[0] in _TARGET)
        found[instance] = min(value, found.get(instance, value))
    return found


def _sending() -> RecordTest:
    universe = Universe()
    sent, errors = exporters.NOTIFICATIONS_SENT, exporters.NOTIFICATIONS_ERRORS
    for metric in (sent, errors):
        for alertmanager in ("http://one", "http://two"):
            _observe(universe, metric, alertmanager=alertmanager)
    length, capacity = (
        exporters.NOTIFICATIONS_QUEUE_LENGTH,
        exporters.NOTIFICATIONS_QUEUE_CAPACITY,
    )
    for metric in (exporters.NOTIFICATIONS_DROPPED, length, capacity):
        _observe(universe, metric)
    lost = universe.increases(errors.name, _FIVE, _WAY)
    lost_share = share(lost, universe.increases(sent.name, _FIVE, _WAY))
    expected = {
        monitoring.SEND_ERRORS.name: lost,
        monitoring.SEND_ERROR_RATIO.name: lost_share,
        monitoring.BEST_WAY_ERRORS.name: _least(lost),
        monitoring.BEST_WAY_ERROR_RATIO.name: _least(lost_share),
        monitoring.DROPPED.name: universe.increases(
            exporters.NOTIFICATIONS_DROPPED.name, _FIVE, _TARGET
        ),
        monitoring.QUEUE.name: share(
            universe.now(length.name, _TARGET), universe.now(capacity.name, _TARGET)
        ),
    }
    return RecordTest("alerts that don't reach an Alertmanager", universe, expected)


def _notifying() -> RecordTest:
    universe = Universe()
    tried = exporters.ALERTMANAGER_NOTIFICATIONS
    failed = exporters.ALERTMANAGER_NOTIFICATIONS_FAILED
    for integration in ("webhook", "email", "slack"):
        _observe(universe, tried, integration=integration)
        # Where nothing has failed yet there has to be a zero, not a gap.
        for reason in () if integration == "slack" else ("clientError", "serverError"):
            _observe(universe, failed, integration=integration, reason=reason)
    notified = universe.increases(tried.name, _FIFTEEN, _INTEGRATION)
    failures = or_zero(universe.increases(failed.name, _FIFTEEN, _INTEGRATION), notified)
    expected = {
        monitoring.NOTIFIED.name: notified,
        monitoring.NOTIFY_FAILURES.name: failures,
        monitoring.NOTIFY_FAILURE_RATIO.name: share(failures, notified),
    }
    return RecordTest("notifications that don't go out", universe, expected)


def _cluster() -> RecordTest:
    universe = Universe()
    members, config = exporters.ALERTMANAGER_CLUSTER_MEMBERS, exporters.ALERTMANAGER_CONFIG_HASH
    # Of three in one cluster, one sees only itself; another job's two see each other.
    seen = {"split": (2, 2, 1), "whole": (2, 2)}
    hashes = {"split": (7, 7, 8), "whole": (7, 7)}
    names = (*INSTANCES, "c:8000")
    for metric, values in ((members, seen), (config, hashes)):
        for job, numbers in values.items():
            for instance, value in zip(names, numbers, strict=False):
                labels = {"job": job, "instance": instance}
                universe.add(metric.name, labels, 0, grows=False, base=value)
    missing: Values = {
        (("instance", instance), ("job", job)): len(numbers) - value
        for job, numbers in seen.items()
        for instance, value in zip(names, numbers, strict=False)
    }
    expected = {
        monitoring.MEMBERS_MISSING.name: missing,
        monitoring.CONFIGURATIONS.name: universe.now(
            config.name, ("job",), combine=lambda values: len(set(values))
        ),
    }
    return RecordTest("Alertmanagers that don't agree", universe, expected)


def _store() -> RecordTest:
    universe = Universe()
    for metric in STORE:
        universe.observe(metric)
    expected = {
        monitoring.TSDB_FAILURES.name: added(
            *(universe.increases(metric.name, _HOUR, _TARGET) for metric in STORE)
        )
    }
    return RecordTest("failures of the store", universe, expected)


def _days() -> RecordTest:
    universe = Universe(stretch=120)
    _observe(universe, exporters.HEAD_SERIES)
    growth, more = beside_yesterday(universe, exporters.HEAD_SERIES, _TARGET)
    expected = {monitoring.HEAD_GROWTH.name: growth, monitoring.HEAD_MORE.name: more}
    return RecordTest("series in memory beside yesterday's", universe, expected)
