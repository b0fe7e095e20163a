"""Tables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dashboards.preview import facts
from dashboards.preview.answers import Answers
from dashboards.preview.colours import mixed, readable_on
from dashboards.preview.dashboard import Panel
from dashboards.preview.draw import text
from dashboards.preview.fields import Cell, Field, Kind
from dashboards.preview.screen import Box
from dashboards.preview.single import span_of
from dashboards.preview.surface import Align, Surface
from dashboards.preview.tables import (
    TIME,
    Table,
    UnknownTransformationError,
    sorted_by,
    table,
)

_PADDING = facts.TABLE_CELL_PADDING


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    field: Field
    cells: Sequence[Cell]

    @property
    def align(self) -> Align:
        asked = self.field.custom("align", "auto")
        if asked in ("left", "center", "right"):
            found: Align = asked
            return found
        return "right" if self.field.kind == "number" else "left"

    @property
    def look(self) -> str:
        return str((self.field.custom("cellOptions") or {}).get("type", "auto"))


def draw(surface: Surface, box: Box, panel: Panel, answers: Answers) -> None:
    """Draw the columns and rows that have room."""
    try:
        found = table(answers, panel.targets, panel.transformations)
    except UnknownTransformationError as error:
        surface.remarks.append(f"the transformation {error}")
        text.message(surface, box, f"The transformation {error} is not drawn here")
        return
    found = sorted_by(found, panel.options.get("sortBy") or (), "displayName")
    height = facts.TABLE_ROWS.get(str(panel.options.get("cellHeight", "sm")), 36)
    columns = _columns(found, panel)
    widths = _widths(columns, box.width)
    beyond = []
    x = box.x
    for column, width in zip(columns, widths, strict=True):
        _draw_column(surface, box, column, x=x, width=width, height=height)
        x += width
        if x > box.right + 1:
            beyond.append(column.name)
    y = box.y + facts.TABLE_HEADER
    for _ in range(len(found.rows) + 1):
        if y < box.bottom:
            surface.line(box.x, y, to_x=box.right, to_y=y, colour=surface.theme.border, width=1)
        y += height
    if beyond:
        surface.remarks.append(f"beyond its right edge: {', '.join(beyond)}")
    hidden = len(found.rows) - max(int((box.height - facts.TABLE_HEADER) // height), 0)
    if hidden > 0:
        surface.remarks.append(f"{hidden} rows are seen only by scrolling")


def _columns(found: Table, panel: Panel) -> list[_Column]:
    columns = []
    span = span_of([row.get(n) for row in found.rows] for n in found.columns if n != TIME)
    index = 0
    for name in found.columns:
        cells = [row.get(name) for row in found.rows]
        kind: Kind = "string"
        if name == TIME or name in found.times:
            kind = "time"
        elif any(isinstance(cell, float) for cell in cells) or name in found.refs:
            kind = "number"
        field = panel.fields.of(name, found.refs.get(name, ""), kind, index, span)
        index += kind != "time"
        if not (field.custom("hidden", False) or (field.custom("hideFrom") or {}).get("viz")):
            columns.append(_Column(str(field.settings.get("displayName") or name), field, cells))
    return columns


def _widths(columns: Sequence[_Column], width: float) -> list[float]:
    """What each column is given, and of what is left the same for all others."""
    given = [float(column.field.custom("width") or 0) for column in columns]
    others = max(given.count(0), 1)
    share = (width - sum(given)) / others
    return [
        own or max(float(column.field.custom("minWidth") or facts.TABLE_COLUMN), share)
        for own, column in zip(given, columns, strict=True)
    ]


def _draw_column(
    surface: Surface, box: Box, column: _Column, x: float, width: float, height: float
) -> None:
    seen = Box(x, box.y, min(width, box.right - x), facts.TABLE_HEADER)
    if seen.width <= 0:
        return
    _write(*(surface, seen, width, column.name, column), colour=surface.theme.text, weight="medium")
    y = box.y + facts.TABLE_HEADER
    for cell in column.cells:
        visible = min(height, box.bottom - y)
        if visible <= 0:
            return
        _draw_cell(
            *(surface, Box(x, y, seen.width, visible)),
            width=width,
            height=height,
            column=column,
            cell=cell,
        )
        y += height


def _draw_cell(
    surface: Surface, seen: Box, width: float, height: float, column: _Column, cell: Cell
) -> None:
    """``seen`` is the part of the cell that is inside the panel."""
    shown = column.field.show(cell, surface.theme)
    ink = shown.colour if column.look == "color-text" else surface.theme.text
    if column.look == "color-background":
        surface.rectangle(seen, shown.colour)
        ink = readable_on(shown.colour)
    if column.look == "gauge" and isinstance(cell, float):
        seen = _draw_bar(surface, seen, shown.share, shown.colour)
    whole = Box(seen.x, seen.y, seen.width, height)
    _write(*(surface, whole, width, shown.text, column), colour=ink, weight="regular", clip=seen)


def _draw_bar(surface: Surface, box: Box, share: float, colour: str) -> Box:
    """A bar for the value; gives the room for its text."""
    track = box.inside(_PADDING, 6, box.width * 0.3, 6)
    surface.rectangle(track, surface.theme.track)
    filled = 0.0 if math.isnan(share) else min(max(share, 0), 1)
    surface.rectangle(
        track.inside(right=track.width * (1 - filled)), mixed(surface.theme.panel, colour, 0.35)
    )
    return box.inside(left=box.width * 0.7)


def _write(
    surface: Surface,
    box: Box,
    width: float,
    shown: str,
    column: _Column,
    colour: str,
    weight: str,
    clip: Box | None = None,
) -> None:
    """A text in a cell ``width`` pixels wide, of which ``box`` is seen."""
    x = {
        "left": box.x + _PADDING,
        "center": box.x + width / 2,
        "right": box.x + width - _PADDING,
    }[column.align]
    surface.text(
        *(x, box.middle[1], shown),
        align=column.align,
        colour=colour,
        weight="medium" if weight == "medium" else "regular",
        width=width - 2 * _PADDING,
        clip=clip or box,
    )
