"""Monitoring itself: whether what the other dashboards and the alerts say can be believed."""

from collections.abc import Mapping
from dataclasses import replace

from grafanalib import core

from alerts import exporters
from alerts.model import Dashboard, Signal, Unit
from alerts.signals import monitoring as prometheus
from alerts.signals import node, runtime, scraping
from app.core import catalogue
from app.core.thresholds import Thresholds
from asgi_observability.metric import Metric
from dashboards.board import Row, dashboard, tiles
from dashboards.choices import DEPLOYMENT, TARGETS, of
from dashboards.colours import Colour
from dashboards.deployments import BY
from dashboards.grafana import Panel
from dashboards.known import REACHABLE_NOW, now
from dashboards.panels import Query, state_timeline, timeseries
from dashboards.panels.states import UNKNOWN_STATE
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
            Row("", (_targets(),), height=7),
            Row("What should never happen?", (_faults_of_monitoring(thresholds),), height=18),
            Row("", (_losses(),), height=10),
            _scrapes_and_rules(thresholds),
            _said(thresholds),
        ),
    )


def _targets() -> Panel:
    ours = of(exporters.UP, scraping.ALL_OURS, DEPLOYMENT)
    unknown = f"vector({UNKNOWN_STATE})"
    none_at_all = f"{unknown} unless on () present_over_time({ours}[$__range] @ end())"
    no_target = f'label_replace({none_at_all}, "job", "No target is known", "", "")'
    up = f"{now(f'max by ({BY}, job, instance) ({ours})')} or on () ({no_target})"
    return state_timeline(
        "Which targets are up?",
        "Whether the last scrape of each target worked. Good is up, all the time.",
        Query(up, "{{job}} {{instance}}"),
        states={"0": ("down", Colour.BAD), "1": ("up", Colour.GOOD)},
        empty="Not known",
    )


def _faults_of_monitoring(thresholds: Thresholds) -> Panel:
    """What is 0 as long as nothing is wrong: a lane each, in place of a graph each."""
    watched: Mapping[str, tuple[Signal, str]] = {
        # Its alert takes what was never scraped for down; here that is not known.
        "Service down": (replace(scraping.service_down(), source=scraping.REACHABLE), TARGETS),
        "Instances missing": (scraping.missing(thresholds), TARGETS),
        "Metrics missing": (_known_to_be_none(scraping.silent()), TARGETS),
        "Targets come and go": (scraping.flapping(thresholds), TARGETS),
        "Scrapes rejected": (scraping.rejected(thresholds), DEPLOYMENT),
        "Far more samples": (scraping.cardinality(thresholds), TARGETS),
        "Far more series": (prometheus.head_series(thresholds), DEPLOYMENT),
        "Kept for too short": (prometheus.retention(), DEPLOYMENT),
        "Store fails": (prometheus.tsdb(thresholds), DEPLOYMENT),
        "Samples not sent on": (prometheus.remote_write(thresholds), DEPLOYMENT),
        "Not sent on for good": (prometheus.remote_write_lost(), DEPLOYMENT),
        "Rules skipped": (prometheus.rules_missed(), DEPLOYMENT),
        "Alerts wait": (prometheus.queue(thresholds), DEPLOYMENT),
        "Some are not taken": (prometheus.send_errors(thresholds), DEPLOYMENT),
        "Alertmanagers missing": (prometheus.cluster(), DEPLOYMENT),
        "Configurations differ": (prometheus.configurations(), DEPLOYMENT),
        "Configuration refused": (_configuration(exporters.CONFIG_RELOADED), DEPLOYMENT),
        "Alertmanager's refused": (
            _configuration(exporters.ALERTMANAGER_CONFIG_RELOADED),
            DEPLOYMENT,
        ),
        "Rules of a pair differ": (prometheus.pair_rules(), DEPLOYMENT),
        "Targets of a pair differ": (prometheus.pair_targets(), DEPLOYMENT),
        "Certificates expire": (node.certificates(thresholds), DEPLOYMENT),
    }
    return never("Prometheus and Alertmanager", watched)


def _configuration(metric: Metric) -> Signal:
    """Whether each program runs with the configuration that is on its disk."""
    return prometheus.config_reloaded("", metric)


def _known_to_be_none(watched: Signal) -> Signal:
    """``watched``, and 0 where it has no series before the first that is wrong."""
    return replace(watched, source=f"{of(watched.source)} or 0 * {REACHABLE_NOW}")


def _losses() -> Panel:
    """The same of what the orchestrator says of itself."""
    watched: Mapping[str, tuple[Signal, str]] = {
        "Measurements lost": (runtime.instrumentation(), TARGETS),
        "Labels folded": (_known_to_be_none(runtime.folded_labels()), TARGETS),
        "Workers apart": (runtime.apart(), TARGETS),
        "Events lost by rollups": (runtime.rollup_losses(), TARGETS),
        "Rollup writes failed": (runtime.rollup_store(), TARGETS),
        "Background work failed": (runtime.background(), TARGETS),
        "Background work stands": (runtime.standstill(), TARGETS),
        "Clock set back": (runtime.clock(), TARGETS),
        "Log lines lost": (runtime.log_losses(), TARGETS),
        "Log writes failed": (runtime.log_writes(), TARGETS),
    }
    return never("What the orchestrator says of itself", watched)


def _scrapes_and_rules(thresholds: Thresholds) -> Row:
    return Row(
        "Do scrapes and rules fit into their time?",
        (
            signal(scraping.scrape_duration(thresholds), "job", "instance"),
            signal(scraping.scrape_size(thresholds), "job", "instance"),
            signal(prometheus.rule_time(thresholds), "rule_group", among=DEPLOYMENT),
        ),
        widths=(12, 12, 24),
    )


def _said(thresholds: Thresholds) -> Row:
    lines = of(catalogue.LOG_LINES)
    return Row(
        "Who is told, and what is logged?",
        (
            signal(
                prometheus.notify_failures(thresholds),
                "integration",
                empty="Not known; needs a notification",
                among=DEPLOYMENT,
            ),
            timeseries(
                "Log lines by level",
                "Good is mostly info. Warnings are problems from which the service recovered; "
                "somebody has to look at errors.",
                Unit.PER_SECOND,
                Query(f"sum by (level) (rate({lines}[{_WINDOW}]))", "{{level}}"),
                links=(Dashboard.LOGS,),
            ),
        ),
    )
