"""How every dashboard looks: panels, units, colours, variables and the JSON they become.

grafanalib is of 2024 and writes keys that today's Grafana no longer knows; `to_json` is the one
place that leaves them out.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from grafanalib import core
from grafanalib._gen import DashboardEncoder

from alerts.model import Comparison, Signal, Threshold, Unit

SCHEMA_VERSION = 41
GRID_WIDTH = 24
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
TARGETS = 'job=~"$job"'
"""What every query filters by; recorded series have no instance any more."""
TARGET_INSTANCES = f'{TARGETS},instance=~"$instance"'
"""The same for series as they are scraped."""

# Dead keys of grafanalib 0.7.1, by where it writes them.
_DEAD_IN_DASHBOARD = {"__inputs", "hideControls", "rows", "sharedCrosshair", "style", "timepicker"}
_DEAD_IN_PANEL = {
    *("editable", "error", "height", "hideTimeOverride", "minSpan", "span", "transparent"),
    *("cacheTimeout", "maxPerRow", "repeatDirection"),
}
_DEAD_IN_ROW = {"fieldConfig", "links", "maxDataPoints", "targets", "transformations"}
_DEAD_IN_TARGET = {"query", "target", "metric", "step", "intervalFactor", "interval", "hide"}
_DEAD_IN_VARIABLE = {
    *("useTags", "tagsQuery", "tagValuesQuery", "auto", "auto_min", "auto_count"),
}


class Colour(StrEnum):
    """What a colour means, on every dashboard."""

    GOOD = "green"
    WARNING = "orange"
    BAD = "red"
    NEUTRAL = "blue"


_GRAFANA_UNITS = {
    Unit.RATIO: "percentunit",
    Unit.SECONDS: "s",
    Unit.PER_SECOND: "reqps",
    Unit.COUNT: "short",
    Unit.BYTES: "bytes",
    Unit.BAND_WIDTHS: "short",
}


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel and how its series are called in the legend."""

    expr: str
    legend: str
    exemplars: bool = False
    """Whether single observations are drawn as points that lead to their log lines."""


@dataclass(frozen=True, slots=True)
class Row:
    """Panels side by side under a heading, all of one height in grid units."""

    title: str
    panels: tuple[core.Panel, ...]
    height: int = 8


def timeseries(
    title: str,
    description: str,
    unit: Unit,
    *queries: Query,
    signals: tuple[Signal, ...] = (),
) -> core.TimeSeries:
    """Lines over time, with the thresholds of ``signals`` drawn in."""
    return core.TimeSeries(
        title=title,
        description=description,
        dataSource=DATASOURCE,
        targets=_targets(queries),
        unit=_GRAFANA_UNITS[unit],
        fillOpacity=8,
        legendDisplayMode="table",
        legendCalcs=["lastNotNull", "max"],
        tooltipMode="multi",
        tooltipSort="desc",
        showPoints="never",
        stacking={"group": "A", "mode": "none"},
        maxDataPoints=None,
        thresholds=_threshold_steps(signals),
        thresholdsStyleMode="dashed" if signals else "off",
        axisSoftMin=0,
        links=_log_links(signals),
    )


def stat(
    title: str,
    description: str,
    unit: Unit,
    query: Query,
    steps: Sequence[Mapping[str, Any]],
    no_value: str,
) -> core.Stat:
    """One number with its recent course; ``no_value`` says what an empty answer means."""
    return core.Stat(
        title=title,
        description=description,
        dataSource=DATASOURCE,
        targets=_targets([query]),
        format=_GRAFANA_UNITS[unit],
        reduceCalc="lastNotNull",
        colorMode="background",
        thresholds=list(steps),
        noValue=no_value,
        maxDataPoints=None,
        extraJson={"fieldConfig": {"defaults": {"color": {"mode": "thresholds"}}}},
    )


def good_below(limit: float) -> list[dict[str, Any]]:
    """Threshold steps of a number that is good below ``limit``."""
    return [_step(Colour.GOOD, None), _step(Colour.BAD, limit)]


def good_above(limit: float) -> list[dict[str, Any]]:
    """Threshold steps of a number that is good from ``limit`` on."""
    return [_step(Colour.BAD, None), _step(Colour.GOOD, limit)]


def neutral() -> list[dict[str, Any]]:
    """Threshold steps of a number that is neither good nor bad."""
    return [_step(Colour.NEUTRAL, None)]


def signal_steps(signal: Signal) -> list[dict[str, Any]]:
    """Threshold steps of a stat that shows ``signal``, which has a threshold."""
    threshold = signal.thresholds[0]
    limit = _limit(signal.unit, threshold)
    below = threshold.comparison is Comparison.BELOW
    return good_above(limit) if below else good_below(limit)


def dashboard(
    uid: str,
    title: str,
    description: str,
    tags: Sequence[str],
    job_metric: str,
    rows: Iterable[Row],
) -> core.Dashboard:
    """A dashboard of ``rows`` with the variables datasource, job and instance.

    ``job_metric`` is a series whose ``job`` and ``instance`` values are on offer.
    """
    return core.Dashboard(
        uid=uid,
        title=title,
        description=description,
        tags=list(tags),
        editable=False,
        schemaVersion=SCHEMA_VERSION,
        graphTooltip=core.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
        refresh="30s",
        time=core.Time("now-1h", "now"),
        timezone="browser",
        templating=core.Templating(list=_variables(job_metric)),
        links=[
            core.DashboardLink(
                title="Warnings and errors in the log",
                tooltip="Loki, in the range of this dashboard",
                type="link",
                uri=logs_url('{service="orchestrator", level=~"warning|error|critical"}'),
                icon="doc",
                asDropdown=False,
                includeVars=False,
                keepTime=False,
                targetBlank=True,
            )
        ],
        panels=list(_laid_out(rows)),
    )


def to_json(board: core.Dashboard) -> str:
    """The dashboard as the file that Grafana provisions or imports; stable from run to run."""
    document = json.loads(json.dumps(board.to_json_data(), cls=DashboardEncoder))
    _drop(document, _DEAD_IN_DASHBOARD)
    for panel in document["panels"]:
        _drop(panel, _DEAD_IN_PANEL | (_DEAD_IN_ROW if panel["type"] == "row" else set()))
        for target in panel.get("targets", []):
            _drop(target, _DEAD_IN_TARGET)
    for variable in document["templating"]["list"]:
        _drop(variable, _DEAD_IN_VARIABLE)
    return json.dumps(_without_nulls(document), indent=2, sort_keys=True) + "\n"


def logs_url(logql: str) -> str:
    """Explore with the lines that ``logql`` finds in the dashboard's range, in its Loki."""
    asked = {
        "logs": {
            "datasource": "${logs}",
            "queries": [{"refId": "A", "expr": logql}],
            "range": {"from": "${__from}", "to": "${__to}"},
        }
    }
    # Grafana fills its variables in before anybody decodes the rest.
    encoded = quote(json.dumps(asked, separators=(",", ":")), safe="${}")
    return f"/explore?schemaVersion=1&panes={encoded}"


def _log_links(signals: tuple[Signal, ...]) -> list[dict[str, Any]]:
    """A link to the lines behind the alerts of ``signals``."""
    queries = {t.logs for signal in signals for t in signal.thresholds if t.logs}
    # An alert's labels are unknown here: without them, the lines of all.
    queries = {query for query in queries if "{{" not in query.logql}
    return [
        {"title": "Log lines behind this", "url": logs_url(query.logql), "targetBlank": True}
        for query in sorted(queries, key=lambda query: query.logql)
    ]


class _Target(core.Target):  # type: ignore[misc]
    """A target with what grafanalib does not know yet."""

    exemplar = False

    def to_json_data(self) -> dict[str, Any]:
        """The target; ``exemplar`` only where it is wanted."""
        target: dict[str, Any] = super().to_json_data()
        return target | ({"exemplar": True} if self.exemplar else {})


def _targets(queries: Sequence[Query]) -> list[core.Target]:
    targets = [
        _Target(
            expr=query.expr,
            legendFormat=query.legend,
            refId=chr(ord("A") + number),
            datasource=DATASOURCE,
        )
        for number, query in enumerate(queries)
    ]
    for target, query in zip(targets, queries, strict=True):
        target.exemplar = query.exemplars
    return targets


def _step(colour: Colour, value: float | None) -> dict[str, Any]:
    # The first step has no value; Grafana wants it there all the same, as null.
    return {"color": colour.value, "value": value}


def _threshold_steps(signals: tuple[Signal, ...]) -> list[dict[str, Any]]:
    """Lines at the signals' thresholds. Only lines: which side is bad is in the description."""
    limits = {_limit(signal.unit, t) for signal in signals for t in signal.thresholds}
    return [_step(Colour.GOOD, None), *(_step(Colour.BAD, limit) for limit in sorted(limits))]


def _limit(unit: Unit, threshold: Threshold) -> float:
    """The value at which a step begins: Grafana's steps are ">=", so more than 0 workers is 1."""
    whole = unit is Unit.COUNT and threshold.comparison is Comparison.ABOVE
    return threshold.value + 1 if whole else threshold.value


def _variables(job_metric: str) -> list[core.Template]:
    datasource = core.Template(
        name="datasource", label="Data source", type="datasource", query="prometheus"
    )
    datasource._current = {}
    logs = core.Template(name="logs", label="Logs", type="datasource", query="loki")
    logs._current = {}
    return [
        datasource,
        logs,
        _label_variable("job", "Job", f"label_values({job_metric}, job)"),
        _label_variable(
            "instance", "Instance", f'label_values({job_metric}{{job=~"$job"}}, instance)'
        ),
    ]


def _label_variable(name: str, label: str, query: str) -> core.Template:
    variable = core.Template(
        name=name,
        label=label,
        dataSource=DATASOURCE,
        query=query,
        includeAll=True,
        multi=True,
        refresh=core.REFRESH_ON_TIME_RANGE_CHANGE,
    )
    # grafanalib's own default is the label "All" where Grafana expects the value of all.
    variable._current = {"text": ["All"], "value": ["$__all"]}
    return variable


def _laid_out(rows: Iterable[Row]) -> Iterator[core.Panel]:
    """The panels with ids and places: each row shares the width evenly."""
    y = 0
    for number, row in enumerate(rows, start=1):
        heading = core.RowPanel(title=row.title, gridPos=core.GridPos(h=1, w=GRID_WIDTH, x=0, y=y))
        heading.id = number * 100
        yield heading
        width = GRID_WIDTH // len(row.panels)
        for column, panel in enumerate(row.panels):
            panel.id = number * 100 + column + 1
            panel.gridPos = core.GridPos(h=row.height, w=width, x=column * width, y=y + 1)
            yield panel
        y += row.height + 1


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
