"""Metrics of others that the rules read: Prometheus, Alertmanager and exporters.

Declared as the service's own are, with the labels that the rules use or aggregate away, so that
rules over them are checked in the same way. A test compares them with what the real programs
expose. ``job`` and ``instance`` come with scraping. A made-up past is marked by SYNTHETIC_HISTORY.
"""

from collections.abc import Iterator

from app.core import catalogue
from app.core.synthetic_history import SYNTHETIC_HISTORY as SYNTHETIC_HISTORY
from asgi_observability.metric import Kind, Label, Metric

ALERTS = "ALERTS"
"""The alerts that are pending or firing, as Prometheus stores them."""
ALERTS_FOR_STATE = "ALERTS_FOR_STATE"
"""When each of them became pending, seconds since the Unix epoch."""

# --- What Prometheus adds to each target ----------------------------------------------------------

UP = Metric("up", Kind.GAUGE, "bool", "1 where the last scrape of a target worked.")
SCRAPE_DURATION = Metric(
    "scrape_duration_seconds", Kind.GAUGE, "seconds", "How long the last scrape took."
)
SCRAPE_SAMPLES = Metric(
    "scrape_samples_scraped", Kind.GAUGE, "samples", "Samples that the target gave."
)
SCRAPE_SAMPLES_KEPT = Metric(
    "scrape_samples_post_metric_relabeling",
    Kind.GAUGE,
    "samples",
    "Samples of the target that metric relabelling left.",
)

# --- Prometheus -----------------------------------------------------------------------------------

_RULE_GROUP = (Label("rule_group"),)
_ALERTMANAGER = (Label("alertmanager"),)

RULE_FAILURES = Metric(
    "prometheus_rule_evaluation_failures_total",
    Kind.COUNTER,
    "evaluations",
    "Evaluations of a rule that ended in an error.",
    _RULE_GROUP,
)
RULE_GROUP_DURATION = Metric(
    "prometheus_rule_group_last_duration_seconds",
    Kind.GAUGE,
    "seconds",
    "How long the last evaluation of a group took.",
    _RULE_GROUP,
)
RULE_GROUP_INTERVAL = Metric(
    "prometheus_rule_group_interval_seconds",
    Kind.GAUGE,
    "seconds",
    "Time between two evaluations of a group.",
    _RULE_GROUP,
)
RULE_GROUP_RULES = Metric(
    "prometheus_rule_group_rules",
    Kind.GAUGE,
    "rules",
    "Rules of a group, recording and alerting.",
    _RULE_GROUP,
)
RULE_GROUP_MISSED = Metric(
    "prometheus_rule_group_iterations_missed_total",
    Kind.COUNTER,
    "evaluations",
    "Evaluations of a group left out because the one before took too long.",
    _RULE_GROUP,
)
NOTIFICATIONS_SENT = Metric(
    "prometheus_notifications_sent_total",
    Kind.COUNTER,
    "alerts",
    "Alerts sent to an Alertmanager, those included that did not arrive.",
    _ALERTMANAGER,
)
NOTIFICATIONS_ERRORS = Metric(
    "prometheus_notifications_errors_total",
    Kind.COUNTER,
    "alerts",
    "Alerts that did not reach an Alertmanager; Prometheus 2 counts requests instead.",
    _ALERTMANAGER,
)
NOTIFICATIONS_QUEUE_LENGTH = Metric(
    "prometheus_notifications_queue_length", Kind.GAUGE, "alerts", "Alerts waiting to be sent."
)
NOTIFICATIONS_QUEUE_CAPACITY = Metric(
    "prometheus_notifications_queue_capacity",
    Kind.GAUGE,
    "alerts",
    "Alerts that can wait before more are dropped.",
)
ALERTMANAGERS_DISCOVERED = Metric(
    "prometheus_notifications_alertmanagers_discovered",
    Kind.GAUGE,
    "instances",
    "Alertmanagers that Prometheus knows of, whether they answer or not.",
)
CONFIG_RELOADED = Metric(
    "prometheus_config_last_reload_successful",
    Kind.GAUGE,
    "bool",
    "1 where the configuration was taken the last time it was read.",
)
POOL_TARGETS = Metric(
    "prometheus_target_scrape_pool_targets",
    Kind.GAUGE,
    "targets",
    "Targets of a job that Prometheus scrapes, whether they answer or not.",
    (Label("scrape_job"),),
)
SAMPLES_OUT_OF_ORDER = Metric(
    "prometheus_target_scrapes_sample_out_of_order_total",
    Kind.COUNTER,
    "samples",
    "Scraped samples refused for being older than the last one of their series.",
)
SAMPLES_OUT_OF_BOUNDS = Metric(
    "prometheus_target_scrapes_sample_out_of_bounds_total",
    Kind.COUNTER,
    "samples",
    "Scraped samples refused for a time too far from now.",
)
SAMPLES_DUPLICATE = Metric(
    "prometheus_target_scrapes_sample_duplicate_timestamp_total",
    Kind.COUNTER,
    "samples",
    "Scraped samples refused for giving one time a second value.",
)
HEAD_SERIES = Metric(
    "prometheus_tsdb_head_series", Kind.GAUGE, "series", "Series in memory: those of late."
)
RETENTION = Metric(
    "prometheus_tsdb_retention_limit_seconds",
    Kind.GAUGE,
    "seconds",
    "How long samples are kept; 0 where only their size limits that.",
)
_REMOTE = (Label("remote_name"), Label("url"))
REMOTE_WRITE_SENT = Metric(
    "prometheus_remote_storage_queue_highest_sent_timestamp_seconds",
    Kind.GAUGE,
    "seconds",
    "Time of the newest sample that remote write has sent or given up, since the Unix epoch; 0 "
    "before the first one.",
    _REMOTE,
)
REMOTE_WRITE_FAILED = Metric(
    "prometheus_remote_storage_samples_failed_total",
    Kind.COUNTER,
    "samples",
    "Samples that remote write gave up: an answer such as 404 is not tried again.",
    _REMOTE,
)
REMOTE_WRITE_DROPPED = Metric(
    "prometheus_remote_storage_samples_dropped_total",
    Kind.COUNTER,
    "samples",
    "Samples that remote write never sent; not there before the first one.",
    (*_REMOTE, Label("reason")),
)
COMPACTIONS_FAILED = Metric(
    "prometheus_tsdb_compactions_failed_total",
    Kind.COUNTER,
    "compactions",
    "Failures to write blocks from memory, or to merge blocks.",
)
RELOADS_FAILED = Metric(
    "prometheus_tsdb_reloads_failures_total",
    Kind.COUNTER,
    "reloads",
    "Failures to read the list of blocks from disk again.",
)
HEAD_TRUNCATIONS_FAILED = Metric(
    "prometheus_tsdb_head_truncations_failed_total",
    Kind.COUNTER,
    "truncations",
    "Failures to drop from memory what is in a block.",
)
CHECKPOINTS_FAILED = Metric(
    "prometheus_tsdb_checkpoint_creations_failed_total",
    Kind.COUNTER,
    "checkpoints",
    "Failures to shorten the write-ahead log.",
)
WAL_CORRUPTIONS = Metric(
    "prometheus_tsdb_wal_corruptions_total",
    Kind.COUNTER,
    "corruptions",
    "Damaged places found in the write-ahead log.",
)
WAL_WRITES_FAILED = Metric(
    "prometheus_tsdb_wal_writes_failed_total",
    Kind.COUNTER,
    "writes",
    "Failures to write to the write-ahead log.",
)

# --- Alertmanager ---------------------------------------------------------------------------------

ALERTMANAGER_CONFIG_RELOADED = Metric(
    "alertmanager_config_last_reload_successful",
    Kind.GAUGE,
    "bool",
    "1 where the configuration was taken the last time it was read.",
)
ALERTMANAGER_CONFIG_HASH = Metric(
    "alertmanager_config_hash",
    Kind.GAUGE,
    "hash",
    "A number that differs where configurations do.",
)
ALERTMANAGER_CLUSTER_MEMBERS = Metric(
    "alertmanager_cluster_members",
    Kind.GAUGE,
    "instances",
    "Members of the cluster as one of them sees it, itself included; none without a cluster.",
)
ALERTMANAGER_FAILED_PEERS = Metric(
    "alertmanager_cluster_failed_peers",
    Kind.GAUGE,
    "instances",
    "Members that one of them has lost or never reached, until it gives them up after six hours.",
)
ALERTMANAGER_NOTIFICATIONS = Metric(
    "alertmanager_notifications_total",
    Kind.COUNTER,
    "notifications",
    "Notifications by the way they go out, those that failed included.",
    (Label("integration"),),
)
ALERTMANAGER_NOTIFICATIONS_FAILED = Metric(
    "alertmanager_notifications_failed_total",
    Kind.COUNTER,
    "notifications",
    "Notifications that did not go out, all tries included.",
    (Label("integration"), Label("reason")),
)

# --- node_exporter --------------------------------------------------------------------------------

_FILESYSTEM = (Label("device"), Label("fstype"), Label("mountpoint"))

FILESYSTEM_SIZE = Metric(
    "node_filesystem_size_bytes", Kind.GAUGE, "bytes", "Size of a filesystem.", _FILESYSTEM
)
FILESYSTEM_AVAILABLE = Metric(
    "node_filesystem_avail_bytes",
    Kind.GAUGE,
    "bytes",
    "What processes other than root's can still write to a filesystem.",
    _FILESYSTEM,
)
FILESYSTEM_READ_ONLY = Metric(
    "node_filesystem_readonly", Kind.GAUGE, "bool", "1 where nothing can be written.", _FILESYSTEM
)
FILESYSTEM_FILES = Metric(
    "node_filesystem_files",
    Kind.GAUGE,
    "files",
    "Files a filesystem can hold; 0 where there is no limit but space.",
    _FILESYSTEM,
)
FILESYSTEM_FILES_FREE = Metric(
    "node_filesystem_files_free",
    Kind.GAUGE,
    "files",
    "Files that can still be made on a filesystem.",
    _FILESYSTEM,
)
MEMORY_TOTAL = Metric("node_memory_MemTotal_bytes", Kind.GAUGE, "bytes", "Memory of the machine.")
MEMORY_AVAILABLE = Metric(
    "node_memory_MemAvailable_bytes",
    Kind.GAUGE,
    "bytes",
    "Memory that programs can have without anything being swapped out.",
)
CPU_SECONDS = Metric(
    "node_cpu_seconds_total",
    Kind.COUNTER,
    "seconds",
    "Time that each CPU spent in each mode.",
    (
        Label("cpu"),
        Label("mode", ("user", "system", "idle", "iowait", "irq", "nice", "softirq", "steal")),
    ),
)
CLOCK_OFFSET = Metric(
    "node_timex_offset_seconds",
    Kind.GAUGE,
    "seconds",
    "How far the clock is from its time source; 0 where nothing keeps it.",
)
NODE_TIME = Metric(
    "node_time_seconds",
    Kind.GAUGE,
    "seconds",
    "The machine's clock when it was scraped, since the Unix epoch.",
)

# --- blackbox exporter, where there is one --------------------------------------------------------

CERTIFICATE_EXPIRY = Metric(
    "probe_ssl_earliest_cert_expiry",
    Kind.GAUGE,
    "seconds",
    "When the first certificate of a probed chain expires, since the Unix epoch.",
)


def exporter_metrics() -> Iterator[Metric]:
    """Every metric of this module, in the order it is declared."""
    for value in globals().values():
        if isinstance(value, Metric):
            yield value


def known_metrics() -> Iterator[Metric]:
    """Every metric that rules and dashboards may read: the service's own, then those of others."""
    yield from catalogue.metrics()
    yield from exporter_metrics()
