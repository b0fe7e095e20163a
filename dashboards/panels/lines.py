"""Log lines, from Loki."""

from alerts.model import Unit
from dashboards import grafana
from dashboards.grafana import Panel
from dashboards.panels.graphs import over_lines
from dashboards.panels.parts import GRAFANA_UNITS, no_value
from dashboards.panels.query import of_loki

NO_LINES = "No data; no line fits, or no Loki answers (docs/logs.md)"
"""True of a Loki that has no line that fits, of one that is down, and where there is none.

Grafana's panel of lines has a text of its own.
"""


def logs(title: str, description: str, logql: str) -> Panel:
    """Log lines, the newest first."""
    return Panel(
        kind="logs",
        title=title,
        description=description,
        dataSource=grafana.LOKI,
        targets=of_loki(logql, maxLines=500),
        defaults={"unit": GRAFANA_UNITS[Unit.COUNT], **no_value("")},
        options={
            "showTime": True,
            "showLabels": False,
            "showCommonLabels": False,
            # Grafana writes the level before them; the rest is there when a line is opened.
            "displayedFields": [
                *("event", "component", "operation", "step", "state"),
                *("route", "status", "error_type"),
            ],
            "wrapLogMessage": True,
            "prettifyLogMessage": False,
            "enableLogDetails": True,
            "dedupStrategy": "none",
            "sortOrder": "Descending",
        },
    )


def log_rate(title: str, description: str, logql: str, legend: str) -> Panel:
    """Log lines over time as stacked bars, counted by Loki."""
    panel = over_lines(title, description, legend, NO_LINES)
    panel.dataSource = grafana.LOKI
    panel.targets = of_loki(logql, legend)
    return panel
