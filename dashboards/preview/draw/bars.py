"""Bar gauges: a name, a bar between the limits, a value."""

import math

from dashboards.preview import facts
from dashboards.preview.answers import Answers
from dashboards.preview.colours import mixed
from dashboards.preview.dashboard import Panel
from dashboards.preview.fields import Field, Shown
from dashboards.preview.lettering import text_width
from dashboards.preview.screen import Box
from dashboards.preview.single import shown_values
from dashboards.preview.surface import Surface

_VALUE_SHARE, _VALUE_MOST, _VALUE_PADDING = 0.2, 150, 10
_TITLE_LINE, _TITLE_LEAST = 1.5, 18


def draw(surface: Surface, box: Box, panel: Panel, answers: Answers) -> None:
    """Draw a bar for each series, one below the other, as many as have room."""
    calculations = (panel.options.get("reduceOptions") or {}).get("calcs") or []
    series = [(each.name, each.cells) for each in answers.series]
    shown = shown_values(panel.fields, calculations, series, surface.theme)
    # One name is the panel's title already.
    names = [name for name, _ in series] if len(series) > 1 else [""] * len(shown)
    names = names[: len(shown)]
    gap = facts.BAR_GAP
    height = (box.height + gap) / len(shown) - gap
    height = max(facts.BAR_LEAST, min(facts.BAR_MOST, height))
    if panel.options.get("orientation") != "horizontal":
        surface.remarks.append("bars that stand, drawn lying")
    widest_name = max(names, key=len)
    widest_value = max((value.text for _, value in shown), key=len)
    y, hidden = box.y, 0
    for name, (field, value) in zip(names, shown, strict=True):
        row = Box(box.x, y, box.width, height)
        if row.bottom > box.bottom + 1:
            hidden += 1
        else:
            _draw_one(
                *(surface, row, panel, field, value),
                name=name,
                widest_name=widest_name,
                widest_value=widest_value,
            )
        y += height + gap
    if hidden:
        surface.remarks.append(f"{hidden} bars are seen only by scrolling")


def _draw_one(
    surface: Surface,
    row: Box,
    panel: Panel,
    field: Field,
    value: Shown,
    name: str,
    widest_name: str,
    widest_value: str,
) -> None:
    wished = panel.options.get("text") or {}
    size = float(facts.SMALL_TEXT)
    if widest_name and row.height > 40:
        title_height = max(min(row.height * 0.45, 50), 17)
        size = title_height / _TITLE_LINE
        if "titleSize" in wished:
            size = wished["titleSize"]
            title_height = size * _TITLE_LINE
        surface.text(row.x, row.y + title_height / 2, name, size=size, width=row.width)
        row = row.inside(top=title_height)
    elif widest_name:
        # What it has room for is measured in a size of its own, whatever is wished.
        measured = max(row.height * 0.6, _TITLE_LEAST) / _TITLE_LINE
        size = wished.get("titleSize", measured)
        room = text_width(widest_name, measured, spacing=0) + 15
        room = min(room, row.width * facts.BAR_NAME_SHARE)
        seen = room - facts.BAR_NAME_PADDING
        surface.text(row.x + seen, row.middle[1], name, size=size, width=seen, align="right")
        row = row.inside(left=room)
    value_size = wished.get("valueSize", max(size, 12))
    needed = text_width(widest_value, value_size) + 2 * _VALUE_PADDING
    room = max(min(row.width * _VALUE_SHARE, _VALUE_MOST), needed)
    track = row.inside(right=room)
    theme = surface.theme
    if panel.options.get("showUnfilled", True):
        surface.rectangle(track, theme.track, radius=2)
    filled = Box(track.x, track.y, max(track.width * _share(field, value), 1), track.height)
    surface.rectangle(filled, mixed(theme.panel, value.colour, 0.35))
    surface.line(
        *(filled.right, filled.y),
        to_x=filled.right,
        to_y=filled.bottom,
        colour=value.colour,
        width=2,
    )
    x, y = track.right + _VALUE_PADDING, row.middle[1]
    surface.text(x, y, value.text, size=value_size, colour=value.colour, clip=row)


def _share(field: Field, value: Shown) -> float:
    """How much of the bar is filled."""
    least, most = field.limit("min"), field.limit("max")
    if least is None or most is None:
        if field.kind != "number":
            return 0
        span = field.span()
        least, most = span[0] if least is None else least, span[1] if most is None else most
    number = least + value.share * (field.span()[1] - field.span()[0])
    share = min((number - least) / (most - least), 1) if most > least else 0.0
    return 0 if math.isnan(share) else max(share, 0)
