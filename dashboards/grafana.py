"""Today's Grafana, written by grafanalib: what it lacks, and the JSON that it all becomes.

Used of grafanalib (0.7.1, of 2024): `Dashboard`, `Panel`, `RowPanel`, `Target`, `Template`,
`Annotations`, `DashboardLink`, `GridPos` and `Time`, each by its constructor and `to_json_data`.
Replaced: its kinds of panels, which are those of Grafana 6 to 9, by one `Panel` with options and
field settings of Grafana 11 to 13; what a variable has chosen at first; annotations. `to_json`
leaves out the keys that grafanalib still writes and Grafana no longer knows.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from grafanalib import core

SCHEMA_VERSION = 41
IN_CONTROLS_MENU = 3
PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
LOKI = {"type": "loki", "uid": "${logs}"}

# Dead keys of grafanalib 0.7.1, by where it writes them.
_DEAD_IN_DASHBOARD = {"__inputs", "hideControls", "rows", "sharedCrosshair", "style", "timepicker"}
_DEAD_IN_PANEL = {
    *("editable", "error", "height", "hideTimeOverride", "minSpan", "span", "transparent"),
    *("cacheTimeout", "maxPerRow", "repeatDirection"),
}
_DEAD_IN_ROW = {"fieldConfig", "links", "maxDataPoints", "targets", "transformations"}
_DEAD_IN_TARGET = {"query", "target", "metric", "step", "intervalFactor", "hide"}
_DEAD_IN_VARIABLE = {
    *("useTags", "tagsQuery", "tagValuesQuery", "auto", "auto_min", "auto_count"),
}

# grafanalib's own default is the label "All" where Grafana expects the value of all.
_ALL = {"text": ["All"], "value": ["$__all"]}


class Panel(core.Panel):  # type: ignore[misc]
    """A panel of any ``kind``, with the options and field settings of today's Grafana.

    ``shared`` is what grafanalib knows of every panel.
    """

    def __init__(
        self,
        kind: str,
        options: Mapping[str, Any],
        defaults: Mapping[str, Any],
        overrides: Sequence[Mapping[str, Any]] = (),
        **shared: Any,
    ) -> None:
        super().__init__(maxDataPoints=None, **shared)
        self.kind, self.options = kind, dict(options)
        self.defaults, self.overrides = dict(defaults), list(overrides)

    def to_json_data(self) -> dict[str, Any]:
        """What grafanalib writes of every panel, and this one's own."""
        document: dict[str, Any] = self.panel_json(
            {
                "type": self.kind,
                "options": self.options,
                "fieldConfig": {"defaults": self.defaults, "overrides": self.overrides},
            }
        )
        return document


class Target(core.Target):  # type: ignore[misc]
    """A query with what grafanalib does not know, which is written as it is."""

    def __init__(self, extra: Mapping[str, Any], **shared: Any) -> None:
        super().__init__(**shared)
        self.extra = dict(extra)

    def to_json_data(self) -> dict[str, Any]:
        """The target as grafanalib writes it, with ``extra``."""
        target: dict[str, Any] = super().to_json_data()
        if not self.interval:
            del target["interval"]
        if self.datasource == LOKI:
            del target["format"]
        return target | self.extra


class Variable(core.Template):  # type: ignore[misc]
    """A variable with the value that it has at first."""

    def __init__(self, current: Mapping[str, Any], **shared: Any) -> None:
        super().__init__(**shared)
        self.current = dict(current)

    def to_json_data(self) -> dict[str, Any]:
        """The variable as grafanalib writes it, with its first value."""
        return {**super().to_json_data(), "current": self.current}


def datasource(name: str, label: str, kind: str) -> core.Template:
    """A variable that chooses a data source of the type ``kind``; at first Grafana's default."""
    default = {"text": "default", "value": "default"}
    return Variable(default, name=name, label=label, type="datasource", query=kind)


def variable(name: str, label: str, query: str, all_value: str) -> core.Template:
    """A variable of several values and all, read again whenever the time range changes.

    ``all_value`` is what a query reads where all are chosen; it holds also where there is none.
    """
    return Variable(
        _ALL,
        name=name,
        label=label,
        dataSource=PROMETHEUS,
        query=query,
        includeAll=True,
        allValue=all_value,
        multi=True,
        refresh=core.REFRESH_ON_TIME_RANGE_CHANGE,
        sort=1,
    )


def hidden(variable: core.Template) -> core.Template:
    """``variable`` with its value, and without a place on the screen."""
    variable.hide = core.HIDE_VARIABLE
    return variable


def in_menu(variable: core.Template) -> core.Template:
    """``variable`` in the menu of the dashboard's controls, where seldom choices cost no line.

    Grafana before 12.3 has no such menu, and shows it beside the others.
    """
    variable.hide = IN_CONTROLS_MENU
    return variable


def choice(name: str, label: str, values: Sequence[str], all_value: str) -> core.Template:
    """A variable of several of ``values`` and all, which a query then reads as ``all_value``."""
    return Variable(
        _ALL,
        name=name,
        label=label,
        type="custom",
        query=",".join(values),
        includeAll=True,
        allValue=all_value,
        multi=True,
    )


def textbox(name: str, label: str) -> core.Template:
    """A variable of any text, empty at first."""
    return Variable({"text": "", "value": ""}, name=name, label=label, type="textbox", query="")


def annotation(name: str, expr: str, colour: str, title: str) -> dict[str, Any]:
    """Marks on every panel where ``expr`` has a value; ``title`` may use ``{{label}}``.

    Where it has a value for longer, the mark is a region. Its switch is hidden: it would take a
    line of the screen on each dashboard, and nobody needs it.
    """
    return {
        "name": name,
        "datasource": PROMETHEUS,
        "enable": True,
        "hide": True,
        "iconColor": colour,
        "expr": expr,
        "titleFormat": title,
    }


def links_by_tag(title: str, tag: str, tooltip: str) -> core.DashboardLink:
    """Links to all dashboards with ``tag``; time range and variables go along."""
    return core.DashboardLink(
        title=title,
        tooltip=tooltip,
        type="dashboards",
        tags=[tag],
        icon="external link",
        asDropdown=True,
        includeVars=True,
        keepTime=True,
        targetBlank=False,
    )


def row(title: str, panel_id: int, y: int, width: int, panels: Sequence[Panel]) -> core.RowPanel:
    """A heading; with ``panels``, it is closed and they are below it when it is opened."""
    heading = core.RowPanel(
        title=title,
        gridPos=core.GridPos(h=1, w=width, x=0, y=y),
        collapsed=bool(panels),
        panels=list(panels),
    )
    heading.id = panel_id
    return heading


def to_json(board: core.Dashboard) -> str:
    """The dashboard as the file that Grafana provisions or imports; stable from run to run."""
    document = json.loads(json.dumps(board, default=lambda each: each.to_json_data()))
    _drop(document, _DEAD_IN_DASHBOARD)
    for panel in document["panels"]:
        _clean_panel(panel)
    for each in document["templating"]["list"]:
        _drop(each, _DEAD_IN_VARIABLE)
    return json.dumps(_without_nulls(document), indent=2, sort_keys=True) + "\n"


def _clean_panel(panel: dict[str, Any]) -> None:
    is_row = panel["type"] == "row"
    _drop(panel, _DEAD_IN_PANEL | (_DEAD_IN_ROW if is_row else set()))
    for target in panel.get("targets", []):
        _drop(target, _DEAD_IN_TARGET)
    for inner in panel.get("panels", []):
        _clean_panel(inner)


def _drop(document: dict[str, Any], keys: set[str]) -> None:
    for key in keys & document.keys():
        del document[key]


def _without_nulls(value: Any) -> Any:
    """``value`` without nulls, save that of a first threshold step."""
    if isinstance(value, dict):
        return {
            key: _without_nulls(inner)
            for key, inner in value.items()
            if inner is not None or (key == "value" and "color" in value)
        }
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    return value
