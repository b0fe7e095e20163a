"""Whether what a dashboard says can be read: texts that Grafana would cut, found in its JSON."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from alerts.promql import seconds
from dashboards.deployments import WHERE
from dashboards.preview import facts
from dashboards.preview.answers import Span
from dashboards.preview.dashboard import Place
from dashboards.preview.draw.axes import plot_height, time_ticks
from dashboards.preview.lettering import text_width
from dashboards.preview.screen import content_box, panel_box
from dashboards.preview.titles import cut_titles
from dashboards.queries import panels
from dashboards.signal_table import PARTS

WINDOW, _USUAL_WINDOW = 1280, 1440
"""Pixels: in the smaller window titles are read whole, and no column is beyond the edge."""
_LONG_NAMES = {
    "instance": "orchestrator-7d9f8b6c5-x2k4z",
    "job": "orchestrator",
    "alertname": "AlertmanagerNotificationsFailing",
    "component": "notification_service",
    "http_route": "/orchestrate/escalations/{escalation_id}/resolve",
    WHERE: " eu-1 production",
}
"""What is about as long as names get that nobody knows beforehand, such as that of a pod."""
OVER_TIME = ("timeseries", "heatmap", "state-timeline")
_NAMING = ("timeseries", "state-timeline", "bargauge")
_VALUES_BESIDE = 50
"""About what labels of values take of a graph; exact is what nobody knows before it has data."""
_PACKED_ROW = re.compile(r'"row", "([^"$]+)", "", ""\)')

Document = Mapping[str, Any]


def problems(document: Document) -> Iterator[str]:
    """What is cut, of titles, names, times and tables."""
    yield from _of_titles(document)
    for panel in panels(document):
        if panel["type"] == "table":
            yield from _of_columns(panel)
            yield from _of_cells(panel)
        if panel["type"] in _NAMING:
            yield from _of_names(panel)
        if panel["type"] == "state-timeline":
            yield from _of_lanes(panel)
        if panel["type"] in OVER_TIME:
            yield from _of_times(document, panel)


def headings(panel: Mapping[str, Any]) -> Mapping[str, str]:
    """The headings of a table's columns, by what they are called before."""
    for each in panel.get("transformations", []):
        if each["id"] == "organize":
            found: Mapping[str, str] = each["options"]["renameByName"]
            return found
    return {}


def settings_of(panel: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What is set of each column or series, by its name."""
    found: dict[str, dict[str, Any]] = {}
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["id"] == "byName":
            each = found.setdefault(override["matcher"]["options"], {})
            each.update({p["id"]: p["value"] for p in override["properties"]})
    return found


def _of_titles(document: Document) -> Iterator[str]:
    """Titles are whole, those of graphs and tables beside a sign of error too.

    A tile is known by its place then; in so small a window it has no room for more than the sign.
    """
    for title in cut_titles(document, WINDOW):
        yield f"panel {title}"
    for are_tiles, window in ((False, WINDOW), (True, _USUAL_WINDOW)):
        some = [each for each in panels(document) if (each["type"] == "stat") is are_tiles]
        for title in cut_titles({"panels": some}, window, beside=facts.TITLE_ERROR):
            yield f"panel {title}, while Prometheus can't be asked"


def _of_names(panel: Mapping[str, Any]) -> Iterator[str]:
    """Names of series have room, those of lanes and bars in what Grafana gives them at the left."""
    room, spacing, size = _inner_width(panel, WINDOW), facts.LETTER_SPACING, facts.SMALL_TEXT
    match panel["type"]:
        case "state-timeline":
            room, spacing = room * facts.AXIS_SHARE, 0
        case "bargauge":
            room = room * facts.BAR_NAME_SHARE - facts.BAR_NAME_PADDING
            size = panel["options"]["text"]["titleSize"]
        case _:
            room -= facts.LEGEND_KEY + facts.LEGEND_KEY_GAP + 2 * facts.LEGEND_LIST_PADDING
    for target in panel["targets"]:
        name = _named(target["legendFormat"])
        if text_width(name, size, spacing=spacing) > room:
            yield (
                f"panel {panel['title']!r}: a name such as {name!r} is cut; give it more than "
                f"{room:.0f} pixels, or a shorter legend"
            )


def _named(legend: str) -> str:
    """``legend`` with names as long as they may be; of others nothing is known."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: _LONG_NAMES.get(found[1], ""), legend)


def _of_lanes(panel: Mapping[str, Any]) -> Iterator[str]:
    """Those of two deployments are on the first page, each as high as its name."""
    lanes, page = 2 * len(panel["targets"]), panel["options"].get("perPage", facts.LANES)
    where = f"panel {panel['title']!r}: has {lanes} lanes where two deployments run"
    if lanes > page:
        yield f"{where}, the last of which are on a further page; set perPage"
    box = content_box(panel_box(Place.read(panel["gridPos"]), WINDOW), "", has_title=True)
    if plot_height(box.inside(bottom=facts.PAGES)) < lanes * facts.AXIS_TEXT:
        yield f"{where}, which are lower than their names; make it higher"


def _of_times(document: Document, panel: Mapping[str, Any]) -> Iterator[str]:
    """Grafana leaves 8 pixels for half of the last label: too little for a day and an hour."""
    begins = panel.get("timeFrom") or document["time"]["from"]
    last = re.fullmatch(r"(?:now-)?(\d+[smhdwy])", begins)
    for window in (WINDOW, _USUAL_WINDOW):
        width = _inner_width(panel, window) - _VALUES_BESIDE
        ticks = time_ticks(Span(0, int(seconds(last[1]))), width) if last else ()
        longest = max((label for _, label in ticks), key=len, default="")
        if " " in longest:
            yield (
                f"panel {panel['title']!r}: labels times as {longest!r} in a window of {window}, "
                "of which the last is cut for hours; make it narrower"
            )


def _inner_width(panel: Mapping[str, Any], window: float) -> float:
    """What a panel has beside its border and padding."""
    room = panel_box(Place.read(panel["gridPos"]), window).width
    return room - 2 * (facts.PANEL_BORDER + facts.PANEL_PADDING)


def _of_columns(panel: Mapping[str, Any]) -> Iterator[str]:
    """Whether a table has room for its columns, and these for the names that they hold."""
    room, widths = _inner_width(panel, WINDOW), _widths(panel)
    if (needed := sum(widths.values())) > room:
        yield (
            f"panel {panel['title']!r}: its columns need {needed:g} pixels and have {room:g}; make "
            "some narrower, or the panel wider"
        )
    settings = settings_of(panel)
    for label, names in _names(panel).items():
        heading = headings(panel).get(label, "")
        if settings.get(heading, {}).get("custom.cellOptions", {}).get("wrapText"):
            continue
        has = widths.get(heading, math.inf) - 2 * facts.TABLE_CELL_PADDING
        for name in sorted(names):
            if text_width(name, facts.TEXT) > has:
                yield (
                    f"panel {panel['title']!r}: {name!r} is cut in the column {heading!r}; make it "
                    "wider, or other columns narrower"
                )


def _widths(panel: Mapping[str, Any]) -> dict[str, float]:
    """The width of each column: its own, or its share of what the others leave."""
    settings = settings_of(panel)
    shown = [h for h in headings(panel).values() if not settings.get(h, {}).get("custom.hidden")]
    own = {h: settings.get(h, {}).get("custom.width") for h in shown}
    left = _inner_width(panel, WINDOW) - sum(width for width in own.values() if width)
    share = max(left / max(list(own.values()).count(None), 1), facts.TABLE_COLUMN)
    return {heading: width or share for heading, width in own.items()}


def _names(panel: Mapping[str, Any]) -> dict[str, set[str]]:
    """By label: what its values are, or may be as long as."""
    found = {label: {name.strip()} for label, name in _LONG_NAMES.items()}
    for target in panel["targets"]:
        for row in _PACKED_ROW.findall(target["expr"]):
            for label, text in zip(PARTS, row.split("|"), strict=False):
                found.setdefault(label, set()).add(text)
    return found


def _of_cells(panel: Mapping[str, Any]) -> Iterator[str]:
    """Texts that are known beforehand and that Grafana would cut in a column of a fixed width."""
    sorted_by = {each["displayName"] for each in panel["options"].get("sortBy", ())}
    for heading, settings in settings_of(panel).items():
        room = settings.get("custom.width", math.inf) - 2 * facts.TABLE_CELL_PADDING
        texts = {heading: facts.TABLE_SORT_ICON if heading in sorted_by else 0} | {
            each["text"]: 0
            for mapping in settings.get("mappings", ())
            if mapping["type"] == "value"
            for each in mapping["options"].values()
        }
        for text, beside in texts.items():
            if text_width(text, facts.TEXT) + beside > room:
                yield (
                    f"panel {panel['title']!r}: {text!r} is cut in the column {heading!r}; "
                    f"make it wider than {room:g} pixels"
                )
