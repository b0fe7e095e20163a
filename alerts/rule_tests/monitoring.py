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
from alerts.signals.scraping import ALERTMANAGER_JOB, PROMETHEUS_JOB
from app.core.thresholds import Thresholds
from asgi_observability.metric import Metric

_TARGET = ("job", "instance")
_GROUP = (*_TARGET, "rule_group")
_WAY = (*_TARGET, "alertmanager")
_INTEGRATION = (*_TARGET, "integration")
_FIVE, _FIFTEEN, _HOUR = 300, 900, 3600

OTHERS = "another-teams"
"""A job that is not ours."""


def tests(_thresholds: Thresholds) -> list[RecordTest]:
    """The tests of the group."""
    return [_rules(), _sending(), _notifying(), _store(), _days()]


def _observe(universe: Universe, metric: Metric, **labels: str) -> None:
    """A metric's series of two instances, and of a third where little happens.

    And of another team's program, of which nothing must be said.
    """
    is_alertmanager = metric.name.startswith(monitoring.ALERTMANAGER)
    job = ALERTMANAGER_JOB if is_alertmanager else PROMETHEUS_JOB
    for instance in INSTANCES:
        universe.observe_one(metric, job, instance, 1, **labels)
    universe.observe_one(metric, job, "c:8000", 0.001, **labels)
    universe.observe_one(metric, OTHERS, "d:8000", 1, **labels)


def _ours(values: Values) -> Values:
    """Without what is another team's."""
    return {key: value for key, value in values.items() if ("job", OTHERS) not in key}


def _rules() -> RecordTest:
    universe = Universe()
    took, interval = exporters.RULE_GROUP_DURATION, exporters.RULE_GROUP_INTERVAL
    for metric in (took, interval):
        for group in ("slo", "http"):
            _observe(universe, metric, rule_group=group)
    expected = {
        monitoring.RULE_TIME.name: _ours(
            share(universe.now(took.name, _GROUP), universe.now(interval.name, _GROUP))
        ),
    }
    return RecordTest("rules that take long", universe, expected)


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
    for metric in (length, capacity):
        _observe(universe, metric)
    lost = _ours(universe.increases(errors.name, _FIVE, _WAY))
    lost_share = share(lost, _ours(universe.increases(sent.name, _FIVE, _WAY)))
    expected = {
        monitoring.SEND_ERRORS.name: lost,
        monitoring.SEND_ERROR_RATIO.name: lost_share,
        monitoring.BEST_WAY_ERRORS.name: _least(lost),
        monitoring.BEST_WAY_ERROR_RATIO.name: _least(lost_share),
        monitoring.QUEUE.name: _ours(
            share(universe.now(length.name, _TARGET), universe.now(capacity.name, _TARGET))
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
    notified = _ours(universe.increases(tried.name, _FIFTEEN, _INTEGRATION))
    failures = or_zero(universe.increases(failed.name, _FIFTEEN, _INTEGRATION), notified)
    expected = {
        monitoring.NOTIFIED.name: notified,
        monitoring.NOTIFY_FAILURES.name: failures,
        monitoring.NOTIFY_FAILURE_RATIO.name: share(failures, notified),
    }
    return RecordTest("notifications that don't go out", universe, expected)


def _store() -> RecordTest:
    universe = Universe()
    for metric in monitoring.STORE_FAILURES:
        _observe(universe, metric)
    expected = {
        monitoring.TSDB_FAILURES.name: _ours(
            added(
                *(
                    universe.increases(metric.name, _HOUR, _TARGET)
                    for metric in monitoring.STORE_FAILURES
                )
            )
        )
    }
    return RecordTest("failures of the store", universe, expected)


def _days() -> RecordTest:
    universe = Universe(stretch=120)
    _observe(universe, exporters.HEAD_SERIES)
    growth, more = beside_yesterday(universe, exporters.HEAD_SERIES, _TARGET)
    expected = {monitoring.HEAD_GROWTH.name: _ours(growth), monitoring.HEAD_MORE.name: _ours(more)}
    return RecordTest("series in memory beside yesterday's", universe, expected)
