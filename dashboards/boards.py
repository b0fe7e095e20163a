"""The set of dashboards."""

from collections.abc import Iterable, Iterator

from grafanalib import core

from alerts.signals import groups
from app.core.config import Links
from app.core.thresholds import Thresholds
from dashboards.ai_and_approvals import ai_and_approvals
from dashboards.business import business_dashboard
from dashboards.grafana import PROMETHEUS, Panel, to_json
from dashboards.logs import logs_dashboard
from dashboards.monitoring import monitoring
from dashboards.overview import overview
from dashboards.runtime import runtime
from dashboards.services import services
from dashboards.signal_table import Place
from dashboards.slos_and_alerts import slos_and_alerts
from dashboards.trends import trends


def dashboard_files(thresholds: Thresholds, links: Links) -> dict[str, str]:
    """The JSON of each dashboard by the name of its file."""
    every = groups(thresholds)
    boards = {
        "overview": overview(thresholds, every, links),
        "services": services(thresholds),
        "ai_and_approvals": ai_and_approvals(thresholds),
        "business": business_dashboard(thresholds),
        "trends": trends(thresholds),
        "runtime": runtime(thresholds),
        "monitoring": monitoring(thresholds),
        "logs": logs_dashboard(),
    }
    boards["slos_and_alerts"] = slos_and_alerts(
        thresholds, every, links, list(_places(boards.values()))
    )
    return {f"{name}.json": to_json(board) for name, board in boards.items()}


def _places(boards: Iterable[core.Dashboard]) -> Iterator[Place]:
    """Where series are shown."""
    for board in boards:
        for each in board.panels:
            for panel in (each, *getattr(each, "panels", ())):
                if isinstance(panel, Panel) and panel.dataSource == PROMETHEUS:
                    yield Place.of(board.uid, panel)
