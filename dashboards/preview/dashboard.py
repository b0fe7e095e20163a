"""A dashboard's JSON, as far as it is drawn."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dashboards.preview.fields import FieldConfig
from prometheus_tools.rulebook import duration

ALL = ".+"
"""What a variable matches that nothing was chosen for."""
_SHORTEST_SCHEMA = 36
"""Before it, a data source was a name and a repeated panel had another form."""
_DEFAULT_RANGE_SECONDS = 6 * 3600


class DashboardError(ValueError):
    """A file is no dashboard that can be drawn; the message says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a panel is, in cells of the grid: 24 to the width."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Place":
        """That of a ``gridPos``."""
        return cls(*(int(document[side]) for side in ("x", "y", "w", "h")))


@dataclass(frozen=True, slots=True)
class Target:
    """One query of a panel."""

    ref: str
    expr: str
    legend: str
    instant: bool
    format: str
    """``time_series``, ``table`` or ``heatmap``."""
    exemplars: bool
    min_step_seconds: float
    datasource: str
    """The type of the data source."""


@dataclass(frozen=True, slots=True)
class Transformation:
    """What is done to the answers before they are shown."""

    name: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel, and all that its JSON says about how it looks."""

    title: str
    kind: str
    document: Mapping[str, Any]
    place: Place
    targets: tuple[Target, ...]
    options: Mapping[str, Any]
    fields: FieldConfig
    transformations: tuple[Transformation, ...]
    own_range_seconds: float
    """How far back it looks whatever is chosen; 0 where it follows the dashboard."""
    shift_seconds: float
    min_step_seconds: float
    max_points: int
    """Points of a query; 0 where they follow the width."""


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and the panels below it. Those of a collapsed row are not shown in Grafana."""

    title: str
    is_collapsed: bool
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Annotation:
    """Marks on the time axis where ``expr`` is more than 0."""

    name: str
    expr: str
    colour: str
    value_is_time: bool
    """Whether the value says when it was, in milliseconds."""


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard as it is drawn. ``variables`` hold what is chosen, as PromQL takes it."""

    name: str
    uid: str
    """By which links know it, Grafana's too."""
    document: Mapping[str, Any]
    title: str
    description: str
    range_seconds: float
    variables: Mapping[str, str]
    variable_queries: Mapping[str, str]
    """Of the variables whose values Grafana asks Prometheus for."""
    annotations: tuple[Annotation, ...]
    rows: tuple[Row, ...]
    """The first has no title where panels come before any heading."""


def read(path: Path) -> Dashboard:
    """The dashboard in a file. Raises DashboardError that names the file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        version = document.get("schemaVersion", 0)
        if version < _SHORTEST_SCHEMA:
            raise DashboardError(
                f"schemaVersion {version}; open and save it in Grafana 11 or newer"
            )
        return _dashboard(path.stem, document)
    except DashboardError as error:
        raise DashboardError(f"{path}: {error}") from None
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise DashboardError(f"{path}: no dashboard of Grafana: {error!r}") from error


def _dashboard(name: str, document: Mapping[str, Any]) -> Dashboard:
    annotations = (document.get("annotations") or {}).get("list") or ()
    variables = (document.get("templating") or {}).get("list") or ()
    return Dashboard(
        name,
        str(document.get("uid") or name),
        document,
        title=str(document["title"]),
        description=str(document.get("description") or ""),
        range_seconds=_range_seconds(str((document.get("time") or {}).get("from", ""))),
        variables={
            str(variable["name"]): _chosen(variable)
            for variable in variables
            if variable["type"] not in ("datasource", "adhoc")
        },
        variable_queries={
            str(variable["name"]): str(variable.get("query") or "")
            for variable in variables
            if variable["type"] == "query"
        },
        annotations=tuple(_annotations(annotations)),
        rows=tuple(_rows(document["panels"])),
    )


def _range_seconds(start: str) -> float:
    found = re.fullmatch(r"now-(\w+)", start)
    return duration(found[1]) if found else _DEFAULT_RANGE_SECONDS


def _chosen(variable: Mapping[str, Any]) -> str:
    """What Grafana opens the dashboard with; everything, where it would ask Prometheus first."""
    chosen = (variable.get("current") or {}).get("value")
    values = [chosen] if isinstance(chosen, str) else list(chosen or ())
    if not any(values) and variable["type"] in ("constant", "textbox", "custom", "interval"):
        values = [str(variable.get("query", "")).split(",")[0].strip()]
    if not any(values) or "$__all" in values:
        return str(variable.get("allValue") or ALL)
    return values[0] if len(values) == 1 else f"({'|'.join(map(str, values))})"


def _annotations(documents: Sequence[Mapping[str, Any]]) -> Iterator[Annotation]:
    for document in documents:
        expr = document.get("expr") or (document.get("target") or {}).get("expr")
        if expr and document.get("enable", True):
            yield Annotation(
                str(document["name"]),
                str(expr),
                str(document.get("iconColor") or "red"),
                bool(document.get("useValueForTime")),
            )


def _rows(documents: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    """The panels by heading, as they follow from the top."""
    title, collapsed = "", False
    panels: list[Panel] = []
    for document in sorted(
        documents, key=lambda each: (each["gridPos"]["y"], each["gridPos"]["x"])
    ):
        if document["type"] != "row":
            panels.append(_panel(document))
            continue
        if title or panels:
            yield Row(title, collapsed, tuple(panels))
        title, collapsed = str(document.get("title") or "Row"), bool(document.get("collapsed"))
        panels = [_panel(inner) for inner in document.get("panels") or ()]
    yield Row(title, collapsed, tuple(panels))


def _panel(document: Mapping[str, Any]) -> Panel:
    kind = str(document["type"])
    return Panel(
        str(document.get("title") or ""),
        kind,
        document,
        place=Place.read(document["gridPos"]),
        targets=tuple(
            _target(target, document.get("datasource"))
            for target in document.get("targets") or ()
            if not target.get("hide")
        ),
        options=document.get("options") or {},
        fields=FieldConfig.read(document.get("fieldConfig") or {}, kind),
        transformations=tuple(
            Transformation(str(each["id"]), each.get("options") or {})
            for each in document.get("transformations") or ()
            if not each.get("disabled")
        ),
        own_range_seconds=_seconds(document.get("timeFrom")),
        shift_seconds=_seconds(document.get("timeShift")),
        min_step_seconds=_seconds(document.get("interval")),
        max_points=int(document.get("maxDataPoints") or 0),
    )


def _target(document: Mapping[str, Any], datasource: Any) -> Target:
    return Target(
        str(document.get("refId") or "A"),
        str(document.get("expr") or ""),
        legend=str(document.get("legendFormat") or ""),
        instant=bool(document.get("instant")) and not document.get("range"),
        format=str(document.get("format") or "time_series"),
        exemplars=bool(document.get("exemplar")),
        min_step_seconds=_seconds(document.get("interval")),
        datasource=_type(document.get("datasource") or datasource),
    )


def _type(datasource: Any) -> str:
    """The type of a data source; that of the default one is taken to be Prometheus."""
    return str(datasource.get("type", "")) if isinstance(datasource, Mapping) else "prometheus"


def _seconds(text: Any) -> float:
    """The seconds of a duration; 0 for none, and for one that a variable holds."""
    found = re.fullmatch(r"[>now-]*(\d[\dwdhms]*)", str(text or ""))
    return duration(found[1]) if found else 0
