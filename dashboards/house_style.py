"""How every dashboard looks: the kinds of panels, units, colours, thresholds, variables and links.

A panel's title names a quantity or asks a question; its description says what good looks like;
``empty`` says what it means that there is nothing to show, and is given only where that can be so.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote
from zlib import crc32

from grafanalib import core

from alerts.exporters import NODE_TIME, SYNTHETIC_HISTORY
from alerts.model import Comparison, Dashboard, Record, Severity, Signal, Threshold, Unit
from app.core import catalogue
from app.core.catalogue import ApprovalAction, BreakerState, PlanResult, Route, StepStatus
from app.core.catalogue import Severity as Urgency
from asgi_observability.catalogue import Outcome
from asgi_observability.metric import Metric
from dashboards import grafana
from dashboards.grafana import Panel

GRID_WIDTH = 24
TAG = "sms-orchestrator"
"""Every dashboard has it; the links between them go by it."""
LOG_LINES = '{service="orchestrator", level=~"warning|error|critical"}'

TARGETS = 'job=~"$job"'
"""What queries over recorded series filter by: those have no instance any more."""
INSTANCES = f'{TARGETS},instance=~"$instance"'
"""The same for series by instance."""
NODES = 'instance=~"$node"'
"""The same for machines, on dashboards that have the variable `node_variable`."""

SERIES_AT_MOST = {
    "stat": 1,
    "bargauge": 12,
    "heatmap": 40,
    "state-timeline": 20,
    "table": 60,
    "timeseries": 30,
}
"""How many series a panel of each kind can show and still be read, of one instance."""


class Colour(StrEnum):
    """What a colour means, on every dashboard."""

    GOOD = "green"
    WARNING = "orange"
    BAD = "red"
    NEUTRAL = "blue"
    OTHER = "purple"
    MUTED = "text"
    MADE_UP = "yellow"


MEANING: Mapping[str, Colour] = {
    Outcome.SUCCESS: Colour.GOOD,
    Outcome.ERROR: Colour.BAD,
    Outcome.CANCELLED: Colour.WARNING,
    Route.AUTO_SENT: Colour.GOOD,
    Route.QUEUED: Colour.NEUTRAL,
    Route.ESCALATED: Colour.WARNING,
    Route.FAILED: Colour.BAD,
    StepStatus.COMPLETED: Colour.GOOD,
    StepStatus.SKIPPED: Colour.NEUTRAL,
    ApprovalAction.APPROVE: Colour.GOOD,
    ApprovalAction.MODIFY: Colour.NEUTRAL,
    ApprovalAction.ESCALATE: Colour.WARNING,
    PlanResult.VALID: Colour.GOOD,
    PlanResult.NEEDS_REVIEW: Colour.NEUTRAL,
    PlanResult.INVALID: Colour.WARNING,
    BreakerState.CLOSED: Colour.GOOD,
    BreakerState.HALF_OPEN: Colour.WARNING,
    BreakerState.OPEN: Colour.BAD,
    Urgency.LOW: Colour.GOOD,
    Urgency.MEDIUM: Colour.NEUTRAL,
    Urgency.HIGH: Colour.WARNING,
    Urgency.CRITICAL: Colour.BAD,
    "info": Colour.NEUTRAL,
    "warning": Colour.WARNING,
}
"""The colours of label values, wherever a series is called by one of them alone."""

_MATCHER = re.compile(r'((\w+)(?:=~|!~|!=|=)"[^"]*")')

_SHORTENED = {"rule_group": ".*;(.+)"}
"""What a legend shows of a label's value: a group's name is enough, without its file's path."""

_SEVERITY_COLOURS = {
    Severity.INFO: Colour.NEUTRAL,
    Severity.TICKET: Colour.WARNING,
    Severity.PAGE: Colour.BAD,
}

_GRAFANA_UNITS = {
    Unit.RATIO: "percentunit",
    Unit.SECONDS: "s",
    Unit.PER_SECOND: "reqps",
    Unit.COUNT: "short",
    Unit.BYTES: "bytes",
}


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel and how its series are called in the legend.

    ``exemplars``: single observations are drawn as points that lead to their log lines. ``colour``
    is for queries with one series whose colour has a meaning. ``step`` is the least time between
    two points, such as ``1h`` for sums of an hour, so that none is counted twice.
    """

    expr: str
    legend: str
    exemplars: bool = False
    colour: Colour | None = None
    step: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the value of ``query`` in each row, under ``query.legend``."""

    query: Query
    unit: Unit
    steps: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """Panels side by side under a heading, all of one height in grid units.

    They share the width evenly, as many side by side as there are ``columns``, or have the
    ``widths``. A ``closed`` row asks nothing of Prometheus before somebody opens it.
    """

    title: str
    panels: tuple[Panel, ...]
    height: int = 8
    widths: tuple[int, ...] = ()
    columns: int = 0
    closed: bool = False


# --- Queries -------------------------------------------------------------------------------------


def of(source: Record | Metric | str, matchers: str = "", among: str = TARGETS) -> str:
    """The series ``source`` that fit ``matchers``, of what is chosen on the dashboard."""
    name = source.name if isinstance(source, Metric) else str(source)
    return f"{name}{{{','.join(filter(None, (matchers, among)))}}}"


# --- Panels --------------------------------------------------------------------------------------


def timeseries(
    title: str,
    description: str,
    unit: Unit,
    *queries: Query,
    signals: tuple[Signal, ...] = (),
    empty: str = "",
    links: tuple[Dashboard, ...] = (),
) -> Panel:
    """Lines over time, with the thresholds of ``signals`` drawn in."""
    return _graph(
        title,
        description,
        unit=unit,
        queries=queries,
        signals=signals,
        empty=empty,
        links=links,
        look=_LINES,
    )


def stacked(
    title: str,
    description: str,
    unit: Unit,
    *queries: Query,
    empty: str = "",
    links: tuple[Dashboard, ...] = (),
) -> Panel:
    """Parts of a whole over time, one upon the other."""
    return _graph(
        title,
        description,
        unit=unit,
        queries=queries,
        signals=(),
        empty=empty,
        links=links,
        look=_STACKED,
    )


def bars(
    title: str,
    description: str,
    unit: Unit,
    *queries: Query,
    empty: str = "",
    links: tuple[Dashboard, ...] = (),
) -> Panel:
    """Counts over time as stacked bars; each query has a ``step`` as long as what it counts."""
    return _graph(
        title,
        description,
        unit=unit,
        queries=queries,
        signals=(),
        empty=empty,
        links=links,
        look=_BARS,
    )


def band(
    title: str,
    description: str,
    unit: Unit,
    value: Query,
    baseline: Query,
    lower: Query,
    upper: Query,
    empty: str = "",
) -> Panel:
    """A line in the band where it usually is."""
    panel = _graph(
        title,
        description,
        unit=unit,
        queries=(value, baseline, upper, lower),
        signals=(),
        empty=empty,
        links=(),
        look=_LINES,
    )
    panel.overrides = [
        _override(value.legend, color=_fixed(Colour.NEUTRAL), custom__lineWidth=2),
        _override(
            baseline.legend,
            color=_fixed(Colour.MUTED),
            custom__lineStyle={"fill": "dash", "dash": [6, 6]},
            custom__fillOpacity=0,
        ),
        _override(
            upper.legend,
            color=_fixed(Colour.GOOD),
            custom__lineWidth=0,
            custom__fillOpacity=15,
            custom__fillBelowTo=lower.legend,
        ),
        _override(
            lower.legend, color=_fixed(Colour.GOOD), custom__lineWidth=0, custom__fillOpacity=0
        ),
    ]
    return panel


def stat(
    title: str,
    description: str,
    unit: Unit,
    query: Query,
    steps: Sequence[Mapping[str, Any]],
    empty: str = "",
    links: tuple[Dashboard, ...] = (),
) -> Panel:
    """One number, coloured by ``steps``, with its recent course."""
    return Panel(
        kind="stat",
        title=title,
        description=description,
        dataSource=grafana.PROMETHEUS,
        targets=_targets([query]),
        defaults={
            "unit": _GRAFANA_UNITS[unit],
            "color": {"mode": "thresholds"},
            "thresholds": _thresholds(steps),
            **_no_value(empty),
        },
        options={
            "colorMode": "background",
            "graphMode": "area",
            "justifyMode": "auto",
            "orientation": "auto",
            "textMode": "value",
            "reduceOptions": _LAST,
        },
        links=_panel_links(links),
    )


def figure(
    title: str,
    description: str,
    unit: Unit,
    query: Query,
    steps: Sequence[Mapping[str, Any]],
    empty: str = "",
    links: tuple[Dashboard, ...] = (),
) -> Panel:
    """One number as of the end of the range, coloured by ``steps``.

    What is no longer known is not shown, where `stat` shows what was known last. The query may
    look back over the whole range.
    """
    panel = stat(title, description, unit=unit, query=query, steps=steps, empty=empty, links=links)
    panel.targets = _targets([query], extra={"instant": True, "range": False})
    panel.options["graphMode"] = "none"
    return panel


def bar_gauge(
    title: str,
    description: str,
    unit: Unit,
    query: Query,
    steps: Sequence[Mapping[str, Any]],
    empty: str = "",
    links: tuple[Dashboard, ...] = (),
    limits: tuple[float | None, float | None] = (0, None),
) -> Panel:
    """The present value of each series as a bar, coloured by ``steps``, within ``limits``."""
    least, most = limits
    return Panel(
        kind="bargauge",
        title=title,
        description=description,
        dataSource=grafana.PROMETHEUS,
        targets=_targets([query], extra={"instant": True, "range": False}),
        defaults={
            "unit": _GRAFANA_UNITS[unit],
            "min": least,
            "max": most,
            "color": {"mode": "thresholds"},
            "thresholds": _thresholds(steps),
            **_no_value(empty),
        },
        options={
            "displayMode": "basic",
            "orientation": "horizontal",
            "showUnfilled": True,
            "valueMode": "color",
            "namePlacement": "auto",
            "reduceOptions": _LAST,
        },
        links=_panel_links(links),
    )


def bar_list(
    title: str,
    description: str,
    unit: Unit,
    *queries: Query,
    empty: str = "",
    links: tuple[Dashboard, ...] = (),
) -> Panel:
    """The present value of each query as a bar, from top to bottom as they are given."""
    panel = bar_gauge(
        title, description, unit=unit, query=queries[0], steps=neutral(), empty=empty, links=links
    )
    panel.targets = _targets(queries, extra={"instant": True, "range": False})
    panel.overrides = list(_colours_of_queries(queries))
    return panel


def heatmap(
    title: str,
    description: str,
    unit: Unit,
    query: Query,
    empty: str = "",
    links: tuple[Dashboard, ...] = (),
) -> Panel:
    """How often each duration or share occurs; ``query`` gives rates of buckets by ``le``."""
    panel = _cells(
        title, description, empty=empty, unit=_GRAFANA_UNITS[unit], cells="short", links=links
    )
    panel.targets = _targets([query], extra={"format": "heatmap"})
    panel.options["yAxis"]["unit"] = _GRAFANA_UNITS[unit]
    return panel


def rows_heatmap(
    title: str,
    description: str,
    unit: Unit,
    *queries: Query,
    last: str,
    empty: str = "",
) -> Panel:
    """A row of coloured cells for each query, over the ``last`` time, whatever is chosen."""
    panel = _cells(
        title,
        description,
        empty=empty,
        unit=_GRAFANA_UNITS[unit],
        cells=_GRAFANA_UNITS[unit],
        links=(),
    )
    panel.targets = _targets(queries)
    panel.timeFrom = last
    return panel


def state_timeline(
    title: str,
    description: str,
    *queries: Query,
    states: Mapping[str, tuple[str, Colour]],
    empty: str = "",
    links: tuple[Dashboard, ...] = (),
) -> Panel:
    """A lane for each series, coloured by the state it is in.

    ``states`` has the text and the colour of each value.
    """
    mapped = {
        value: {"text": text, "color": colour.value, "index": index}
        for index, (value, (text, colour)) in enumerate(states.items())
    }
    return Panel(
        kind="state-timeline",
        title=title,
        description=description,
        dataSource=grafana.PROMETHEUS,
        targets=_targets(queries),
        defaults={
            "unit": "short",
            "color": {"mode": "thresholds"},
            "thresholds": _thresholds(neutral()),
            "mappings": [{"type": "value", "options": mapped}],
            "custom": {"fillOpacity": 80, "lineWidth": 0},
            **_no_value(empty),
        },
        options={
            "mergeValues": True,
            "rowHeight": 0.85,
            "showValue": "auto",
            "alignValue": "left",
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "single", "sort": "none"},
        },
        links=_panel_links(links),
    )


def table(
    title: str,
    description: str,
    labels: Mapping[str, str],
    *columns: Column,
    sort_by: str,
    empty: str = "",
    links: tuple[Dashboard, ...] = (),
) -> Panel:
    """A row for each set of label values, highest ``sort_by`` first.

    ``labels`` has the heading of each label that is shown; the queries have to keep exactly those.
    """
    targets = _targets(
        [column.query for column in columns],
        extra={"format": "table", "instant": True, "range": False},
    )
    values = {
        f"Value #{target.refId}" if len(columns) > 1 else "Value": column.query.legend
        for target, column in zip(targets, columns, strict=True)
    }
    order = [*labels, *values]
    return Panel(
        kind="table",
        title=title,
        description=description,
        dataSource=grafana.PROMETHEUS,
        targets=targets,
        transformations=[
            *([{"id": "merge", "options": {}}] if len(columns) > 1 else []),
            {
                "id": "organize",
                "options": {
                    "excludeByName": {"Time": True},
                    "indexByName": {name: index for index, name in enumerate(order)},
                    "renameByName": {**labels, **values},
                },
            },
        ],
        defaults={
            "unit": "short",
            "thresholds": _thresholds(neutral()),
            "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True},
            **_no_value(empty),
        },
        overrides=[_column_override(column) for column in columns],
        options={
            "showHeader": True,
            "cellHeight": "sm",
            "sortBy": [{"displayName": sort_by, "desc": True}],
        },
        links=_panel_links(links),
    )


def over(last: str, panel: Panel) -> Panel:
    """``panel`` with the ``last`` time, such as ``30d``, whatever is chosen."""
    panel.timeFrom = last
    return panel


def logs(title: str, description: str, logql: str, empty: str) -> Panel:
    """Log lines from Loki, the newest first."""
    return Panel(
        kind="logs",
        title=title,
        description=description,
        dataSource=grafana.LOKI,
        targets=[
            grafana.Target(
                expr=logql,
                refId="A",
                datasource=grafana.LOKI,
                extra={"queryType": "range", "maxLines": 500},
            )
        ],
        defaults={"unit": "short", **_no_value(empty)},
        options={
            "showTime": True,
            "showLabels": False,
            "showCommonLabels": False,
            "wrapLogMessage": True,
            "prettifyLogMessage": False,
            "enableLogDetails": True,
            "dedupStrategy": "none",
            "sortOrder": "Descending",
        },
    )


def log_rate(title: str, description: str, logql: str, legend: str, empty: str) -> Panel:
    """Log lines over time as stacked bars, counted by Loki."""
    query = Query(logql, legend)
    panel = _graph(
        title,
        description,
        unit=Unit.COUNT,
        queries=(query,),
        signals=(),
        empty=empty,
        links=(),
        look=_BARS,
    )
    panel.dataSource = grafana.LOKI
    panel.targets = [
        grafana.Target(
            expr=logql,
            legendFormat=legend,
            refId="A",
            datasource=grafana.LOKI,
            extra={"queryType": "range"},
        )
    ]
    return panel


def signal(
    watched: Signal,
    *legend_labels: str,
    empty: str = "",
    among: str = TARGETS,
    links: tuple[Dashboard, ...] = (),
) -> Panel:
    """What ``watched`` is, with the thresholds of its alerts and when they fire.

    Its series are called by the ``legend_labels``, with values of theirs that have no alert as
    well. ``among`` filters them, where the signal is a series and not an expression of its own.
    """
    legend = " ".join(f"{{{{{label}}}}}" for label in legend_labels) or watched.title
    matchers = _matchers_of(watched, legend_labels)
    expr = _series_of(watched, matchers, among)
    for label in sorted(_SHORTENED.keys() & set(legend_labels)):
        expr = f'label_replace({expr}, "{label}", "$1", "{label}", "{_SHORTENED[label]}")'
    return timeseries(
        watched.title,
        _description(watched),
        watched.unit,
        Query(expr, legend),
        signals=(watched,),
        empty=empty,
        links=links,
    )


def signal_stat(
    title: str,
    watched: Signal,
    empty: str = "",
    among: str = TARGETS,
    links: tuple[Dashboard, ...] = (),
) -> Panel:
    """The worst present value of what ``watched`` is, in the colour of its alerts."""
    falls = all(t.comparison in _FALLING for t in watched.thresholds)
    matchers = _matchers_of(watched)
    return figure(
        title,
        _description(watched),
        watched.unit,
        Query(f"{'min' if falls else 'max'}({_series_of(watched, matchers, among)})", title),
        signal_steps(watched, matchers),
        empty=empty,
        links=links,
    )


def _description(watched: Signal) -> str:
    """What ``watched`` is, and its alerts where it has some."""
    return f"{watched.meaning}\n\n{alerts_in_words(watched)}".strip()


def alerts_in_words(watched: Signal) -> str:
    """When the alerts of ``watched`` fire, a line each."""
    return "\n".join(
        f"- {t.alert}{f' ({t.matchers})' if t.matchers else ''}: {t.described(watched.unit)}, "
        f"{t.severity}"
        for t in watched.thresholds
    )


# --- Threshold steps -----------------------------------------------------------------------------


def steps(first: Colour, *further: tuple[float, Colour]) -> list[dict[str, Any]]:
    """Threshold steps: the ``first`` colour, and each further one from its value on."""
    return [_step(first, None), *(_step(colour, value) for value, colour in further)]


def good_below(limit: float) -> list[dict[str, Any]]:
    """Threshold steps of a number that is good below ``limit``."""
    return steps(Colour.GOOD, (limit, Colour.BAD))


def good_above(limit: float) -> list[dict[str, Any]]:
    """Threshold steps of a number that is good from ``limit`` on."""
    return steps(Colour.BAD, (limit, Colour.GOOD))


def neutral() -> list[dict[str, Any]]:
    """Threshold steps of a number that is neither good nor bad."""
    return steps(Colour.NEUTRAL)


def signal_steps(watched: Signal, matchers: str = "") -> list[dict[str, Any]]:
    """Threshold steps of a number that shows ``watched``: the colour of the worst alert there.

    ``matchers`` choose among its thresholds, where those of different series differ. Where no alert
    looks, nobody has said what is good, and the colour says neither.
    """
    chosen = [t for t in watched.thresholds if t.matchers == matchers]
    if not chosen:
        return neutral()
    above = [t for t in chosen if t.comparison not in _FALLING]
    below = [t for t in chosen if t.comparison in _FALLING]
    falling = sorted(below, key=lambda t: t.value)
    colours = [_SEVERITY_COLOURS[t.severity] for t in falling] + [Colour.GOOD]
    limits = [None, *(_begins(t) for t in falling)]
    rising = sorted(above, key=lambda t: t.value)
    colours += [_SEVERITY_COLOURS[t.severity] for t in rising]
    limits += [_begins(t) for t in rising]
    return [_step(colour, limit) for colour, limit in zip(colours, limits, strict=True)]


# --- Dashboards ----------------------------------------------------------------------------------


def dashboard(
    which: Dashboard,
    title: str,
    description: str,
    rows: Iterable[Row],
    jobs_of: Metric = catalogue.BUILD_INFO,
    variables: Sequence[core.Template] = (),
    last: str = "1h",
) -> core.Dashboard:
    """The dashboard ``which``, of ``rows``, that opens with the ``last`` time.

    ``jobs_of`` is a series whose jobs and instances are on offer; further ``variables`` follow.
    """
    return core.Dashboard(
        uid=which.value,
        title=f"SMS orchestrator: {title}",
        description=description,
        tags=[TAG],
        editable=False,
        schemaVersion=grafana.SCHEMA_VERSION,
        graphTooltip=core.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
        refresh="30s",
        time=core.Time(f"now-{last}", "now"),
        timezone="browser",
        templating=core.Templating(list=[*_variables(jobs_of), *variables]),
        annotations=core.Annotations(list=list(_annotations())),
        links=[
            grafana.links_by_tag("Dashboards", TAG, "The others, in the same range"),
            grafana.link(
                "Warnings and errors in the log",
                logs_url(LOG_LINES),
                "Loki, in the range of this dashboard",
            ),
        ],
        panels=list(_laid_out(rows)),
    )


def node_variable() -> core.Template:
    """The machines that node_exporter tells of."""
    query = f"label_values({NODE_TIME.name}, instance)"
    return grafana.variable("node", "Machine", query, datasource=grafana.PROMETHEUS)


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


def dashboard_url(which: Dashboard) -> str:
    """Another dashboard, in the same range and with the same choices."""
    carried = ("datasource", "logs", "environment", "job", "instance")
    variables = "&".join(f"${{{name}:queryparam}}" for name in carried)
    return f"/d/{which}?${{__url_time_range}}&{variables}"


# --- How it is done ------------------------------------------------------------------------------

_LAST = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_LINES = {"drawStyle": "line", "fillOpacity": 8, "stacking": {"group": "A", "mode": "none"}}
_STACKED = {"drawStyle": "line", "fillOpacity": 40, "stacking": {"group": "A", "mode": "normal"}}
_BARS = {"drawStyle": "bars", "fillOpacity": 70, "stacking": {"group": "A", "mode": "normal"}}


def _graph(
    title: str,
    description: str,
    unit: Unit,
    queries: Sequence[Query],
    signals: tuple[Signal, ...],
    empty: str,
    links: tuple[Dashboard, ...],
    look: Mapping[str, Any],
) -> Panel:
    return Panel(
        kind="timeseries",
        title=title,
        description=description,
        dataSource=grafana.PROMETHEUS,
        targets=_targets(queries),
        defaults={
            "unit": _GRAFANA_UNITS[unit],
            "color": {"mode": "palette-classic"},
            "thresholds": _thresholds(_threshold_lines(signals)),
            "custom": {
                **look,
                "lineWidth": 1,
                "showPoints": "never",
                "spanNulls": False,
                "axisSoftMin": 0,
                "thresholdsStyle": {"mode": "dashed" if signals else "off"},
            },
            **_no_value(empty),
        },
        overrides=[*_colours_of_queries(queries), *_colours_of_values(queries)],
        options={
            "legend": {
                "displayMode": "table",
                "placement": "bottom",
                "showLegend": True,
                "calcs": ["lastNotNull", "max"],
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        links=[*_panel_links(links), *_log_links(signals)],
    )


def _cells(
    title: str, description: str, empty: str, unit: str, cells: str, links: tuple[Dashboard, ...]
) -> Panel:
    return Panel(
        kind="heatmap",
        title=title,
        description=description,
        dataSource=grafana.PROMETHEUS,
        defaults={"unit": unit, **_no_value(empty)},
        options={
            "calculate": False,
            "cellGap": 1,
            "cellValues": {"unit": cells},
            "color": {
                "mode": "scheme",
                "scheme": "Blues",
                "fill": "blue",
                "scale": "exponential",
                "exponent": 0.5,
                "steps": 64,
                "reverse": False,
            },
            "exemplars": {"color": "rgba(255,0,255,0.7)"},
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "tooltip": {"mode": "single", "yHistogram": False, "showColorScale": True},
            "yAxis": {"axisPlacement": "left", "reverse": False},
        },
        links=_panel_links(links),
    )


def _targets(
    queries: Sequence[Query], extra: Mapping[str, Any] | None = None
) -> list[grafana.Target]:
    return [
        grafana.Target(
            expr=query.expr,
            legendFormat=query.legend,
            refId=chr(ord("A") + number),
            datasource=grafana.PROMETHEUS,
            interval=query.step,
            extra={**(extra or {}), **({"exemplar": True} if query.exemplars else {})},
        )
        for number, query in enumerate(queries)
    ]


def _no_value(empty: str) -> dict[str, str]:
    return {"noValue": empty} if empty else {}


def _fixed(colour: Colour) -> dict[str, str]:
    return {"mode": "fixed", "fixedColor": colour.value}


def _override(name: str, **properties: Any) -> dict[str, Any]:
    """Settings of the series called ``name``; ``custom__x`` sets the graph's own ``x``."""
    settings = [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()]
    return {"matcher": {"id": "byName", "options": name}, "properties": settings}


def _colours_of_queries(queries: Sequence[Query]) -> Iterator[dict[str, Any]]:
    for query in queries:
        if query.colour:
            yield _override(query.legend, color=_fixed(query.colour))


def _colours_of_values(queries: Sequence[Query]) -> Iterator[dict[str, Any]]:
    """The colours of label values with a meaning, where a legend is such a label alone."""
    values = {
        value
        for query in queries
        for metric in catalogue.metrics()
        for label in metric.labels
        if query.legend == f"{{{{{label.name}}}}}"
        for value in label.values or ()
    }
    for value, colour in MEANING.items():
        if value in values:
            yield _override(value, color=_fixed(colour))


def _column_override(column: Column) -> dict[str, Any]:
    properties: dict[str, Any] = {"unit": _GRAFANA_UNITS[column.unit]}
    if column.steps:
        properties |= {
            "custom.cellOptions": {"type": "color-background", "mode": "basic"},
            "thresholds": _thresholds(column.steps),
        }
    return _override(column.query.legend, **properties)


def _thresholds(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"mode": "absolute", "steps": list(steps)}


def _step(colour: Colour, value: float | None) -> dict[str, Any]:
    # The first step has no value; Grafana wants it there all the same, as null.
    return {"color": colour.value, "value": value}


def _threshold_lines(signals: tuple[Signal, ...]) -> list[dict[str, Any]]:
    """A line at each threshold, in the colour of its severity; of equal ones, the worst."""
    lines: dict[float, Severity] = {}
    for each in signals:
        for threshold in each.thresholds:
            known = lines.get(threshold.value, threshold.severity)
            lines[threshold.value] = max(known, threshold.severity, key=_RANK.index)
    return steps(
        Colour.GOOD, *((limit, _SEVERITY_COLOURS[lines[limit]]) for limit in sorted(lines))
    )


_RANK = list(_SEVERITY_COLOURS)


_FALLING = (Comparison.BELOW, Comparison.AT_MOST)


def _begins(threshold: Threshold) -> float:
    """The value at which a step begins: Grafana's steps are ">=", so more than 0 begins after."""
    after = threshold.comparison in (Comparison.ABOVE, Comparison.AT_MOST)
    return threshold.value + 1e-6 if after and not threshold.value else threshold.value


def _series_of(watched: Signal, matchers: str, among: str) -> str:
    """The query of ``watched``, filtered where it is a series."""
    if isinstance(watched.source, Record) or watched.source.replace(":", "_").isidentifier():
        return of(watched.source, matchers, among)
    return watched.source


def _matchers_of(watched: Signal, named: Sequence[str] = ()) -> str:
    """The matchers that all thresholds of ``watched`` have, save those of the labels ``named``.

    Those tell the series apart in the legend, and what has no alert is worth seeing beside it.
    """
    every = [{*_MATCHER.findall(t.matchers)} for t in watched.thresholds]
    common = set.intersection(*every) if every else set()
    return ",".join(sorted(whole for whole, label in common if label not in named))


def _log_links(signals: tuple[Signal, ...]) -> list[dict[str, Any]]:
    """A link to the lines behind the alerts of ``signals``."""
    queries = {t.logs for each in signals for t in each.thresholds if t.logs}
    # An alert's labels are unknown here: without them, the lines of all.
    queries = {query for query in queries if "{{" not in query.logql}
    return [
        {"title": "Log lines behind this", "url": logs_url(query.logql), "targetBlank": True}
        for query in sorted(queries, key=lambda query: query.logql)
    ]


def _panel_links(links: tuple[Dashboard, ...]) -> list[dict[str, Any]]:
    return [{"title": each.label, "url": dashboard_url(each)} for each in links]


def _variables(jobs_of: Metric) -> list[core.Template]:
    environment = f'{catalogue.BUILD_INFO.name}{{environment=~"$environment"}}'
    jobs = environment if jobs_of is catalogue.BUILD_INFO else jobs_of.name
    found = [
        grafana.variable("datasource", "Data source", "prometheus", "datasource"),
        grafana.variable("logs", "Logs", "loki", "datasource"),
    ]
    chain = [
        ("environment", "Environment", f"label_values({catalogue.BUILD_INFO.name}, environment)"),
        ("job", "Job", f"label_values({jobs}, job)"),
        ("instance", "Instance", f"label_values({of(jobs_of)}, instance)"),
    ]
    return found + [
        grafana.variable(name, label, query, datasource=grafana.PROMETHEUS)
        for name, label, query in chain
    ]


def _annotations() -> Iterator[dict[str, Any]]:
    """What changed: releases, restarts, breakers that opened; and what was made up."""
    build, started = catalogue.BUILD_INFO, catalogue.PROCESS_START_TIME
    opened = catalogue.CIRCUIT_BREAKER_TRANSITIONS
    by_version = "count by (job, version)"
    yield grafana.annotation(
        "Releases",
        f"{by_version} ({of(build)}) unless {by_version} ({of(build)} offset 5m)",
        Colour.NEUTRAL,
        "{{job}} runs version {{version}}",
    )
    yield grafana.annotation(
        "Restarts",
        f"changes({of(started, among=INSTANCES)}[$__rate_interval]) > 0",
        Colour.OTHER,
        "{{job}} at {{instance}} started anew",
    )
    is_open = of(opened, f'state="{BreakerState.OPEN}"')
    yield grafana.annotation(
        "Breakers opened",
        f"sum by (job, component) (increase({is_open}[$__rate_interval])) > 0",
        Colour.BAD,
        "{{job}} no longer calls {{component}}",
    )
    yield grafana.annotation(
        "Synthetic history",
        f"max by (job) ({of(SYNTHETIC_HISTORY)})",
        Colour.MADE_UP,
        "What {{job}} did here is synthetic",
    )


def _laid_out(rows: Iterable[Row]) -> Iterator[core.Panel]:
    """The panels with ids and places."""
    y = 0
    for each in rows:
        end = _place(each, y + 1)
        inside = each.panels if each.closed else ()
        yield grafana.row(each.title, _panel_id(f"row {each.title}"), y, GRID_WIDTH, inside)
        yield from () if each.closed else each.panels
        y = y + 1 if each.closed else end


def _place(row: Row, y: int) -> int:
    """Give the panels their ids and places from ``y`` on; returns where they end."""
    columns = row.columns or len(row.panels)
    widths = row.widths or (GRID_WIDTH // columns,) * len(row.panels)
    x = 0
    for panel, width in zip(row.panels, widths, strict=True):
        if x + width > GRID_WIDTH:
            x, y = 0, y + row.height
        panel.id = _panel_id(panel.title)
        panel.gridPos = core.GridPos(h=row.height, w=width, x=x, y=y)
        x += width
    return y + row.height


def _panel_id(title: str) -> int:
    """From the title, so that links to a panel outlive its neighbours and its moves."""
    return crc32(title.encode()) % 1_000_000_000
