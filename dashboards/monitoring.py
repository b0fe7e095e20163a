"""Monitoring itself: whether what the other dashboards and the alerts say can be believed."""

from collections.abc import Mapping
from dataclasses import replace

from grafanalib import core

from alerts import exporters
from alerts.model import Dashboard, Signal, Unit
from alerts.promql import quantile
from alerts.signals import monitoring as prometheus
from alerts.signals import node, runtime, scraping
from app.core import catalogue
from app.core.thresholds import Thresholds
from dashboards.board import Row, dashboard, tiles
from dashboards.choices import DEPLOYMENT, INSTANCES, TARGETS, of
from dashboards.colours import Colour
from dashboards.grafana import Panel
from dashboards.panels import Query, state_timeline, timeseries
from dashboards.panels.states import or_unknown
from dashboards.signals import never, signal, signal_stat

_WINDOW = "$__rate_interval"


def monitoring(thresholds: Thresholds) -> core.Dashboard:
    """From the scrape to the person who is notified."""
    return dashboard(
        Dashboard.MONITORING,
        "monitoring itself",
        "For people who doubt what they see, or ask why nobody was called: scrapes, rules, the "
        "path of an alert, and which of its own counts and logs the orchestrator loses.",
        rows=(
            tiles(
                "",
                signal_stat("Newest sample", prometheus.ingesting(thresholds)),
                signal_stat("Failing rules", prometheus.rule_failures(), among=DEPLOYMENT),
                signal_stat("Alertmanagers", prometheus.alertmanagers(), among=DEPLOYMENT),
                signal_stat(
                    "Alerts not sent", prometheus.undelivered(thresholds), among=DEPLOYMENT
                ),
                signal_stat("Not told", prometheus.notify_failures(thresholds), among=DEPLOYMENT),
            ),
            Row(
                "What is scraped, and what is lost on the way?",
                (_targets(), _faults(thresholds)),
                height=16,
                widths=(12, 12),
            ),
            _scrapes(thresholds),
            _rules_and_store(thresholds),
            _way_of_alerts(thresholds),
            _own_observations(),
            Row("Configurations in use", (_configurations_taken(),), height=5),
        ),
    )


def _targets() -> Panel:
    ours = of(exporters.UP, scraping.ALL_OURS, DEPLOYMENT)
    no_target = 'label_replace(vector(NaN), "job", "No target is known", "", "")'
    return state_timeline(
        "Which targets are up?",
        "Whether the last scrape of each target worked. Good is up, all the time.",
        Query(f"max by (job, instance) ({ours}) or on () ({no_target})", "{{job}} {{instance}}"),
        states={"0": ("down", Colour.BAD), "1": ("up", Colour.GOOD)},
        empty="Not known",
    )


def _faults(thresholds: Thresholds) -> Panel:
    """What is 0 as long as nothing is wrong: a lane each, in place of a graph each."""
    watched: Mapping[str, tuple[Signal, str]] = {
        # Its alert takes what was never scraped for down; here that is not known.
        "Service down": (replace(scraping.service_down(), source=scraping.REACHABLE), TARGETS),
        "Scrapes rejected": (scraping.rejected(thresholds), DEPLOYMENT),
        "Metrics missing": (scraping.silent(), TARGETS),
        "Targets come and go": (scraping.flapping(thresholds), TARGETS),
        "Rules skipped": (prometheus.rules_missed(), DEPLOYMENT),
        "Store fails": (prometheus.tsdb(thresholds), DEPLOYMENT),
        "Measurements lost": (runtime.instrumentation(), INSTANCES),
        "Events lost by rollups": (runtime.rollup_losses(), INSTANCES),
        "Rollup writes failed": (runtime.rollup_store(), INSTANCES),
        "Background work failed": (runtime.background(), INSTANCES),
        "Background work stands": (runtime.standstill(), INSTANCES),
        "Workers apart": (runtime.apart(), INSTANCES),
        "Clock set back": (runtime.clock(), INSTANCES),
        "Labels folded": (runtime.folded_labels(), INSTANCES),
        "Log lines lost": (runtime.log_losses(), INSTANCES),
        "Log writes failed": (runtime.log_writes(), INSTANCES),
        "Instances missing": (scraping.missing(thresholds), TARGETS),
        "Alertmanagers missing": (prometheus.cluster(), DEPLOYMENT),
        "Configurations differ": (prometheus.configurations(), DEPLOYMENT),
        "Certificates expire": (node.certificates(thresholds), DEPLOYMENT),
    }
    return never("What should never happen", watched)


def _scrapes(thresholds: Thresholds) -> Row:
    return Row(
        "Scrapes",
        (
            signal(scraping.scrape_duration(thresholds), "job", "instance", among=INSTANCES),
            signal(scraping.scrape_size(thresholds), "job", "instance", among=INSTANCES),
            signal(scraping.cardinality(thresholds), "job", empty="Not known; needs a day"),
        ),
    )


def _rules_and_store(thresholds: Thresholds) -> Row:
    return Row(
        "Rules and store",
        (
            signal(prometheus.rule_time(thresholds), "rule_group", among=DEPLOYMENT),
            signal(
                prometheus.head_series(thresholds),
                "instance",
                empty="Not known; needs a day",
                among=DEPLOYMENT,
            ),
            signal(prometheus.retention(), "instance", among=DEPLOYMENT),
            signal(
                prometheus.remote_write(thresholds),
                "remote_name",
                empty="Not known; needs remote_write",
                among=DEPLOYMENT,
            ),
        ),
        widths=(24, 8, 8, 8),
    )


def _way_of_alerts(thresholds: Thresholds) -> Row:
    return Row(
        "From alert to people",
        (
            signal(prometheus.queue(thresholds), "instance", among=DEPLOYMENT),
            signal(prometheus.send_errors(thresholds), "alertmanager", among=DEPLOYMENT),
            signal(prometheus.notify_failures(thresholds), "integration", among=DEPLOYMENT),
        ),
    )


def _own_observations() -> Row:
    flush = of(catalogue.ROLLUP_FLUSH_DURATION.bucket, among=INSTANCES)
    lines = of(catalogue.LOG_LINES, among=INSTANCES)
    return Row(
        "What the orchestrator writes about itself",
        (
            timeseries(
                "Time to store the rollups",
                "p99 of a write to the JSON metrics' store. Good is well below a second; nothing "
                "else waits for it.",
                Unit.SECONDS,
                Query(quantile(0.99, flush, "instance", _WINDOW), "{{instance}}"),
            ),
            timeseries(
                "Log lines by level",
                "Good is mostly info. Warnings are problems from which the service recovered; "
                "somebody has to look at errors.",
                Unit.PER_SECOND,
                Query(f"sum by (level) (rate({lines}[{_WINDOW}]))", "{{level}}"),
                links=(Dashboard.LOGS,),
            ),
            timeseries(
                "Lines that wait to be written",
                "By instance. Good is almost nothing; lines that don't fit into the queue are "
                "lost.",
                Unit.BYTES,
                Query(of(catalogue.LOG_QUEUE_BYTES, among=INSTANCES), "{{instance}}"),
            ),
        ),
    )


def _configurations_taken() -> Panel:
    """Whether each program runs with the configuration that is on its disk."""
    programs = {
        "Prometheus": (exporters.CONFIG_RELOADED, DEPLOYMENT),
        "Alertmanager": (exporters.ALERTMANAGER_CONFIG_RELOADED, DEPLOYMENT),
    }
    meaning = prometheus.config_reloaded("Prometheus", exporters.CONFIG_RELOADED).meaning
    return state_timeline(
        "Configurations in use",
        meaning,
        *(
            Query(or_unknown(f"min({of(metric, among=among)})"), program)
            for program, (metric, among) in programs.items()
        ),
        states={"0": ("refused", Colour.WARNING), "1": ("in use", Colour.GOOD)},
        empty="Not known",
    )
