"""Whether the monitoring works: rules, the way of an alert to people, and the series behind them.

A Prometheus that is dead can't tell so itself. That is what the Watchdog is for: whoever expects it
every minute notices when it is missing.
"""

from alerts import exporters
from alerts.model import (
    Comparison,
    Dashboard,
    Group,
    Guard,
    Record,
    Severity,
    Signal,
    Team,
    Threshold,
    Unit,
)
from alerts.promql import or_zero, ratio, summed
from alerts.signals.scraping import ALERTMANAGER_JOB, PROMETHEUS_JOB
from app.core import catalogue
from app.core.thresholds import Thresholds
from asgi_observability.metric import Metric

# Another team's Prometheus is that team's: of its troubles nothing is told here. What is joined to
# our own series is ours as well, without saying so.
_PROMETHEUS = f'job="{PROMETHEUS_JOB}"'
_ALERTMANAGER = f'job="{ALERTMANAGER_JOB}"'
_UP = f"{exporters.UP.name}{{{_PROMETHEUS}}}"
_RULES = "job, instance, rule_group"
_WAY = "job, instance, alertmanager"
_INTEGRATION = "job, instance, integration"

ALERTMANAGER = "alertmanager"
"""What the names of its metrics begin with."""

_OFTEN_SECONDS = 60
"""Groups with this interval or a shorter one are evaluated often."""

LONGEST_LOOK_BACK_DAYS = 35
"""How far back the rules read at most: four weeks and an hour, for the bands; a week to spare."""

PAGING_INTEGRATIONS = ("pagerduty", "webhook")
"""Those of Alertmanager's ways to people that wake somebody."""


def _program(metric: Metric) -> str:
    """The matcher of our own Prometheus or Alertmanager, whichever has ``metric``."""
    return _ALERTMANAGER if metric.name.startswith(f"{ALERTMANAGER}_") else _PROMETHEUS


def _of(metric: Metric) -> str:
    """The series of ``metric`` that our own programs have."""
    return f"{metric.name}{{{_program(metric)}}}"


def _increase(metric: Metric, level: str, window: str) -> str:
    return f"sum by ({level}) (increase({_of(metric)}[{window}]))"


def _times(metric: Metric) -> str:
    """At how many evaluations of a group its counter grew, so that no single one is evidence.

    Within three intervals of the slowest groups; within five minutes of those that are evaluated
    at least once a minute, so that their trouble is told soon.
    """
    often = f"{exporters.RULE_GROUP_INTERVAL.name} <= {_OFTEN_SECONDS}"
    soon, slowly = (f"changes({_of(metric)}[{window}])" for window in ("5m", "15m"))
    return f"max by ({_RULES}) ({soon} and on ({_RULES}) {often} or {slowly})"


def _base(metric: Metric) -> str:
    return metric.name.removesuffix("_total")


RULE_FAILURES = Record(
    f"job_instance_rule_group:{_base(exporters.RULE_FAILURES)}:changes",
    _times(exporters.RULE_FAILURES),
)
RULE_TIME = Record(
    "job_instance_rule_group:prometheus_rule_group_duration:interval_ratio",
    ratio(_of(exporters.RULE_GROUP_DURATION), exporters.RULE_GROUP_INTERVAL.name),
)
RULES_MISSED = Record(
    f"job_instance_rule_group:{_base(exporters.RULE_GROUP_MISSED)}:changes",
    _times(exporters.RULE_GROUP_MISSED),
)

SEND_ERRORS = Record(
    f"job_instance_alertmanager:{_base(exporters.NOTIFICATIONS_ERRORS)}:increase5m",
    _increase(exporters.NOTIFICATIONS_ERRORS, _WAY, "5m"),
)
SEND_ERROR_RATIO = Record(
    f"job_instance_alertmanager:{_base(exporters.NOTIFICATIONS_ERRORS)}:ratio_increase5m",
    ratio(
        SEND_ERRORS.name,
        f"(sum by ({_WAY}) (increase({exporters.NOTIFICATIONS_SENT.name}[5m])))",
    ),
)
BEST_WAY_ERRORS = Record(
    f"job_instance:{_base(exporters.NOTIFICATIONS_ERRORS)}:min_increase5m",
    f"min by (job, instance) ({SEND_ERRORS})",
)
BEST_WAY_ERROR_RATIO = Record(
    f"job_instance:{_base(exporters.NOTIFICATIONS_ERRORS)}:min_ratio_increase5m",
    f"min by (job, instance) ({SEND_ERROR_RATIO})",
)
# Newer releases have a queue for each Alertmanager: the fullest one counts.
QUEUE = Record(
    "job_instance:prometheus_notifications_queue:ratio",
    ratio(
        f"max by (job, instance) ({_of(exporters.NOTIFICATIONS_QUEUE_LENGTH)})",
        f"max by (job, instance) ({exporters.NOTIFICATIONS_QUEUE_CAPACITY.name})",
    ),
)

STORE_FAILURES = (
    exporters.COMPACTIONS_FAILED,
    exporters.RELOADS_FAILED,
    exporters.HEAD_TRUNCATIONS_FAILED,
    exporters.CHECKPOINTS_FAILED,
    exporters.WAL_CORRUPTIONS,
    exporters.WAL_WRITES_FAILED,
)
TSDB_FAILURES = Record(
    "job_instance:prometheus_tsdb_failures:increase1h",
    summed((f"increase({_of(metric)}[1h])" for metric in STORE_FAILURES), "job, instance"),
)
RETENTION = Record(
    "job_instance:prometheus_tsdb_retention_limit:seconds", f"{_of(exporters.RETENTION)} > 0"
)
_REMOTE = "job, instance, remote_name"
_SENT = _of(exporters.REMOTE_WRITE_SENT)
_STARTED = catalogue.PROCESS_START_TIME.name
# It is 0 until something was sent: then what waits is as old as Prometheus.
REMOTE_WRITE_BEHIND = Record(
    f"job_instance_remote_name:{exporters.REMOTE_WRITE_SENT.name}:age",
    f"time() - max by ({_REMOTE}) "
    f"({_SENT} > 0 or {_SENT} + on (job, instance) group_left () {_STARTED})",
)
# Samples of a series that is not sent by choice (`write_relabel_configs`) are not lost.
_UNWANTED_DROPS = (
    f"{exporters.REMOTE_WRITE_DROPPED.name}"
    f'{{{_PROMETHEUS}, reason=~"too_old|unintentionally_dropped_series"}}'
)
REMOTE_WRITE_LOST = Record(
    "job_instance_remote_name:prometheus_remote_storage_samples_lost:increase15m",
    summed(
        (
            f"increase({_of(exporters.REMOTE_WRITE_FAILED)}[15m])",
            f"increase({_UNWANTED_DROPS}[15m])",
        ),
        _REMOTE,
    ),
)
_HEAD, _HEAD_YESTERDAY = _of(exporters.HEAD_SERIES), f"{exporters.HEAD_SERIES.name} offset 1d"
HEAD_GROWTH = Record(
    f"job_instance:{exporters.HEAD_SERIES.name}:times1d", ratio(_HEAD, _HEAD_YESTERDAY)
)
HEAD_MORE = Record(
    f"job_instance:{exporters.HEAD_SERIES.name}:more1d", f"{_HEAD} - {_HEAD_YESTERDAY}"
)

_FAILED = exporters.ALERTMANAGER_NOTIFICATIONS_FAILED
NOTIFIED = Record(
    f"job_instance_integration:{_base(exporters.ALERTMANAGER_NOTIFICATIONS)}:increase15m",
    _increase(exporters.ALERTMANAGER_NOTIFICATIONS, _INTEGRATION, "15m"),
)
NOTIFY_FAILURES = Record(
    f"job_instance_integration:{_base(_FAILED)}:increase15m",
    or_zero(_increase(_FAILED, _INTEGRATION, "15m"), NOTIFIED.name),
)
NOTIFY_FAILURE_RATIO = Record(
    f"job_instance_integration:{_base(_FAILED)}:ratio_increase15m",
    ratio(NOTIFY_FAILURES.name, NOTIFIED.name),
)
# Several groups that fail at once are one piece of news; that it goes on is what counts.
NOTIFY_FAILED_TIMES = Record(
    f"job_instance_integration:{_base(_FAILED)}:changes15m",
    f"max by ({_INTEGRATION}) (changes({_of(_FAILED)}[15m]))",
)
_MEMBERS = exporters.ALERTMANAGER_CLUSTER_MEMBERS.name
_SEEN_BY_EACH = f"count by (job) ({_MEMBERS}) - on (job) group_right () {_MEMBERS}"
# Two clusters may have one job: they differ in members, but neither has lost one of its own.
PEERS_LOST = Record(
    f"job_instance:{exporters.ALERTMANAGER_FAILED_PEERS.name}:of_running",
    f"{_of(exporters.ALERTMANAGER_FAILED_PEERS)} and on (job, instance) {_SEEN_BY_EACH} > 0",
)
# Each member of a cluster of three is a third of a cluster. Two clusters may be configured apart.
CONFIGURATIONS = Record(
    f"job:{exporters.ALERTMANAGER_CONFIG_HASH.name}:distinct_beyond_clusters",
    "count by (job) (count_values by (job) "
    f'("config_hash", {_of(exporters.ALERTMANAGER_CONFIG_HASH)})) '
    f"- on (job) round(sum by (job) (1 / {_MEMBERS}))",
)


def _apart(metric: Metric) -> Record:
    """By how many of ``metric`` the Prometheus of one job differ; 0 of one that is alone."""
    most = f"max by (job) (sum by (job, instance) ({_of(metric)}))"
    least = f"min by (job) (sum by (job, instance) ({metric.name}))"
    return Record(f"job:{metric.name}:difference", f"{most} - {least}")


RULES_APART = _apart(exporters.RULE_GROUP_RULES)
TARGETS_APART = _apart(exporters.POOL_TARGETS)

WATCHDOG = "Watchdog"


def watchdog() -> Signal:
    """The path from rule to notification."""
    return Signal(
        title="Watchdog",
        meaning="1 as long as Prometheus evaluates rules. Good is always 1.",
        unit=Unit.COUNT,
        source="vector(1)",
        thresholds=(
            Threshold(
                alert=WATCHDOG,
                comparison=Comparison.ABOVE,
                value=0,
                severity=Severity.INFO,
                team=Team.PLATFORM,
                summary="Alerting works",
                description="This alert always fires. Something is wrong when it is missing.",
                action="Do nothing while it fires. When it is missing, see whether Prometheus is "
                "up and reaches Alertmanager.",
                state="Working",
            ),
        ),
    )


def rule_failures() -> Signal:
    """Rules that end in an error."""
    return Signal(
        title="Rule evaluations failed",
        meaning="How often rules of a group ended in an error within 5 minutes, or within 15 of a "
        "group that is evaluated less than once a minute. Good is 0.",
        unit=Unit.COUNT,
        source=RULE_FAILURES,
        thresholds=(
            Threshold(
                alert="RuleEvaluationFailing",
                comparison=Comparison.ABOVE,
                value=1,
                severity=Severity.PAGE,
                team=Team.PLATFORM,
                summary="Rules of {{ $labels.rule_group }} fail",
                description="A rule that fails records nothing and can't fire. Nobody watches "
                "what it should watch, and no other alert says so. Evaluations that failed lately.",
                action="Read the rule's error on Prometheus's page /rules. Then fix the rule, or "
                "the labels of the series that it reads.",
                # Longer than the shorter window: what lasted a minute is over by then.
                pending="6m",
                absence="TargetDown",
            ),
        ),
    )


def rule_time(thresholds: Thresholds) -> Signal:
    """How much of its interval a group needs."""
    return Signal(
        title="Duration of rule groups",
        meaning="The last evaluation of a group as a share of its interval. Good is below 10%. "
        "Above 100% evaluations are skipped.",
        unit=Unit.RATIO,
        source=RULE_TIME,
        thresholds=(
            Threshold(
                alert="RuleEvaluationSlow",
                comparison=Comparison.ABOVE,
                value=thresholds.rule_group_share,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="Rules of {{ $labels.rule_group }} take too long",
                description="Once they take longer than the interval, evaluations are skipped "
                "and alerts come late. Share of the interval that they take.",
                action="Find the slow rule on Prometheus's page /rules, and what made it slow: "
                "more series, or less CPU.",
                pending="10m",
            ),
        ),
    )


def rules_missed() -> Signal:
    """Evaluations that were left out."""
    return Signal(
        title="Rule evaluations skipped",
        meaning="How often evaluations of a group were skipped within 5 minutes, or within 15 of a "
        "group that is evaluated less than once a minute. Good is 0.",
        unit=Unit.COUNT,
        source=RULES_MISSED,
        thresholds=(
            Threshold(
                alert="RuleEvaluationsMissed",
                comparison=Comparison.ABOVE,
                value=1,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="Rules of {{ $labels.rule_group }} are skipped",
                description="The group takes longer than its interval, or the machine stopped "
                "again and again. Alerts come late and records have gaps. Times of late.",
                action="See how long the group takes, and whether Prometheus lacks CPU.",
                pending="6m",
            ),
        ),
    )


def send_errors(thresholds: Thresholds) -> Signal:
    """Alerts that did not reach one Alertmanager."""
    return Signal(
        title="Not accepted, by Alertmanager",
        meaning="Share of alerts that an Alertmanager did not accept over 5 minutes. Good is 0.",
        unit=Unit.RATIO,
        source=SEND_ERROR_RATIO,
        thresholds=(
            Threshold(
                alert="NotificationsFailing",
                comparison=Comparison.ABOVE,
                value=thresholds.notification_error_ratio,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="{{ $labels.alertmanager }} doesn't accept alerts",
                description="Prometheus sends alerts there in vain. Share of them.",
                action="Is that Alertmanager up, and reachable from Prometheus? Its answer is in "
                "Prometheus's log.",
                # Longer than the window: an Alertmanager that restarts once is no news.
                pending="6m",
                guards=(
                    Guard(
                        SEND_ERRORS,
                        Comparison.AT_LEAST,
                        thresholds.notification_minimum_failures,
                        (),
                    ),
                ),
            ),
        ),
    )


def undelivered(thresholds: Thresholds) -> Signal:
    """Alerts that no Alertmanager takes."""
    return Signal(
        title="Alerts no Alertmanager took",
        meaning="Share of alerts that even the best Alertmanager did not accept. Good is 0: an "
        "alert that one Alertmanager accepts reaches people.",
        unit=Unit.RATIO,
        source=BEST_WAY_ERROR_RATIO,
        thresholds=(
            Threshold(
                alert="AlertsUndelivered",
                comparison=Comparison.ABOVE,
                value=thresholds.notification_error_ratio,
                severity=Severity.PAGE,
                team=Team.PLATFORM,
                summary="No Alertmanager reliably accepts alerts of {{ $labels.instance }}",
                description="Prometheus can't deliver alerts to any Alertmanager. People may not "
                "be notified of anything. Share of the alerts sent.",
                action="Start Alertmanager, or fix its address. Until then watch Prometheus's "
                "page /alerts.",
                pending="6m",
                guards=(
                    Guard(
                        BEST_WAY_ERRORS,
                        Comparison.AT_LEAST,
                        thresholds.notification_minimum_failures,
                        (),
                    ),
                ),
                absence="TargetDown",
            ),
        ),
    )


def queue(thresholds: Thresholds) -> Signal:
    """Alerts that wait to be sent."""
    return Signal(
        title="Queue of alerts to send",
        meaning="How full the queue to Alertmanager is. Good is 0. Alerts that don't fit are "
        "dropped.",
        unit=Unit.RATIO,
        source=QUEUE,
        thresholds=(
            Threshold(
                alert="NotificationQueueFilling",
                comparison=Comparison.ABOVE,
                value=thresholds.notification_queue_ratio,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="Alerts of {{ $labels.instance }} wait to be sent",
                description="Alertmanager accepts alerts more slowly than they arrive. When the "
                "queue is full the oldest are dropped. Share of it in use.",
                action="See how long Alertmanager takes, and whether thousands of alerts fire.",
                pending="2m",
            ),
        ),
    )


def alertmanagers() -> Signal:
    """The Alertmanagers that Prometheus knows of."""
    return Signal(
        title="Alertmanagers known",
        meaning="How many Alertmanagers Prometheus sends its alerts to. Good is all there are.",
        unit=Unit.COUNT,
        source=exporters.ALERTMANAGERS_DISCOVERED.name,
        thresholds=(
            Threshold(
                alert="NoAlertmanager",
                comparison=Comparison.BELOW,
                value=1,
                severity=Severity.PAGE,
                team=Team.PLATFORM,
                matchers=_PROMETHEUS,
                summary="Prometheus at {{ $labels.instance }} knows no Alertmanager",
                description="Its alerts reach nobody, not even this one, unless another "
                "Prometheus watches it. Alertmanagers known.",
                action="Fix prometheus/targets/alertmanager.yml. Prometheus reads it again by "
                "itself.",
                pending="1m",
                absence="TargetDown",
            ),
        ),
    )


def config_reloaded(program: str, metric: Metric) -> Signal:
    """Whether ``program`` took its configuration when it last read it."""
    return Signal(
        title=f"Configuration of {program}",
        meaning="1 where the configuration on disk is the one in use. All should be at 1.",
        unit=Unit.COUNT,
        source=metric.name,
        thresholds=(
            Threshold(
                alert="ConfigReloadFailed",
                comparison=Comparison.BELOW,
                value=1,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary=f"{program} at {{{{ $labels.instance }}}} refused its configuration",
                description="It still uses the previous one, so the change has no effect. After "
                "its next restart it will not start at all.",
                action="Its log names the line that it refuses. `make check` also names it.",
                pending="1m",
                matchers=_program(metric),
                state="Refused",
                labels={"program": program.lower()},
            ),
        ),
    )


def tsdb(thresholds: Thresholds) -> Signal:
    """Failures of the store."""
    return Signal(
        title="Failures of the TSDB",
        meaning="Compactions, reloads, truncations and writes that failed over an hour, and "
        "damage found. Good is 0.",
        unit=Unit.COUNT,
        source=TSDB_FAILURES,
        thresholds=(
            Threshold(
                alert="TSDBTrouble",
                comparison=Comparison.AT_LEAST,
                value=thresholds.tsdb_failures,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="The store of Prometheus at {{ $labels.instance }} fails",
                description="Memory and the write-ahead log grow until it works again, and the "
                "next restart takes longer or loses data. Failures within an hour.",
                action="Its log names the operation and the file. Usually the disk is full.",
                pending="5m",
            ),
        ),
    )


def ingesting(thresholds: Thresholds) -> Signal:
    """How old the newest sample is that Prometheus has of itself.

    Compared without a record: a store that takes no samples takes none of records either.
    """
    return Signal(
        title="Age of the newest sample",
        meaning="How old Prometheus's newest sample of itself is. Good is below two scrapes.",
        unit=Unit.SECONDS,
        source=f"time() - max by (job) (timestamp({_UP}))",
        thresholds=(
            Threshold(
                alert="NotIngesting",
                comparison=Comparison.ABOVE,
                value=thresholds.newest_sample_seconds,
                severity=Severity.PAGE,
                team=Team.PLATFORM,
                summary="Prometheus stores no new samples",
                description="It scrapes, but can't store the samples. In five minutes no alert "
                "except ServiceDown and TargetDown will work.",
                action="Make room on its disk, then restart it if it does not recover by itself.",
                pending="30s",
                # Old samples are not looked at after five minutes; then TargetDown takes over.
                keep_firing="10m",
                absence="TargetDown",
            ),
        ),
    )


def head_series(thresholds: Thresholds) -> Signal:
    """How many more series Prometheus holds than a day ago."""
    return Signal(
        title="Series in memory vs yesterday",
        meaning="Series in memory now, divided by those of a day ago. Good is 1.",
        unit=Unit.COUNT,
        source=HEAD_GROWTH,
        thresholds=(
            Threshold(
                alert="HeadSeriesGrowing",
                comparison=Comparison.ABOVE,
                value=thresholds.cardinality_growth,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="Prometheus at {{ $labels.instance }} holds far more series than yesterday",
                description="Each series takes some kilobytes of memory, and in the end the "
                "system kills Prometheus. Series now, divided by those of a day ago.",
                action="Look for the job with more samples, or for series that come and go with "
                "each restart.",
                pending="30m",
                guards=(Guard(HEAD_MORE, Comparison.AT_LEAST, thresholds.head_series_more, ()),),
            ),
        ),
    )


def retention() -> Signal:
    """Whether samples are kept for as long as the rules look back."""
    return Signal(
        title="Samples are kept for",
        meaning="How long Prometheus keeps samples. Good is what the rules read: "
        f"{LONGEST_LOOK_BACK_DAYS} days or more. Empty where only their size limits it.",
        unit=Unit.SECONDS,
        source=RETENTION,
        thresholds=(
            Threshold(
                alert="RetentionTooShort",
                comparison=Comparison.BELOW,
                value=LONGEST_LOOK_BACK_DAYS * 86400,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="Prometheus at {{ $labels.instance }} keeps samples for too short a time",
                description="Error budgets of 30 days and what is usual for an hour of the week "
                "are computed from less than they should be, or not at all. Samples are kept for "
                "this long.",
                action="Start Prometheus with --storage.tsdb.retention.time=60d.",
                pending="10m",
            ),
        ),
    )


def remote_write(thresholds: Thresholds) -> Signal:
    """How late samples reach the engine that Prometheus also sends them to."""
    return Signal(
        title="Remote write is behind by",
        meaning="Age of the newest sample that was sent to the other engine, or time since the "
        "start where none was. Good is below a minute. Empty where samples are sent nowhere.",
        unit=Unit.SECONDS,
        source=REMOTE_WRITE_BEHIND,
        thresholds=(
            Threshold(
                alert="RemoteWriteBehind",
                comparison=Comparison.ABOVE,
                value=thresholds.remote_write_seconds,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="Samples don't reach {{ $labels.remote_name }}",
                description="They wait in the write-ahead log of Prometheus. What has waited for "
                "about an hour can be lost when the log is cut, every two hours. Age of the newest "
                "one that was sent.",
                action="Is the engine up and reachable, and does it accept what it is sent? Its "
                "answers are in Prometheus's log.",
                pending="5m",
            ),
        ),
    )


def remote_write_lost() -> Signal:
    """Samples that the engine will never have."""
    return Signal(
        title="Samples lost by remote write",
        meaning="Samples within 15 minutes that the other engine refused for good, or that were "
        "never sent. Good is 0. Empty where samples are sent nowhere.",
        unit=Unit.COUNT,
        source=REMOTE_WRITE_LOST,
        thresholds=(
            Threshold(
                alert="RemoteWriteLosesSamples",
                comparison=Comparison.ABOVE,
                value=0,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="Samples for {{ $labels.remote_name }} are lost",
                description="The engine answers in a way that Prometheus doesn't try again, such "
                "as 404 or 401. Prometheus keeps these samples, the engine never gets them. "
                "Samples within 15 minutes.",
                action="Prometheus's log names the answer. Correct the address or the credentials "
                "of remote_write.",
                pending="1m",
            ),
        ),
    )


def cluster() -> Signal:
    """Alertmanagers that don't see each other."""
    return Signal(
        title="Alertmanagers missing",
        meaning="Members of its cluster that a running Alertmanager has lost or never reached, "
        "although more are running than it sees. Good is 0 or nothing.",
        unit=Unit.COUNT,
        source=PEERS_LOST,
        thresholds=(
            Threshold(
                alert="AlertmanagerClusterIncomplete",
                comparison=Comparison.ABOVE,
                value=0,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="Alertmanager at {{ $labels.instance }} doesn't see all others",
                description="Alertmanagers that don't see each other notify twice, and a silence "
                "in one has no effect in the other. Members it misses.",
                action="Open the cluster port in both directions, for TCP and UDP.",
                pending="5m",
            ),
        ),
    )


def configurations() -> Signal:
    """Alertmanagers of one cluster with different configurations."""
    return Signal(
        title="Configurations of Alertmanagers",
        meaning="Configurations in use beyond one for each cluster. Good is 0 or less. Without a "
        "cluster the panel is empty.",
        unit=Unit.COUNT,
        source=CONFIGURATIONS,
        thresholds=(
            Threshold(
                alert="AlertmanagerConfigsDiffer",
                comparison=Comparison.ABOVE,
                value=0,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="Alertmanagers of one cluster run with different configurations",
                description="Who is notified depends on which of them sends first. Configurations "
                "too many.",
                action="Find the instance that was not reloaded, and reload it.",
                # A rollout takes its time from one to the next.
                pending="15m",
            ),
        ),
    )


def pair(what: str, record: Record, checks: str) -> Signal:
    """Two Prometheus that should do the same, and differ in ``what`` they have."""
    return Signal(
        title=f"Difference in {what} of Prometheus",
        meaning=f"How many more {what} one Prometheus has than another of its job. Good is 0; one "
        "that is alone has 0.",
        unit=Unit.COUNT,
        source=record,
        thresholds=(
            Threshold(
                alert="PrometheusPairDiffers",
                comparison=Comparison.ABOVE,
                value=0,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary=f"Two Prometheus of one job don't have the same {what}",
                description="One of them doesn't see what the other sees. If the other is lost, "
                f"so are its alerts. Difference in {what}.",
                action=f"{checks} Prometheus reads its configuration again with kill -HUP.",
                # A rollout takes its time from one to the next.
                pending="15m",
                labels={"differs": what},
            ),
        ),
    )


def pair_rules() -> Signal:
    """Two Prometheus with different rules."""
    return pair("rules", RULES_APART, "Compare the folders of rules.")


def pair_targets() -> Signal:
    """Two Prometheus with different targets."""
    return pair("targets", TARGETS_APART, "Compare their pages /targets.")


def notify_failures(thresholds: Thresholds) -> Signal:
    """Notifications that Alertmanager can't deliver."""
    paging = "|".join(PAGING_INTEGRATIONS)

    def threshold(severity: Severity, text: str, pending: str, matchers: str = "") -> Threshold:
        return Threshold(
            alert="AlertmanagerNotificationsFailing",
            comparison=Comparison.ABOVE,
            value=thresholds.notification_error_ratio,
            severity=severity,
            team=Team.PLATFORM,
            summary="Notifications by {{ $labels.integration }} don't go out",
            description=text,
            action="Read the receiver's answer in Alertmanager's log. Until it is fixed, "
            "watch Alertmanager's own page.",
            pending=pending,
            matchers=matchers,
            guards=(
                Guard(
                    NOTIFY_FAILED_TIMES,
                    Comparison.AT_LEAST,
                    thresholds.notification_minimum_failures,
                    (),
                ),
            ),
            absence="TargetDown",
        )

    return Signal(
        title="Notifications failed by integration",
        meaning="Share of notifications that did not go out over 15 minutes. Good is 0.",
        unit=Unit.RATIO,
        source=NOTIFY_FAILURE_RATIO,
        thresholds=(
            threshold(
                Severity.TICKET,
                "Who reads it gets no messages, or gets them late. Share of its notifications.",
                "16m",
            ),
            threshold(
                Severity.PAGE,
                "Who is woken through it sleeps on. Share of its notifications.",
                "1m",
                f'integration=~"{paging}"',
            ),
        ),
    )


def group(thresholds: Thresholds) -> Group:
    """The rules of the monitoring itself."""
    return Group(
        name="monitoring",
        dashboard=Dashboard.MONITORING,
        about="Whether rules are evaluated, alerts reach people, and samples are kept.",
        records=(
            SEND_ERRORS,
            SEND_ERROR_RATIO,
            BEST_WAY_ERRORS,
            NOTIFIED,
            NOTIFY_FAILURES,
            NOTIFY_FAILED_TIMES,
            HEAD_MORE,
        ),
        signals=(
            watchdog(),
            rule_failures(),
            rule_time(thresholds),
            rules_missed(),
            send_errors(thresholds),
            undelivered(thresholds),
            queue(thresholds),
            alertmanagers(),
            config_reloaded("Prometheus", exporters.CONFIG_RELOADED),
            config_reloaded("Alertmanager", exporters.ALERTMANAGER_CONFIG_RELOADED),
            retention(),
            remote_write(thresholds),
            remote_write_lost(),
            tsdb(thresholds),
            ingesting(thresholds),
            head_series(thresholds),
            notify_failures(thresholds),
            cluster(),
            configurations(),
            pair_rules(),
            pair_targets(),
        ),
    )
