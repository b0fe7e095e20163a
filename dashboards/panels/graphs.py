"""Lines, stacks and bars over time."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from alerts.model import Dashboard, Signal, Unit
from alerts.signals import growth, slo, throughput
from app.core import catalogue
from app.core.thresholds import Thresholds
from dashboards import grafana
from dashboards.colours import (
    DISTINCT,
    Colour,
    by_last_value,
    fixed,
    lines_of,
    of_values,
    shaded,
    thresholds,
)
from dashboards.deployments import is_told_apart
from dashboards.grafana import Panel
from dashboards.known import measured
from dashboards.links import links_to, links_to_lines
from dashboards.panels.parts import GRAFANA_UNITS, no_value, over, override
from dashboards.panels.query import Query, over_time, with_where

_NOT_STACKED = {"stacking": {"group": "A", "mode": "none"}}
_UPON_EACH_OTHER = {"stacking": {"group": "A", "mode": "normal"}}
_LINES = {"drawStyle": "line", "fillOpacity": 8, "lineWidth": 1, **_NOT_STACKED}
# Without a line, a part that is 0 leaves no edge upon the others.
_STACKED = {"drawStyle": "line", "fillOpacity": 70, "lineWidth": 0, **_UPON_EACH_OTHER}
_BARS = {"drawStyle": "bars", "fillOpacity": 70, "lineWidth": 0, **_UPON_EACH_OTHER}

_LEAST_TOP = {
    Unit.RATIO: 0.05,
    Unit.SECONDS: 1.0,
    Unit.PER_SECOND: 1.0,
    Unit.COUNT: 5.0,
    Unit.BYTES: 1024.0**2,
}
"""Where the axis ends at least: Grafana draws one to 10,000% where a ratio is always 0."""

BEFORE, AFTER = -1, 1
"""On which side of its time a bar stands: what it counts has ended there, or begins there."""

_LINES_OF_TABLE, _LETTERS_OF_TABLE = 2, 16


def _known_values() -> dict[str, list[str]]:
    """The values of each label; of labels of one name, those of all metrics."""
    found: dict[str, dict[str, None]] = {}
    for metric in catalogue.metrics():
        for label in metric.labels:
            if label.values:
                found.setdefault(label.name, {}).update(dict.fromkeys(label.values))
    return {name: list(values) for name, values in found.items()}


_VALUES: Mapping[str, Sequence[str]] = {
    **_known_values(),
    "slo": [promised.objective.name for promised in slo.promised(Thresholds())],
    "urgency": list(catalogue.Severity),
    "cause": [catalogue.Component.AI_PROVIDER, catalogue.Component.SMS_AGENT, "other"],
    "flow": list(throughput.FLOWS),
    "limit": list(growth.LIMITS),
}
"""The values of the labels that have a known set of them."""
_LABEL_AND_TEXT = re.compile(r"\{\{(\w+)\}\}([^{]*)")
_LABEL = re.compile(r"\{\{(\w+)\}\}")
_TWO_LABELS = re.compile(r"\{\{(\w+)\}\} \{\{\w+\}\}")


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
        title, description, unit, queries, _LINES, signals=signals, empty=empty, links=links
    )


def stacked(
    title: str,
    description: str,
    unit: Unit,
    *queries: Query,
    links: tuple[Dashboard, ...] = (),
) -> Panel:
    """Parts of a whole over time, one upon the other."""
    return _graph(title, description, unit, queries, _STACKED, links=links)


def bars(
    title: str,
    description: str,
    unit: Unit,
    *queries: Query,
    last: str,
    stand: int = BEFORE,
    empty: str = "",
    links: tuple[Dashboard, ...] = (),
) -> Panel:
    """Counts of the ``last`` time as stacked bars; each query has a ``step`` as long as its count.

    The range is the panel's own: in a shorter one there would be half a bar, in a longer one
    Grafana's step grows and leaves counts out.
    """
    look = {**_BARS, "barAlignment": stand}
    return over(last, _graph(title, description, unit, queries, look, empty=empty, links=links))


def band(
    title: str,
    description: str,
    unit: Unit,
    value: Query,
    baseline: Query,
    lower: Query,
    upper: Query,
) -> Panel:
    """A line in the band where it usually is."""
    panel = _graph(title, description, unit, (value, baseline, upper, lower), _LINES)
    panel.overrides = [
        override(value.legend, color=fixed(Colour.NEUTRAL), custom__lineWidth=2),
        override(
            baseline.legend,
            color=fixed(Colour.MUTED),
            custom__lineStyle={"fill": "dash", "dash": [6, 6]},
            custom__fillOpacity=0,
        ),
        override(
            upper.legend,
            color=fixed(Colour.GOOD),
            custom__lineWidth=0,
            custom__fillOpacity=15,
            custom__fillBelowTo=lower.legend,
        ),
        override(
            lower.legend, color=fixed(Colour.GOOD), custom__lineWidth=0, custom__fillOpacity=0
        ),
    ]
    return panel


def dashed(query: Query) -> Query:
    """``query``, drawn with dashes; its legend is a label and a text of its own after that."""
    return replace(query, ending=query.legend.rpartition("}")[2])


def over_lines(title: str, description: str, legend: str, empty: str) -> Panel:
    """Bars of log lines, whose target is still missing."""
    look = {**_BARS, "barAlignment": BEFORE}
    return _graph(title, description, Unit.COUNT, (Query("", legend),), look, empty=empty)


def _graph(
    title: str,
    description: str,
    unit: Unit,
    queries: Sequence[Query],
    look: Mapping[str, Any],
    signals: tuple[Signal, ...] = (),
    empty: str = "",
    links: tuple[Dashboard, ...] = (),
) -> Panel:
    asked = [with_where(replace(each, expr=measured(each.expr))) for each in queries]
    return Panel(
        kind="timeseries",
        title=title,
        description=description,
        dataSource=grafana.PROMETHEUS,
        targets=over_time(asked),
        defaults={
            "unit": GRAFANA_UNITS[unit],
            "color": _colour_of_the_rest(queries),
            "thresholds": thresholds(lines_of(signals)),
            "custom": {
                **look,
                "showPoints": "auto",
                "spanNulls": False,
                "axisSoftMin": 0,
                "axisSoftMax": _top(unit, signals),
                "thresholdsStyle": {"mode": "dashed" if signals else "off"},
            },
            **no_value(empty),
        },
        overrides=[
            *_colours_of_pairs(queries),
            *_colours_of_queries(queries),
            *_colours_of_values(queries),
        ],
        options={
            "legend": _legend(asked),
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        links=[*links_to(links), *links_to_lines(_lines_behind(signals))],
    )


def _top(unit: Unit, signals: Sequence[Signal]) -> float:
    """Where the axis ends at least: a little above the highest threshold, so that it is seen."""
    limits = [threshold.value for each in signals for threshold in each.thresholds]
    return max(1.1 * max(limits), 0) if any(limits) else _LEAST_TOP[unit]


def _lines_behind(signals: Sequence[Signal]) -> Iterator[Any]:
    for each in signals:
        yield from (threshold.logs for threshold in each.thresholds if threshold.logs)


def _colours_of_queries(queries: Sequence[Query]) -> Iterator[dict[str, Any]]:
    for query in queries:
        if query.colour:
            yield from _coloured(query, query.legend, query.colour)
        if query.ending:
            dashes = {"fill": "dash", "dash": [6, 6]}
            yield {
                "matcher": {"id": "byRegexp", "options": f".*{query.ending}( .+)?"},
                "properties": [
                    {"id": "custom.lineStyle", "value": dashes},
                    {"id": "custom.fillOpacity", "value": 0},
                ],
            }


def _coloured(query: Query, name: str, colour: str) -> Iterator[dict[str, Any]]:
    """``colour`` for the series ``name`` of ``query``, a shade of it for each deployment's."""
    yield override(name, color=fixed(colour))
    if is_told_apart(query.expr):
        yield _shades(name, colour)


def _shades(beginning: str, colour: str) -> dict[str, Any]:
    """Those of ``colour`` for all series that are called by ``beginning`` and a further word."""
    return {
        "matcher": {"id": "byRegexp", "options": f"{beginning} .+"},
        "properties": [{"id": "color", "value": shaded(colour)}],
    }


def _legend(queries: Sequence[Query]) -> dict[str, Any]:
    """A table of the mean and the highest value, where it has room; else a list of names.

    Grafana gives a legend a third of the panel: a heading and two lines of a table. A last value
    would be one of before the end where a series has ended, by `last` too for all series but the
    first: Grafana reckons it before it fills the end with nulls, and keeps it.
    """
    shown = {"placement": "bottom", "showLegend": True}
    names = [query.legend for query in queries]
    fits = len(names) <= _LINES_OF_TABLE and max(map(len, names)) <= _LETTERS_OF_TABLE
    if fits and not any("{{" in name for name in names):
        return {**shown, "displayMode": "table", "calcs": ["mean", "max"]}
    return {**shown, "displayMode": "list", "calcs": []}


def _colours_of_values(queries: Sequence[Query]) -> Iterator[dict[str, Any]]:
    """The colours of a label's values, where a legend is that label and perhaps a text."""
    for query in queries:
        if found := _LABEL_AND_TEXT.fullmatch(query.legend):
            for value, colour in of_values(_VALUES.get(found[1], ())).items():
                yield from _coloured(query, f"{value}{found[2]}", colour)


def _colour_of_the_rest(queries: Sequence[Query]) -> dict[str, str]:
    """That of series without a colour of their own."""
    labels = {label for query in queries for label in _LABEL.findall(query.legend)}
    # There is one job.
    are_known = labels <= {*_VALUES, "job"}
    return shaded(DISTINCT[0]) if are_known else by_last_value()


def _colours_of_pairs(queries: Sequence[Query]) -> Iterator[dict[str, Any]]:
    """Several parts of each: a hue for the first label, a shade for each of the second."""
    for query in queries:
        if found := _TWO_LABELS.fullmatch(query.legend):
            for value, colour in of_values(_VALUES.get(found[1], ())).items():
                yield _shades(value, colour)
