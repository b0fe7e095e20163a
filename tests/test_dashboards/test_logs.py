"""The dashboard of log lines: what can be chosen, and that every panel goes by it."""

import json
from typing import Any

from app.core import catalogue
from app.core.events import BreakerChanged, SMSRouted
from dashboards.grafana import to_json
from dashboards.logs import logs_dashboard
from dashboards.queries import filled_in, panels
from tests.not_empty import not_empty

DOCUMENT = json.loads(to_json(logs_dashboard()))
VARIABLES = {each["name"]: each for each in DOCUMENT["templating"]["list"]}
OF_LOKI = [panel for panel in panels(DOCUMENT) if panel["datasource"]["type"] == "loki"]


def asked(panel: dict[str, Any], **chosen: str) -> str:
    """The LogQL of a panel with these choices."""
    (target,) = panel["targets"]
    values = {"__auto": "15s", "cluster": ".*", "environment": "test"}
    values |= {"level": ".+", "event": ".*"}
    return filled_in(target["expr"], values | chosen, panel["title"])


def test_levels_and_events_of_the_service_are_on_offer() -> None:
    assert VARIABLES["level"]["query"].split(",") == list(
        catalogue.LOG_LINES.label("level").values or ()
    )
    assert {BreakerChanged.name, SMSRouted.name} <= set(VARIABLES["event"]["query"].split(","))


def test_without_a_choice_every_line_fits_those_without_an_event_too() -> None:
    assert VARIABLES["correlation_id"]["current"] == {"text": "", "value": ""}
    assert VARIABLES["event"]["current"]["value"] == ["$__all"]
    assert VARIABLES["event"]["allValue"] == ".*"
    for panel in not_empty(OF_LOKI):
        assert '} |= `` | event=~".*"' in asked(panel, correlation_id="")


def test_every_panel_goes_by_what_is_chosen() -> None:
    assert {panel["type"] for panel in OF_LOKI} == {"timeseries", "logs"}
    for panel in not_empty(OF_LOKI):
        query = asked(panel, correlation_id="01a209b3", event="sms_routed", cluster="eu-1")
        assert "|= `01a209b3`" in query
        assert 'event=~"sms_routed"' in query
        # A line that does not say where it comes from is shown whatever is chosen.
        assert 'cluster=~"eu-1|"' in query
        assert 'environment=~"test|"' in query
