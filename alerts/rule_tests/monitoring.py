"""What the records of the monitoring itself have to say."""

from alerts import exporters
from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.scraping import OTHERS, beside_yesterday, changes, increases_of_all, ours
from alerts.rule_tests.universe import (
    INSTANCES,
    Universe,
    Values,
    key_of,
    or_zero,
    share,
)
from alerts.signals import monitoring
from alerts.signals.scraping import ALERTMANAGER_JOB, PROMETHEUS_JOB
from app.core import catalogue
from app.core.thresholds import Thresholds
from asgi_observability.metric import Metric

_TARGET = ("job", "instance")
_GROUP = (*_TARGET, "rule_group")
_WAY = (*_TARGET, "alertmanager")
_INTEGRATION = (*_TARGET, "integration")
_FIVE, _FIFTEEN, _HOUR = 300, 900, 3600
_OF_A_MEMBER = (
    exporters.ALERTMANAGER_CLUSTER_MEMBERS,
    exporters.ALERTMANAGER_FAILED_PEERS,
    exporters.ALERTMANAGER_CONFIG_HASH,
)


def tests(_thresholds: Thresholds) -> list[RecordTest]:
    """The tests of the group."""
    return [
        _rules(),
        _evaluated(),
        _sending(),
        _notifying(),
        _clusters(),
        _pair(),
        _store(),
        _sent(),
        _never_sent(),
        _lost(),
        _days(),
    ]


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


def _rules() -> RecordTest:
    universe = Universe()
    took, interval = exporters.RULE_GROUP_DURATION, exporters.RULE_GROUP_INTERVAL
    for metric in (took, interval):
        for group in ("slo", "http"):
            _observe(universe, metric, rule_group=group)
    expected = {
        monitoring.RULE_TIME.name: ours(
            share(universe.now(took.name, _GROUP), universe.now(interval.name, _GROUP))
        ),
    }
    return RecordTest("rules that take long", universe, expected)


def _evaluated() -> RecordTest:
    universe = Universe()
    by = ("cluster", "environment", *_GROUP)
    slow = dict(zip(by, ("main", "production", PROMETHEUS_JOB, "a", "slow"), strict=True))
    often, others = {**slow, "rule_group": "often"}, {**slow, "job": OTHERS}
    # Each differs in one label from the slow one.
    nearby = ({"cluster": "spare"}, {"environment": "staging"}, {"instance": "b"})
    for labels, seconds in (
        *((slow, 61.0), (often, 60.0), (others, 15.0)),
        *(({**slow, **other}, 15.0) for other in nearby),
    ):
        universe.add(exporters.RULE_GROUP_INTERVAL.name, labels, 0, grows=False, base=seconds)
    expected: dict[str, Values] = {}
    for metric, record in (
        (exporters.RULE_FAILURES, monitoring.RULE_FAILURES),
        (exporters.RULE_GROUP_MISSED, monitoring.RULES_MISSED),
    ):
        for labels in (slow, often, others):
            universe.add(metric.name, labels, 1, grows=True)
        expected[record.name] = {
            key_of(labels): universe.over(changes, metric.name, window, by)[key_of(labels)]
            for labels, window in ((slow, _FIFTEEN), (often, _FIVE))
        }
    return RecordTest("rules that fail or are left out", universe, expected, says_where=True)


def _clusters() -> RecordTest:
    universe = Universe()
    first = {"cluster": "main", "environment": "production", "job": ALERTMANAGER_JOB}
    spare, staging = {**first, "cluster": "spare"}, {**first, "environment": "staging"}
    # The members that each sees, those it has lost, and its configuration. Here three see each
    # other in part; each of the other places differs in one label.
    for place, instances in (
        (first, {"a": (1, 2, 7), "b": (2, 1, 8), "c": (3, 1, 9)}),
        *((spare, {"a": (1, 1, 7)}), (staging, {"a": (1, 1, 7)})),
        ({**first, "job": OTHERS}, {"c": (1, 1, 7), "d": (1, 1, 8)}),
    ):
        for instance, values in instances.items():
            labels = {**place, "instance": instance}
            for metric, value in zip(_OF_A_MEMBER, values, strict=True):
                universe.add(metric.name, labels, 0, grows=False, base=value)
    expected = {
        monitoring.PEERS_LOST.name: {
            key_of({**first, "instance": instance}): lost
            for instance, lost in (("a", 2.0), ("b", 1.0))
        },
        # Three configurations of about two clusters: one of one, a half and a third.
        monitoring.CONFIGURATIONS.name: {
            key_of(place): beyond for place, beyond in ((first, 1.0), (spare, 0.0), (staging, 0.0))
        },
    }
    return RecordTest("Alertmanagers apart from each other", universe, expected, says_where=True)


def _pair() -> RecordTest:
    universe = Universe()
    place = {"cluster": "main", "environment": "production", "job": PROMETHEUS_JOB}
    # Two with two groups or pools each. Each of the others differs from them in one label, and is
    # alone there.
    elsewhere = ({"cluster": "spare"}, {"environment": "staging"})
    for metric, label in (
        (exporters.RULE_GROUP_RULES, "rule_group"),
        (exporters.POOL_TARGETS, "scrape_job"),
    ):
        for labels, values in (
            ({**place, "instance": "a"}, (5, 9)),
            ({**place, "instance": "b"}, (7, 4)),
            *(({**place, **other, "instance": "c"}, (50, 70)) for other in elsewhere),
            ({**place, "job": OTHERS, "instance": "d"}, (100, 200)),
        ):
            for part, value in zip(("one", "two"), values, strict=True):
                universe.add(metric.name, {**labels, label: part}, 0, grows=False, base=value)
    expected = {
        record.name: {
            key_of(place): 3.0,
            **{key_of({**place, **other}): 0.0 for other in elsewhere},
        }
        for record in (monitoring.RULES_APART, monitoring.TARGETS_APART)
    }
    return RecordTest("two Prometheus that differ", universe, expected, says_where=True)


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
    lost = ours(universe.increases(errors.name, _FIVE, _WAY))
    lost_share = share(lost, ours(universe.increases(sent.name, _FIVE, _WAY)))
    expected = {
        monitoring.SEND_ERRORS.name: lost,
        monitoring.SEND_ERROR_RATIO.name: lost_share,
        monitoring.BEST_WAY_ERRORS.name: _least(lost),
        monitoring.BEST_WAY_ERROR_RATIO.name: _least(lost_share),
        monitoring.QUEUE.name: ours(
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
    notified = ours(universe.increases(tried.name, _FIFTEEN, _INTEGRATION))
    failures = or_zero(universe.increases(failed.name, _FIFTEEN, _INTEGRATION), notified)
    expected = {
        monitoring.NOTIFIED.name: notified,
        monitoring.NOTIFY_FAILURES.name: failures,
        monitoring.NOTIFY_FAILED_TIMES.name: ours(
            universe.over(changes, failed.name, _FIFTEEN, _INTEGRATION, combine=max)
        ),
        monitoring.NOTIFY_FAILURE_RATIO.name: share(failures, notified),
    }
    return RecordTest("notifications that don't go out", universe, expected)


def _store() -> RecordTest:
    universe = Universe()
    failures = increases_of_all(universe, monitoring.STORE_FAILURES, _HOUR)
    return RecordTest("failures of the store", universe, {monitoring.TSDB_FAILURES.name: failures})


def _sent() -> RecordTest:
    universe = Universe()
    metric, by = exporters.REMOTE_WRITE_SENT, (*_TARGET, "remote_name")
    for name in ("engine", "archive"):
        for number in range(2):
            _observe(universe, metric, remote_name=name, url=f"http://{name}-{number}")
    newest = ours(universe.now(metric.name, by, combine=max))
    ages = {key: universe.at - sent for key, sent in newest.items()}
    return RecordTest(
        "samples that wait to be sent", universe, {monitoring.REMOTE_WRITE_BEHIND.name: ages}
    )


def _never_sent() -> RecordTest:
    """Before the first sample is sent, what waits is as old as its Prometheus."""
    universe = Universe()
    here = {"cluster": "main", "environment": "production", "job": PROMETHEUS_JOB, "instance": "a"}
    remote = {"remote_name": "engine", "url": "http://engine"}
    started = 1000.0
    # Each other program differs in one label.
    others = ({"cluster": "spare"}, {"environment": "staging"}, {"instance": "b"}, {"job": OTHERS})
    for place, began in ((here, started), *(({**here, **other}, 500.0) for other in others)):
        name = catalogue.PROCESS_START_TIME.name
        universe.add(name, place, 0, grows=False, base=began)
    for place in (here, {**here, "job": OTHERS}):
        universe.add(exporters.REMOTE_WRITE_SENT.name, {**place, **remote}, 0, grows=False)
    key = key_of({**here, "remote_name": "engine"})
    expected = {monitoring.REMOTE_WRITE_BEHIND.name: {key: universe.at - started}}
    return RecordTest("samples of which none was sent", universe, expected, says_where=True)


def _lost() -> RecordTest:
    universe = Universe()
    failed, dropped = exporters.REMOTE_WRITE_FAILED, exporters.REMOTE_WRITE_DROPPED
    for name in ("engine", "archive"):
        for number in range(2):
            _observe(universe, failed, remote_name=name, url=f"http://{name}-{number}")
    # Nothing of the archive was dropped, which hides nothing of what failed.
    for reason in ("too_old", "unintentionally_dropped_series", "dropped_series"):
        _observe(universe, dropped, remote_name="engine", url="http://engine-0", reason=reason)
    by = (*_TARGET, "remote_name")
    lost = universe.increases(failed.name, _FIFTEEN, by)
    unwanted = universe.increases(
        dropped.name, _FIFTEEN, by, where=lambda labels: labels["reason"] != "dropped_series"
    )
    for key, increase in unwanted.items():
        lost[key] += increase
    return RecordTest(
        "samples that are never sent", universe, {monitoring.REMOTE_WRITE_LOST.name: ours(lost)}
    )


def _days() -> RecordTest:
    universe = Universe(stretch=120)
    _observe(universe, exporters.HEAD_SERIES)
    growth, more = beside_yesterday(universe, exporters.HEAD_SERIES, _TARGET)
    expected = {monitoring.HEAD_GROWTH.name: growth, monitoring.HEAD_MORE.name: more}
    return RecordTest("series in memory beside yesterday's", universe, expected)
