"""What the overview dashboard shows: each part's text and colour, by the preview's own rules."""

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from alerts import paths
from alerts.prometheus_config import scrape_seconds
from dashboards.preview import dashboard as dashboards
from dashboards.preview.answers import Answers, Asking, Span
from dashboards.preview.choices import with_all_values
from dashboards.preview.colours import THEMES
from dashboards.preview.dashboard import Panel
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


@dataclass(frozen=True, slots=True)
class Part:
    """What a tile, a lane, a bar or a row says at the moment of looking, and its ink.

    ``name`` is that of the lane or bar, empty where the panel has one part only. ``colour`` is
    grey where it has no meaning, and empty for a row.
    """

    panel: str
    kind: str
    name: str
    text: str
    colour: str = ""
    is_failed: bool = False
    """Whether its query failed."""

    @property
    def is_judged(self) -> bool:
        """Whether it is a tile, a lane or a bar: whether its ink says how it is."""
        return bool(self.colour)


def words(parts: Iterable[Part]) -> list[str]:
    """A line for each panel: its title, what its parts say, and the colours."""
    lines = []
    for title, of_panel in groupby(parts, key=lambda part: part.panel):
        found = [*of_panel]
        failed = " (its query failed)" if any(part.is_failed for part in found) else ""
        lines.append(f"{title}: {', '.join(_said(part) for part in found)}{failed}")
    return lines


def _said(part: Part) -> str:
    if part.kind == "table" or not part.colour:
        return part.text
    return f'{part.name} "{part.text}" {part.colour}'.strip()


def shown(prometheus_url: str, folder: Path = paths.DASHBOARDS) -> list[Part]:
    """Each part of the overview as it stands now."""
    board = dashboards.read(folder / f"{BOARD}.json")
    now = int(time.time())
    span = Span(now - round(board.range_seconds), now)
    panels = [panel for row in board.rows for panel in row.panels if panel.kind != "text"]
    try:
        with PrometheusAPI(prometheus_url, timeout_seconds=20) as prometheus:
            chosen = with_all_values(board, prometheus, span.start, span.end)
            asking = Asking(prometheus, span, scrape_seconds())
            answers, _ = asking.answers(chosen, [(panel, _WIDTH) for panel in panels])
    except PrometheusError as error:
        # Grafana shows its panels all the same, each with the mark of a query that failed.
        reason = str(error).splitlines()[0]
        answers = [Answers(span, 15, failures=(reason,)) for _ in panels]
    both = zip(panels, answers, strict=True)
    return [part for panel, answer in both for part in _parts(panel, answer)]


def _parts(panel: Panel, answer: Answers) -> Iterator[Part]:
    failed = bool(answer.failures)

    def part(name: str, text: str, colour: str = "") -> Part:
        return Part(panel.title, panel.kind, name, text, colour, is_failed=failed)

    if panel.kind in _ONE_VALUE:
        for name, field, value in _values(panel, answer):
            yield part(name, *_with_colour(field, value))
    elif panel.kind == "table":
        yield from (part("", row) for row in _rows(panel, answer))
    elif answer.is_empty:
        colour = "grey" if panel.kind == "state-timeline" else ""
        yield part("", f"{panel.fields.defaults.no_value}", colour)
    elif panel.kind == "state-timeline":
        for series in answer.series:
            field = panel.fields.of(series.name, series.ref)
            # A lane that ended before says what was.
            is_now = (
                bool(series.times.size) and series.times[-1] > answer.span.end - 2 * answer.step
            )
            value = reduced(series.cells, "last") if is_now else math.nan
            yield part(series.name, *_with_colour(field, value))
    else:
        # A line that has ended says what was, and no more.
        lasts = [reduced(series.cells, "last") for series in answer.series]
        if lasts and all(last is None or math.isnan(last) for last in lasts):
            yield part("", "its lines have ended")


def _values(panel: Panel, answer: Answers) -> Iterator[tuple[str, Field, float | None]]:
    calculations = (panel.options.get("reduceOptions") or {}).get("calcs") or [LAST]
    if not answer.series:
        yield "", panel.fields.defaults, math.nan
    for series in answer.series:
        field = panel.fields.of(series.name, series.ref)
        name = series.name if len(answer.series) > 1 else ""
        yield name, field, reduced(series.cells, str(calculations[0]))


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
            text = field.show(row[column], DARK).text
            if text and len(text) < 60:
                cells.append(text)
        yield f"[{' · '.join(cells)}]"
    if len(found.rows) > _ROWS_AT_MOST:
        yield f"and {len(found.rows) - _ROWS_AT_MOST} more rows"


def _with_colour(field: Field, value: float | None) -> tuple[str, str]:
    """The text of a value, and the name of its colour, or grey where that says nothing."""
    drawn = field.show(value, DARK)
    return drawn.text, _NAMES.get(drawn.colour, "grey")
