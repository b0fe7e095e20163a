"""Logs: the lines behind what the other dashboards show, for those who run Loki."""

from grafanalib import core

from alerts.model import Dashboard
from app.core import catalogue
from app.core.events import declared
from dashboards import grafana
from dashboards.board import Row, dashboard
from dashboards.choices import LINES_OF
from dashboards.panels import log_rate, logs

_LEVELS = catalogue.LOG_LINES.label("level").values or ()
_SERIOUS = "warning|error|critical"

# Loki has service, level and where lines come from as labels of its streams; event is structured
# metadata. An empty text is in every line, and a line without an event fits ".*".
_CHOSEN = '|= `$correlation_id` | event=~"$event"'


def logs_dashboard() -> core.Dashboard:
    """Lines by ID, level and event."""
    return dashboard(
        Dashboard.LOGS,
        "logs",
        "For people who want to read what happened. Put a correlation, request, trace or "
        "workflow ID into the field ID to see everything about one SMS. The lines come from Loki; "
        "those that don't name a cluster or an environment are shown whatever is chosen.",
        rows=(
            _over_time(),
            Row("Warnings and errors", (_warnings(),), height=10),
            Row("All lines that match the filters", (_lines(),), height=16),
        ),
        variables=(
            grafana.in_menu(grafana.datasource("logs", "Logs", "loki")),
            grafana.textbox("correlation_id", "ID"),
            grafana.choice("level", "Level", _LEVELS, all_value=".+"),
            grafana.choice("event", "Event", _events(), all_value=".*"),
        ),
    )


def _events() -> list[str]:
    """The events of the service, not those of whoever else adopts the layer."""
    return sorted(event.name for event in declared())


def _lines_of(level: str) -> str:
    """The LogQL of the lines of ``level`` that fit the other choices."""
    return f'{{service="orchestrator",{LINES_OF},level=~"{level}"}} {_CHOSEN}'


def _counted(level: str, label: str) -> str:
    return f"sum by ({label}) (count_over_time({_lines_of(level)} [$__auto]))"


def _over_time() -> Row:
    return Row(
        "Lines over time",
        (
            log_rate(
                "Lines by level",
                "How many lines there are of each level. Good is mostly info; a burst of warnings "
                "is an upstream in trouble.",
                _counted("$level", "level"),
                "{{level}}",
            ),
            log_rate(
                "Warnings and errors by event",
                "What goes wrong, and since when. Good is none, or a few operation_retried.",
                _counted(_SERIOUS, "event"),
                "{{event}}",
            ),
        ),
    )


def _warnings() -> core.Panel:
    return logs(
        "Warnings and worse",
        "At every chosen level. Open a line to see its fields; its correlation ID links to all "
        "lines of that SMS. Good is an empty list.",
        _lines_of(_SERIOUS),
    )


def _lines() -> core.Panel:
    return logs(
        "Lines",
        "The newest first, 500 at most: choose a shorter time, a level, an event or an ID to see "
        "the rest. Good is a line of every step of an SMS, up to sms_routed.",
        _lines_of("$level"),
    )
