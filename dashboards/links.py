"""Links from one dashboard to another, with the same range and the same choices."""

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

from alerts.identity import IDENTITY
from alerts.logs import LogQuery
from alerts.model import Dashboard

TAG = "sms-orchestrator"
"""Every dashboard has it; the links between them go by it."""

_CARRIED = ("datasource", *IDENTITY, "job")


def dashboard_url(which: str) -> str:
    """Another dashboard with what is chosen here."""
    parts = ["${__url_time_range}", *(f"${{{name}:queryparam}}" for name in _CARRIED)]
    return f"/d/{which}?{'&'.join(parts)}"


def links_to(which: Sequence[Dashboard]) -> list[dict[str, Any]]:
    """A link to each of these dashboards."""
    return [{"title": f"Open {each.label}", "url": dashboard_url(each)} for each in which]


def links_to_lines(queries: Iterable[LogQuery]) -> list[dict[str, Any]]:
    """A link to the dashboard of log lines, with the lines of all ``queries`` chosen; or none."""
    # An alert's labels are unknown here.
    known = [each for each in queries if "{{" not in each.logql]
    if not known:
        return []
    events = sorted({event.name for each in known for event in each.events})
    levels = sorted({level for each in known for level in each.levels})
    chosen = [("var-event", name) for name in events] + [("var-level", name) for name in levels]
    url = f"{dashboard_url(Dashboard.LOGS)}&{urlencode(chosen)}"
    return [{"title": "Log lines behind this", "url": url}]
