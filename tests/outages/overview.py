"""What the overview dashboard shows: each panel's text and colour, by the preview's own rules."""

import math
import time
from collections.abc import Iterator
from pathlib import Path

from alerts import paths
from alerts.prometheus_config import scrape_seconds
from dashboards.preview import dashboard as dashboards
from dashboards.preview.answers import Answers, Asking, Span
from dashboards.preview.choices import with_all_values
from dashboards.preview.colours import THEMES
from dashboards.preview.dashboard import Dashboard, Panel
from dashboards.preview.fields import Field
from dashboards.preview.reduce import LAST, reduced
from dashboards.preview.tables import TIME, table
from prometheus_tools.api import PrometheusAPI, PrometheusError

BOARD = "overview"
_WIDTH = 400
_ROWS_AT_MOST = 6
DARK = THEMES["dark"]
_NAMES = {DARK.colour(name): name for name in ("green", "orange", "red", "blue")}
_ONE_VALUE = ("stat", "gauge", "bargauge")


def said(prometheus_url: str, folder: Path = paths.DASHBOARDS) -> list[str]:
    """A line for each panel: its title, what it says, and the colour where it has a meaning."""
    board = dashboards.read(folder / f"{BOARD}.json")
    now = int(time.time())
    span = Span(now - round(board.range_seconds), now)
    panels = [panel for row in board.rows for panel in row.panels]
    try:
        with PrometheusAPI(prometheus_url, timeout_seconds=20) as prometheus:
            chosen = with_all_values(board, prometheus, span.start, span.end)
            asking = Asking(prometheus, span, scrape_seconds())
            answers, _ = asking.answers(chosen, [(panel, _WIDTH) for panel in panels])
    except PrometheusError as error:
        # Grafana shows its panels all the same, each with the mark of a query that failed.
        reason = str(error).splitlines()[0]
        answers = [Answers(span, 15, failures=(reason,)) for _ in panels]
    return [*_lines(board, panels, answers)]


def _lines(_: Dashboard, panels: list[Panel], answers: list[Answers]) -> Iterator[str]:
    for panel, answer in zip(panels, answers, strict=True):
        if panel.kind == "text":
            continue
        parts = [*_parts(panel, answer)]
        if parts:
            failed = " (its query failed)" if answer.failures else ""
            yield f"{panel.title}: {', '.join(parts)}{failed}"


def _parts(panel: Panel, answer: Answers) -> Iterator[str]:
    if panel.kind in _ONE_VALUE:
        yield from _values(panel, answer)
    elif panel.kind == "table":
        yield from _rows(panel, answer)
    elif answer.is_empty:
        yield f'"{panel.fields.defaults.no_value}"'
    elif panel.kind == "state-timeline":
        for series in answer.series:
            field = panel.fields.of(series.name, series.ref)
            yield f"{series.name} {_with_colour(field, reduced(series.values.tolist(), 'last'))}"
    else:
        # A line that has ended says what was, and no more.
        lasts = {s.name: reduced(s.values.tolist(), "last") for s in answer.series}
        ended = [name for name, last in lasts.items() if last is None or math.isnan(last)]
        if ended and len(ended) == len(lasts):
            yield "its lines have ended"


def _values(panel: Panel, answer: Answers) -> Iterator[str]:
    calculations = (panel.options.get("reduceOptions") or {}).get("calcs") or [LAST]
    if not answer.series:
        yield _with_colour(panel.fields.defaults, math.nan)
    for series in answer.series:
        field = panel.fields.of(series.name, series.ref)
        value = reduced(series.values.tolist(), str(calculations[0]))
        name = f"{series.name} " if len(answer.series) > 1 else ""
        yield f"{name}{_with_colour(field, value)}"


def _rows(panel: Panel, answer: Answers) -> Iterator[str]:
    found = table(answer, panel.targets, panel.transformations)
    if not found.rows:
        yield f'"{panel.fields.defaults.no_value}"'
    for row in found.rows[:_ROWS_AT_MOST]:
        cells = []
        for column in found.columns:
            field = panel.fields.of(column, found.refs.get(column, ""))
            if column == TIME or field.custom("hidden", False) or column not in row:
                continue
            cell = row[column]
            text = field.show(cell, DARK).text
            if text and len(text) < 60:
                cells.append(text)
        yield f"[{' · '.join(cells)}]"
    if len(found.rows) > _ROWS_AT_MOST:
        yield f"and {len(found.rows) - _ROWS_AT_MOST} more rows"


def _with_colour(field: Field, value: float | None) -> str:
    """The text of a value, and the name of its colour, or grey where that says nothing."""
    shown = field.show(value, DARK)
    return f'"{shown.text}" {_NAMES.get(shown.colour, "grey")}'
