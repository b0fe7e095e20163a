"""A dashboard as one picture: a head, headings of rows, panels where the grid has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from dashboards.preview.answers import Answers, Span
from dashboards.preview.colours import Theme
from dashboards.preview.dashboard import ALL, Dashboard, Panel, Row
from dashboards.preview.frames import Outcome, draw_panel
from dashboards.preview.surface import DPI, SMALL_SIZE, Box, Surface, text_width
from prometheus_tools import time_range

WIDTH = 1600
"""Pixels of every picture."""

_MARGIN = 16
_GAP = 8
_COLUMNS = 24
_CELL_HEIGHT = 38
"""Pixels of a grid row with the gap below it."""
_HEAD_HEIGHT = 84
_MOST_BYTES = 400_000
"""Of a file that is shown in a README."""


@dataclass(frozen=True, slots=True)
class Heading:
    """The heading of a row, and what is said beside it."""

    box: Box
    title: str
    remark: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is on a page ``height`` pixels high."""

    height: int
    headings: tuple[Heading, ...]
    panels: tuple[tuple[Panel, Box], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A drawn dashboard; ``surfaces`` and ``outcomes`` are in the order of the layout's panels."""

    figure: Figure
    layout: Layout
    surfaces: tuple[Surface, ...]
    outcomes: tuple[Outcome, ...]
    head: Surface

    def save(self, path: Path) -> None:
        """Write it as PNG; with 256 colours where all of them would make the file too large."""
        drawn = BytesIO()
        self.figure.savefig(drawn, format="png", dpi=DPI)
        picture = Image.open(drawn).convert("RGB")
        picture.save(path, optimize=True)
        if path.stat().st_size > _MOST_BYTES:
            picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def layout(dashboard: Dashboard, *, opened: bool) -> Layout:
    """The places of the panels; those of collapsed rows only if they are ``opened``."""
    y = float(_HEAD_HEIGHT)
    headings: list[Heading] = []
    placed: list[tuple[Panel, Box]] = []
    for row in dashboard.rows:
        is_closed = row.is_collapsed and not opened
        if row.title:
            box = Box(_MARGIN, y, WIDTH - 2 * _MARGIN, _CELL_HEIGHT - _GAP)
            headings.append(Heading(box, row.title, _remark(row) if is_closed else ""))
            y += _CELL_HEIGHT
        if row.panels and not is_closed:
            placed += [(panel, _box(panel, _top(row), y)) for panel in row.panels]
            y += _CELL_HEIGHT * (_bottom(row) - _top(row))
    return Layout(round(y + _MARGIN), tuple(headings), tuple(placed))


def draw(
    dashboard: Dashboard,
    places: Layout,
    answers: Sequence[Answers],
    span: Span,
    theme: Theme,
    source: str,
) -> Page:
    """Draw ``answers``, given in the order of the layout's panels. ``source`` is Prometheus."""
    figure = Figure(figsize=(WIDTH / DPI, places.height / DPI), dpi=DPI, facecolor=theme.page)
    # One renderer for all measuring; without it, each text that is measured makes its own.
    FigureCanvasAgg(figure)
    head = Surface(figure, Box(_MARGIN, 0, WIDTH - 2 * _MARGIN, _HEAD_HEIGHT), theme)
    _draw_head(head, dashboard, span, source)
    for heading in places.headings:
        _draw_heading(head, heading)
    surfaces = tuple(Surface(figure, box, theme) for _, box in places.panels)
    outcomes = tuple(
        draw_panel(surface, panel, answer)
        for surface, (panel, _), answer in zip(surfaces, places.panels, answers, strict=True)
    )
    return Page(figure, places, surfaces, outcomes, head)


def _box(panel: Panel, top: int, y: float) -> Box:
    """The pixels of a panel whose row begins at the grid's ``top`` and the page's ``y``."""
    place = panel.place
    column = (WIDTH - 2 * _MARGIN + _GAP) / _COLUMNS
    return Box(
        _MARGIN + place.x * column,
        y + (place.y - top) * _CELL_HEIGHT,
        place.width * column - _GAP,
        place.height * _CELL_HEIGHT - _GAP,
    )


def _top(row: Row) -> int:
    return min(panel.place.y for panel in row.panels)


def _bottom(row: Row) -> int:
    return max(panel.place.y + panel.place.height for panel in row.panels)


def _remark(row: Row) -> str:
    count = len(row.panels)
    return f"{count} {'panel' if count == 1 else 'panels'}, collapsed"


def _draw_head(surface: Surface, dashboard: Dashboard, span: Span, source: str) -> None:
    box, theme = surface.box, surface.theme
    surface.text(box.x, 26, dashboard.title, size=15, bold=True, width=box.width * 0.62)
    range_text = f"{time_range.written(span.start)} to {time_range.written(span.end)} UTC"
    surface.text(box.right, 26, range_text, size=10, align="right")
    now = datetime.now(UTC)
    drawn = f"drawn from {source} at {now:%Y-%m-%d %H:%M} UTC, without Grafana"
    surface.text(box.right, 54, drawn, size=SMALL_SIZE, colour=theme.quiet_text, align="right")
    chosen = "   ".join(
        f"{name}: {'all' if value == ALL else _read(value)}"
        for name, value in dashboard.variables.items()
    )
    room = box.width - text_width(drawn, SMALL_SIZE) - 30
    surface.text(box.x, 54, chosen, size=SMALL_SIZE + 0.5, colour=theme.quiet_text, width=room)
    _draw_annotations(surface, dashboard, box.x + text_width(chosen, SMALL_SIZE + 0.5) + 30)


_COUNTED_FROM = 3
"""Values of a variable, so that the head has room for the rest."""


def _read(chosen: str) -> str:
    """A choice as people write it, without what a regular expression needs; many are counted."""
    values = chosen.replace("\\", "").split("|")
    return ", ".join(values) if len(values) < _COUNTED_FROM else f"{len(values)} values"


def _draw_annotations(surface: Surface, dashboard: Dashboard, x: float) -> None:
    """What the dashed lines on the time axes mean."""
    for annotation in dashboard.annotations:
        colour = surface.theme.colour(annotation.colour)
        for begin in (0, 6):
            surface.line(x, 47 + begin, to_x=x, to_y=51 + begin, colour=colour, width=2)
        surface.text(x + 7, 54, annotation.name, size=SMALL_SIZE, colour=surface.theme.quiet_text)
        x += 7 + text_width(annotation.name, SMALL_SIZE) + 18


def _draw_heading(surface: Surface, heading: Heading) -> None:
    box, size = heading.box, 11.0
    y = box.y + box.height / 2
    arrow = "▸" if heading.remark else "▾"
    surface.text(box.x, y, arrow, size=size, colour=surface.theme.quiet_text)
    surface.text(box.x + 20, y, heading.title, size=size, bold=True)
    if heading.remark:
        x = box.x + 20 + text_width(heading.title, size, "bold") + 12
        surface.text(x, y, heading.remark, size=SMALL_SIZE + 0.5, colour=surface.theme.quiet_text)
