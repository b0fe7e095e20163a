"""A dashboard as one picture: its head, headings, panels, and what is not as in Grafana."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from dashboards.preview import facts, screen
from dashboards.preview.answers import Answers, Span
from dashboards.preview.colours import Theme
from dashboards.preview.dashboard import ALL, Dashboard, Panel, Row
from dashboards.preview.frames import Outcome, draw_panel
from dashboards.preview.lettering import text_width, wrapped
from dashboards.preview.screen import Box
from dashboards.preview.surface import DPI, Surface
from dashboards.preview.titles import cut_titles
from prometheus_tools import time_range

_MARGIN = facts.BOARD_PADDING
_FOOT_LINE = 19
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
    """Where everything is on a page beside the menu, ``width`` pixels wide; ``bottom`` ends it."""

    window: tuple[int, int]
    width: float
    top: float
    """Where the grid begins."""
    bottom: float
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
    remarks: tuple[str, ...]
    """What is not seen, and what is not drawn as in Grafana; it stands at the foot."""
    size: tuple[int, int]

    def save(self, path: Path) -> None:
        """Write it as PNG; with 256 colours where all of them would make the file too large."""
        drawn = BytesIO()
        self.figure.savefig(drawn, format="png", dpi=DPI)
        picture = Image.open(drawn).convert("RGB").crop((0, 0, *self.size))
        picture.save(path, optimize=True)
        if path.stat().st_size > _MOST_BYTES:
            picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def layout(
    dashboard: Dashboard, *, opened: bool, window: tuple[int, int] = screen.WINDOW
) -> Layout:
    """The places of the panels; those of collapsed rows only if they are ``opened``."""
    width = screen.content_width(window[0])
    top = y = screen.controls_height(dashboard.document, window[0])
    cell = facts.CELL + facts.CELL_GAP
    headings: list[Heading] = []
    placed: list[tuple[Panel, Box]] = []
    for row in dashboard.rows:
        is_closed = row.is_collapsed and not opened
        if row.title:
            box = Box(_MARGIN, y, width - 2 * _MARGIN, facts.CELL)
            headings.append(Heading(box, row.title, _remark(row) if is_closed else ""))
            y += cell
        if row.panels and not is_closed:
            first = min(panel.place.y for panel in row.panels)
            above = y - first * cell
            placed += [(p, screen.panel_box(p.place, window[0], above)) for p in row.panels]
            y += cell * (screen.bottom([panel.place for panel in row.panels]) - first)
    return Layout(
        window,
        width,
        top=top,
        bottom=y,
        headings=tuple(headings),
        panels=tuple(placed),
    )


def draw(
    dashboard: Dashboard,
    places: Layout,
    answers: Sequence[Answers],
    span: Span,
    theme: Theme,
    source: str,
) -> Page:
    """Draw ``answers``, given in the order of the layout's panels. ``source`` is Prometheus."""
    known = [f"{each}" for each in cut_titles(dashboard.document, places.window[0])]
    # Two lines for each of the panels, which say what of them is not seen only when drawn.
    room = 3 + 2 * len(places.panels) + len(known)
    height = places.bottom + _MARGIN + room * _FOOT_LINE
    figure = Figure(figsize=(places.width / DPI, height / DPI), dpi=DPI, facecolor=theme.page)
    # One renderer for all measuring; without it, each text that is measured makes its own.
    FigureCanvasAgg(figure)
    head = Surface(figure, Box(_MARGIN, 0, places.width - 2 * _MARGIN, height), theme)
    _draw_head(head, dashboard, places, span, source)
    for heading in places.headings:
        _draw_heading(head, heading)
    surfaces = tuple(Surface(figure, box, theme) for _, box in places.panels)
    outcomes = tuple(
        draw_panel(surface, panel, answer)
        for surface, (panel, _), answer in zip(surfaces, places.panels, answers, strict=True)
    )
    remarks = (*(f"Title {each}" for each in known), *_remarks(places, surfaces))
    end = _draw_foot(head, places, remarks)
    size = round(places.width), round(min(end, height))
    return Page(figure, places, surfaces, outcomes, head=head, remarks=remarks, size=size)


def _remark(row: Row) -> str:
    count = len(row.panels)
    return f"({count} {'panel' if count == 1 else 'panels'})"


def _remarks(places: Layout, surfaces: Sequence[Surface]) -> Iterator[str]:
    for (panel, _), surface in zip(places.panels, surfaces, strict=True):
        if surface.remarks:
            yield f"{panel.title!r}: {'; '.join(dict.fromkeys(surface.remarks))}"


def _draw_head(
    surface: Surface, dashboard: Dashboard, places: Layout, span: Span, source: str
) -> None:
    """What is above the board, as high as in Grafana."""
    box, theme = surface.box, surface.theme
    line = facts.HEADER_LEVEL
    surface.rectangle(Box(0, 0, places.width, 2 * line), theme.panel)
    surface.text(box.x, line / 2, dashboard.title, size=facts.ROW_TEXT, weight="medium")
    range_text = f"{time_range.written(span.start)} to {time_range.written(span.end)} UTC"
    surface.text(box.right, line / 2, range_text, align="right")
    now = datetime.now(UTC)
    drawn = f"drawn from {source} at {now:%Y-%m-%d %H:%M} UTC, without Grafana"
    small = facts.SMALL_TEXT
    surface.text(
        *(box.right, line * 1.5, drawn), size=small, colour=theme.quiet_text, align="right"
    )
    width, height = places.window
    said = f"window of {width} by {height}, {places.width:.0f} of them beside the menu"
    surface.text(box.x, line * 1.5, said, size=small, colour=theme.quiet_text)
    chosen = "   ".join(
        f"{name}: {'All' if value == ALL else _read(value)}"
        for name, value in dashboard.variables.items()
    )
    y = 2 * line + facts.CONTROLS_PADDING + facts.CONTROL / 2
    surface.text(box.x, y, chosen, size=small, width=box.width * 0.6)
    _draw_annotations(surface, dashboard, box.x + text_width(chosen, small) + 30, y)
    _draw_fold(surface, places)


def _draw_fold(surface: Surface, places: Layout) -> None:
    """Where the window ends that nobody has scrolled."""
    fold = places.window[1]
    if fold < places.bottom:
        colour = surface.theme.quiet_text
        for begin in (0, places.width - _MARGIN):
            surface.line(begin, fold, to_x=begin + _MARGIN, to_y=fold, colour=colour, width=2)


_COUNTED_FROM = 3
"""Values of a variable, so that the head has room for the rest."""


def _read(chosen: str) -> str:
    """A choice as people write it, without what a regular expression needs; many are counted."""
    values = chosen.replace("\\", "").split("|")
    return ", ".join(values) if len(values) < _COUNTED_FROM else f"{len(values)} values"


def _draw_annotations(surface: Surface, dashboard: Dashboard, x: float, y: float) -> None:
    """What the dashed lines on the time axes mean."""
    small = facts.SMALL_TEXT
    for annotation in dashboard.annotations:
        if x + text_width(annotation.name, small) > surface.box.right:
            return
        colour = surface.theme.colour(annotation.colour)
        for begin in (-7, 0):
            surface.line(x, y + begin, to_x=x, to_y=y + begin + 4, colour=colour, width=2)
        x += 7
        x += surface.text(x, y, annotation.name, size=small, colour=surface.theme.quiet_text) + 18


def _draw_heading(surface: Surface, heading: Heading) -> None:
    box = heading.box
    y = box.y + box.height / 2
    surface.text(box.x, y, "▸" if heading.remark else "▾", colour=surface.theme.quiet_text)
    x = box.x + 24
    x += surface.text(x, y, heading.title, size=facts.ROW_TEXT, weight="medium") + 16
    if heading.remark:
        small = facts.SMALL_TEXT
        surface.text(x, y, heading.remark, size=small, colour=surface.theme.quiet_text)


def _draw_foot(surface: Surface, places: Layout, remarks: Sequence[str]) -> float:
    """Say what is not seen and what is not drawn as in Grafana; gives where the page ends."""
    y = places.bottom + _MARGIN
    if not remarks:
        return y
    box, small = surface.box, facts.SMALL_TEXT
    surface.text(
        *(box.x, y + _FOOT_LINE / 2, "Not seen, or not drawn as Grafana would:"),
        size=small,
        weight="medium",
    )
    y += _FOOT_LINE
    for remark in remarks:
        for line in wrapped(remark, box.width - 16, small)[:2]:
            surface.text(
                *(box.x + 16, y + _FOOT_LINE / 2, line),
                size=small,
                colour=surface.theme.quiet_text,
                width=box.width - 16,
            )
            y += _FOOT_LINE
    return y + _MARGIN
