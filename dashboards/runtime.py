"""Runtime: the orchestrator's processes, and the machines they run on."""

from dataclasses import replace

from grafanalib import core

from alerts.model import Dashboard, Signal, Unit
from alerts.promql import seconds
from alerts.signals import node
from alerts.signals import runtime as process
from app.core import catalogue
from app.core.thresholds import Thresholds
from asgi_observability.metric import Metric
from dashboards.board import Row, dashboard
from dashboards.choices import INSTANCES, NODES, of
from dashboards.deployments import BY, beside_release
from dashboards.grafana import Panel
from dashboards.panels import Column, Query, table, timeseries
from dashboards.panels.tables import Heading, highest
from dashboards.signals import never, signal

_NO_NODE = "Not known; node_exporter tells it"


def runtime(thresholds: Thresholds) -> core.Dashboard:
    """Whether processes and machines have what they need."""
    return dashboard(
        Dashboard.RUNTIME,
        "runtime",
        "For people who suspect the process or the machine: memory, CPU, event loop, "
        "connections, restarts, disks, clocks.",
        rows=(
            Row("", (_releases(),), height=6),
            Row("", (_rarely(thresholds),), height=7),
            _process(thresholds),
            _machines(thresholds),
        ),
    )


def _process(thresholds: Thresholds) -> Row:
    return Row(
        "Processes",
        (
            signal(process.memory(thresholds), "instance", among=INSTANCES),
            signal(process.cpu(thresholds), "instance", among=INSTANCES),
            signal(process.lag(thresholds), "instance", among=INSTANCES),
            _gauge(
                "Requests being served",
                "By instance. Good rises and falls with the traffic. If it only rises, requests "
                "hang.",
                catalogue.HTTP_SERVER_ACTIVE_REQUESTS,
                links=(Dashboard.SERVICES,),
            ),
            _gauge(
                "Open file descriptors",
                "Of all workers of an instance. Good is flat; growth day by day is a leak.",
                catalogue.PROCESS_OPEN_FDS,
            ),
        ),
        widths=(12, 12, 12, 12, 24),
    )


def _releases() -> Panel:
    """Each instance with its release, how long it runs and its workers."""

    def released(series: str) -> str:
        return f"max by ({BY}, instance, version) ({beside_release(series, INSTANCES)})"

    return table(
        "Instances and their releases",
        "What each instance runs, since when, and with how many workers. Good is one release and "
        "the same number of workers everywhere.",
        # What is left is for the longest: the names of instances.
        {"instance": "instance", "version": Heading("release", width=200)},
        Column(
            Query(released(of(process.UPTIME, among=INSTANCES)), "runs for"),
            Unit.SECONDS,
            width=120,
        ),
        Column(
            Query(released(of(catalogue.PROCESS_WORKERS, among=INSTANCES)), "workers"),
            Unit.COUNT,
            width=100,
        ),
        sort=highest("runs for"),
    )


def _machines(thresholds: Thresholds) -> Row:
    return Row(
        "Machines",
        (
            signal(node.cpu_busy(thresholds), "instance", empty=_NO_NODE, among=NODES),
            signal(node.memory_left(thresholds), "instance", empty=_NO_NODE, among=NODES),
            signal(
                node.disk_left(thresholds), "instance", "mountpoint", empty=_NO_NODE, among=NODES
            ),
        ),
        widths=(12, 12, 24),
    )


def _rarely(thresholds: Thresholds) -> Panel:
    return never(
        "What should never happen",
        {
            "Restarts": (process.restarts(thresholds), INSTANCES),
            "Memory grows": (_memory_in_a_day(thresholds), INSTANCES),
            "Disk fills": (node.disk_filling(thresholds), NODES),
            "Inodes used up": (node.inodes_left(thresholds), NODES),
            "Clocks differ": (node.clock_difference(thresholds), NODES),
        },
    )


def _memory_in_a_day(thresholds: Thresholds) -> Signal:
    """A forecast; of an instance that has just started there is none, as its warm-up is none."""
    watched = process.memory_growth(thresholds)
    forecast, runs = (of(each, among=INSTANCES) for each in (watched.source, process.UPTIME))
    known = f"clamp_min({forecast}, 0) and {runs} >= {seconds(process.GROWTH):g}"
    return replace(watched, source=known)


def _gauge(
    title: str, description: str, metric: Metric, links: tuple[Dashboard, ...] = ()
) -> Panel:
    """What each instance says of itself."""
    query = Query(of(metric, among=INSTANCES), "{{instance}}")
    return timeseries(title, description, Unit.COUNT, query, links=links)
