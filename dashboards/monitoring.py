"""Monitoring itself: whether what the other dashboards and the alerts say can be believed."""

from grafanalib import core

from alerts import exporters
from alerts.model import Dashboard, Unit
from alerts.promql import quantile
from alerts.signals import monitoring as prometheus
from alerts.signals import node, runtime, scraping
from app.core import catalogue
from app.core.thresholds import Thresholds
from dashboards.board import Row, dashboard
from dashboards.choices import ALERTMANAGERS, INSTANCES, PROMETHEUSES, of
from dashboards.colours import Colour, steps
from dashboards.grafana import Panel
from dashboards.panels import Query, stacked, stat, state_timeline, timeseries
from dashboards.signals import alerts_in_words, signal, signal_stat

_WINDOW = "$__rate_interval"
_NOTHING_SENT = "No alert was sent"
_NOBODY_NOTIFIED = "Nobody was notified"
_SINCE_A_DAY = "Known after a day"


def monitoring(thresholds: Thresholds) -> core.Dashboard:
    """From the scrape to the person who is notified."""
    return dashboard(
        Dashboard.MONITORING,
        "monitoring itself",
        "For people who doubt what they see, or ask why nobody was called: scrapes, rules, the "
        "path of an alert, and which of its own counts and logs the orchestrator loses.",
        rows=(
            _is_it_well(thresholds),
            _targets(thresholds),
            _rules_and_store(thresholds),
            _way_of_alerts(thresholds),
            _own_observations(),
            _rarely_needed(thresholds),
        ),
    )


def _is_it_well(thresholds: Thresholds) -> Row:
    up = of(exporters.UP, among=INSTANCES)
    return Row(
        "Can the figures be believed?",
        height=5,
        panels=(
            stat(
                "Targets down",
                "Targets whose last scrape failed. Good is 0.",
                Unit.COUNT,
                Query(f"count({up}) - sum({up})", "down"),
                steps(Colour.GOOD, (1, Colour.BAD)),
                empty="Prometheus has no targets",
            ),
            signal_stat("Newest sample", prometheus.ingesting(thresholds)),
            signal_stat("Failing rules", prometheus.rule_failures(), among=PROMETHEUSES),
            signal_stat("Fewest Alertmanagers", prometheus.alertmanagers(), among=PROMETHEUSES),
            signal_stat(
                "Alerts lost",
                prometheus.undelivered(thresholds),
                _NOTHING_SENT,
                PROMETHEUSES,
                (Dashboard.ALERTS,),
            ),
            signal_stat(
                "Notifications failed",
                prometheus.notify_failures(thresholds),
                _NOBODY_NOTIFIED,
                ALERTMANAGERS,
                (Dashboard.ALERTS,),
            ),
            signal_stat(
                "Series compared with yesterday",
                prometheus.head_series(thresholds),
                _SINCE_A_DAY,
                PROMETHEUSES,
            ),
            signal_stat("Lost measurements", runtime.instrumentation(), among=INSTANCES),
        ),
    )


def _targets(thresholds: Thresholds) -> Row:
    return Row(
        "Targets",
        (
            state_timeline(
                "Which targets are up?",
                "Whether the last scrape of each target worked. Good is up, all the time.",
                Query(
                    f"max by (job, instance) ({of(exporters.UP, among=INSTANCES)})",
                    "{{job}} {{instance}}",
                ),
                states={"0": ("down", Colour.BAD), "1": ("up", Colour.GOOD)},
                empty="Prometheus has no targets",
            ),
            signal(scraping.service_down(), "job"),
            signal(scraping.missing(thresholds), "job", empty="No instance is a target"),
            signal(scraping.silent(), "metric", empty="None is missing"),
            signal(scraping.flapping(thresholds), "job", "instance", among=INSTANCES),
            signal(scraping.scrape_duration(thresholds), "job", "instance", among=INSTANCES),
            signal(scraping.scrape_size(thresholds), "job", "instance", among=INSTANCES),
            signal(scraping.cardinality(thresholds), "job", empty=_SINCE_A_DAY),
            signal(scraping.rejected(thresholds), "instance", among=PROMETHEUSES),
        ),
        columns=3,
    )


def _rules_and_store(thresholds: Thresholds) -> Row:
    return Row(
        "Rules and store",
        (
            signal(prometheus.rule_failures(), "rule_group", among=PROMETHEUSES),
            signal(prometheus.rule_time(thresholds), "rule_group", among=PROMETHEUSES),
            signal(prometheus.rules_missed(), "rule_group", among=PROMETHEUSES),
            timeseries(
                "Series in memory",
                "Series of about the last two hours; each takes some kilobytes. Good is flat; "
                "each release and each restart adds some for a while.",
                Unit.COUNT,
                Query(of(exporters.HEAD_SERIES, among=PROMETHEUSES), "{{instance}}"),
            ),
            signal(prometheus.tsdb(thresholds), "instance", among=PROMETHEUSES),
            signal(prometheus.retention(), "instance", among=PROMETHEUSES),
        ),
        columns=3,
    )


def _way_of_alerts(thresholds: Thresholds) -> Row:
    return Row(
        "From alert to people",
        (
            signal(prometheus.queue(thresholds), "instance", among=PROMETHEUSES),
            signal(
                prometheus.send_errors(thresholds),
                "alertmanager",
                empty=_NOTHING_SENT,
                among=PROMETHEUSES,
            ),
            signal(
                prometheus.notify_failures(thresholds),
                "integration",
                empty=_NOBODY_NOTIFIED,
                among=ALERTMANAGERS,
            ),
        ),
    )


def _own_observations() -> Row:
    flush = of(catalogue.ROLLUP_FLUSH_DURATION.bucket, among=INSTANCES)
    return Row(
        "What the orchestrator stores about itself",
        (
            timeseries(
                "Time to store the rollups",
                "99th percentile of a write to the JSON metrics' store. Good is well below a "
                "second; nothing else waits for it.",
                Unit.SECONDS,
                Query(quantile(0.99, flush, "instance", _WINDOW), "{{instance}}"),
                empty="No flush in this time",
            ),
            signal(runtime.background(), "task", among=INSTANCES),
            signal(runtime.standstill(), "task", among=INSTANCES),
            signal(runtime.apart(), "instance", among=INSTANCES),
            signal(runtime.rollup_store(), "instance", among=INSTANCES),
            signal(runtime.rollup_losses(), "instance", among=INSTANCES),
            signal(runtime.clock(), "instance", among=INSTANCES),
            signal(runtime.folded_labels(), "label", among=INSTANCES, empty="None was folded"),
            stacked(
                "Log lines a second by level",
                "Good is mostly info. Warnings are problems from which the service recovered; "
                "somebody has to look at errors.",
                Unit.COUNT,
                Query(
                    f"sum by (level) (rate({of(catalogue.LOG_LINES, among=INSTANCES)}[{_WINDOW}]))",
                    "{{level}}",
                ),
                links=(Dashboard.LOGS,),
            ),
            signal(runtime.log_losses(), "reason", among=INSTANCES, links=(Dashboard.LOGS,)),
            signal(runtime.log_writes(), "sink", among=INSTANCES),
            timeseries(
                "Lines that wait to be written",
                "By instance. Good is almost nothing; lines that don't fit into the queue are "
                "lost.",
                Unit.BYTES,
                Query(of(catalogue.LOG_QUEUE_BYTES, among=INSTANCES), "{{instance}}"),
            ),
        ),
        columns=3,
    )


def _rarely_needed(thresholds: Thresholds) -> Row:
    return Row(
        "Configurations, cluster, certificates",
        (
            _configurations_taken(),
            signal(prometheus.configurations(), "job", empty="No Alertmanager is in a cluster"),
            signal(
                prometheus.cluster(),
                "instance",
                empty="Alertmanager runs alone",
                among=ALERTMANAGERS,
            ),
            signal(node.certificates(thresholds), "instance", empty="No certificate is probed"),
        ),
        closed=True,
    )


def _configurations_taken() -> Panel:
    """Whether each program runs with the configuration that is on its disk."""
    programs = {
        "Prometheus": (exporters.CONFIG_RELOADED, PROMETHEUSES),
        "Alertmanager": (exporters.ALERTMANAGER_CONFIG_RELOADED, ALERTMANAGERS),
    }
    signals = tuple(
        prometheus.config_reloaded(program, metric) for program, (metric, _) in programs.items()
    )
    return timeseries(
        "Configurations in use",
        f"{signals[0].meaning}\n\n{alerts_in_words(signals[0])}",
        Unit.COUNT,
        *(
            Query(of(metric, among=among), f"{program} {{{{instance}}}}")
            for program, (metric, among) in programs.items()
        ),
        signals=signals,
    )
