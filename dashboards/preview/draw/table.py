"""Tables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dashboards.preview.answers import Answers
from dashboards.preview.colours import readable_on
from dashboards.preview.dashboard import Panel
from dashboards.preview.draw import text
from dashboards.preview.fields import Field
from dashboards.preview.surface import SMALL_SIZE, TEXT_SIZE, Align, Box, Surface, text_width
from dashboards.preview.tables import (
    TIME,
    Cell,
    Table,
    UnknownTransformationError,
    sorted_by,
    table,
)

_HEADER = 28
_ROW = {"sm": 30, "md": 42, "lg": 54}
"""Pixels by Grafana's names."""
_PADDING = 8


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    field: Field
    cells: Sequence[Cell | None]
    wanted_width: float

    @property
    def align(self) -> Align:
        asked = self.field.custom("align", "auto")
        if asked in ("left", "center", "right"):
            found: Align = asked
            return found
        is_number = any(isinstance(cell, float) for cell in self.cells)
        return "right" if is_number and self.name != TIME else "left"


def draw(surface: Surface, box: Box, panel: Panel, answers: Answers) -> None:
    """Draw as many rows as have room; the others are counted."""
    try:
        found = table(answers, panel.targets, panel.transformations)
    except UnknownTransformationError as error:
        text.message(surface, box, f"The transformation {error} is not drawn here")
        return
    found = sorted_by(found, panel.options.get("sortBy") or (), "displayName")
    height = _ROW.get(str(panel.options.get("cellHeight", "sm")), _ROW["sm"])
    columns = [_column(found, name, panel) for name in found.columns]
    columns = [column for column in columns if not column.field.custom("hidden", False)]
    if not columns:
        return
    widths = _widths(columns, box.width)
    _draw_header(surface, box, columns, widths)
    room = int((box.height - _HEADER) // height)
    count = len(found.rows) if len(found.rows) <= room else max(room - 1, 0)
    y = box.y + _HEADER
    for number in range(count):
        x = box.x
        for column, width in zip(columns, widths, strict=True):
            _draw_cell(surface, Box(x, y, width, height), column, column.cells[number])
            x += width
        y += height
        surface.line(box.x, y, to_x=box.right, to_y=y, colour=surface.theme.grid, width=1)
    if count < len(found.rows):
        surface.text(
            *(box.x + _PADDING, y + height / 2, f"… and {len(found.rows) - count} more rows"),
            size=SMALL_SIZE,
            colour=surface.theme.quiet_text,
        )


def _column(found: Table, name: str, panel: Panel) -> _Column:
    cells = [row.get(name) for row in found.rows]
    kind = "number" if any(isinstance(cell, float) for cell in cells) else "string"
    field = panel.fields.of(name, found.refs.get(name, ""), kind)
    if name == TIME and not field.unit.startswith("dateTime"):
        field = Field({**field.settings, "unit": "dateTimeAsIso"})
    texts = [str(field.settings.get("displayName") or name), *(_shown(field, c) for c in cells)]
    width = max(text_width(each) for each in texts) + 2 * _PADDING
    return _Column(texts[0], field, cells, float(field.custom("width") or width))


def _widths(columns: Sequence[_Column], width: float) -> list[float]:
    """What each column wants and an equal part of what is left; less, where that is too much."""
    wanted = [column.wanted_width for column in columns]
    left = width - sum(wanted)
    if left >= 0:
        return [each + left / len(wanted) for each in wanted]
    narrow = width / len(wanted)
    # Columns that want little get it, the others share the rest.
    small = sum(each for each in wanted if each <= narrow)
    large = sum(each for each in wanted if each > narrow)
    return [each if each <= narrow else each * (width - small) / large for each in wanted]


def _draw_header(
    surface: Surface, box: Box, columns: Sequence[_Column], widths: Sequence[float]
) -> None:
    x = box.x
    for column, width in zip(columns, widths, strict=True):
        cell = Box(x, box.y, width, _HEADER)
        _write(surface, cell, column.name, column.align, surface.theme.quiet_text)
        x += width
    bottom = box.y + _HEADER
    surface.line(box.x, bottom, to_x=box.right, to_y=bottom, colour=surface.theme.border, width=1.5)


def _draw_cell(surface: Surface, box: Box, column: _Column, cell: Cell | None) -> None:
    field, theme = column.field, surface.theme
    kind = (field.custom("cellOptions") or {}).get("type", "auto")
    colour = theme.text
    if isinstance(cell, float):
        colour = field.colour(cell, theme)
    elif cell is not None and (named := field.mapped_text(cell).colour):
        colour = theme.colour(named)
    if kind == "color-background" and cell is not None:
        surface.rectangle(box.inside(left=1, top=1, right=1), colour)
        ink = readable_on(colour)
    else:
        ink = colour if kind == "color-text" else theme.text
    if kind == "gauge" and isinstance(cell, float):
        box = _draw_bar(surface, box, column, cell, colour)
    _write(surface, box, _shown(field, cell), column.align, ink)


def _draw_bar(surface: Surface, box: Box, column: _Column, value: float, colour: str) -> Box:
    """A bar for ``value`` among those of the column; gives the room for its text."""
    numbers = [c for c in column.cells if isinstance(c, float) and math.isfinite(c)]
    least, most = column.field.limit("min"), column.field.limit("max")
    low = min([0.0, *numbers]) if least is None else least
    high = max([0.0, *numbers]) if most is None else most
    room = max(text_width(_shown(column.field, number)) for number in numbers or [0.0])
    track = box.inside(_PADDING, 6, room + 2 * _PADDING, 6)
    surface.rectangle(track, surface.theme.track)
    if math.isfinite(value) and high > low:
        share = min(max((value - low) / (high - low), 0), 1)
        surface.rectangle(track.inside(right=track.width * (1 - share)), colour)
    return box.inside(left=box.width - room - 2 * _PADDING)


def _write(surface: Surface, box: Box, shown: str, align: Align, colour: str) -> None:
    x = {
        "left": box.x + _PADDING,
        "center": box.middle[0],
        "right": box.right - _PADDING,
    }[align]
    width = box.width - 2 * _PADDING
    surface.text(x, box.middle[1], shown, align=align, colour=colour, width=width, size=TEXT_SIZE)


def _shown(field: Field, cell: Cell | None) -> str:
    if cell is None:
        return str(field.settings.get("noValue") or "")
    if isinstance(cell, str):
        return field.mapped_text(cell).text
    return field.shown(cell).text
