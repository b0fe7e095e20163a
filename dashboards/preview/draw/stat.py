"""Single numbers, as large as their tile allows, with their recent course."""

import colorsys
import math
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb

from dashboards.preview import facts
from dashboards.preview.answers import Answers, Series
from dashboards.preview.colours import Theme, mixed, readable_on
from dashboards.preview.dashboard import Panel
from dashboards.preview.fields import Shown
from dashboards.preview.lettering import fitting_size, text_width
from dashboards.preview.screen import Box
from dashboards.preview.single import shown_values
from dashboards.preview.surface import Surface


@dataclass(frozen=True, slots=True)
class _Value:
    """One of the panel's values: what is written, and the course of it."""

    title: str
    shown: Shown
    series: Series | None


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Of the letters, and the height of the course; 0 where there is none of it."""

    title: float
    value: float
    course: float
    is_wide: bool


def draw(surface: Surface, box: Box, panel: Panel, answers: Answers) -> None:
    """Draw a tile for each value."""
    options = panel.options
    calculations = (options.get("reduceOptions") or {}).get("calcs") or []
    series = [(each.name, each.cells) for each in answers.series]
    shown = shown_values(panel.fields, calculations, series, surface.theme)
    mode = str(options.get("textMode") or "auto")
    named = mode in ("name", "value_and_name") or (mode == "auto" and len(shown) > 1)
    has_course = options.get("graphMode", "area") != "none"
    values = [
        _Value(
            each.name if each and named else "",
            value,
            each if each and has_course and len(each.values) > 1 else None,
        )
        for (_, value), each in zip(
            shown,
            answers.series[: len(shown)] if answers.series else [None],
            strict=False,
        )
    ]
    tiles = _tiles(box, len(values), str(options.get("orientation") or "auto"))
    title = max((each.title for each in values), key=len)
    text = max((each.shown.text for each in values), key=len)
    for value, tile in zip(values, tiles, strict=True):
        sizes = _sizes(tile, title, text, panel, has_course=value.series is not None)
        _draw_one(surface, tile, panel, value, sizes)


def tile_colour(colour: str, mode: str, theme: Theme) -> str:
    """What a tile of this ``colour`` is filled with: the middle of Grafana's gradient."""
    if mode != "background":
        return colour
    hue, lightness, saturation = colorsys.rgb_to_hls(*to_rgb(colour[:7]))
    lightness = min(max(lightness - 0.1 * (1 if theme.is_dark else -0.7), 0), 1)
    parts = colorsys.hls_to_rgb(hue, lightness, saturation)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


def _tiles(box: Box, count: int, orientation: str) -> list[Box]:
    """The places of ``count`` values: side by side, below each other, or in squares."""
    gap = facts.REPEAT_GAP
    if orientation == "vertical":
        return _shared(box, count, 1, gap)
    if orientation == "horizontal":
        return _shared(box, 1, count, gap)
    square = max(_square(box.width, box.height, count), _square(box.height, box.width, count))
    rows = math.ceil(count / max(math.floor(box.width / square), 1))
    columns = math.ceil(count / rows)
    tiles = _shared(box, columns, rows, gap)[:count]
    alone = count - columns * (rows - 1)
    last = Box(box.x, tiles[-1].y, box.width, tiles[-1].height)
    return tiles[: count - alone] + _shared(last, alone, 1, gap)


def _shared(box: Box, columns: int, rows: int, gap: float) -> list[Box]:
    width, height = (box.width + gap) / columns - gap, (box.height + gap) / rows - gap
    return [
        Box(box.x + column * (width + gap), box.y + row * (height + gap), width, height)
        for row in range(rows)
        for column in range(columns)
    ]


def _square(width: float, height: float, count: int) -> float:
    """The side of the largest of ``count`` squares, as many along ``width`` as have room."""
    parts = math.ceil(math.sqrt(count * width / height))
    if math.floor(parts * height / width) * parts < count:
        return height / math.ceil(parts * height / width)
    return width / parts


def _sizes(tile: Box, title: str, text: str, panel: Panel, *, has_course: bool) -> _Sizes:
    line, most = facts.BIG_LINE, facts.BIG_TITLE
    padding = _padding(tile)
    width, height = tile.width - 2 * padding, tile.height - 2 * padding
    is_wide = tile.width / tile.height > facts.BIG_WIDE and panel.options.get("wideLayout", True)
    if is_wide and has_course and tile.height > 50:
        title_size = fitting_size(title, width * 0.6, height * 0.4, most, line=line)
        value_size = fitting_size(text, width * 0.4, height * 0.5, weight="medium", line=line)
        return _Sizes(title_size, value_size, tile.height * 0.5, is_wide)
    if is_wide:
        share = 0.3 if title else 1
        value_size = fitting_size(text, width * share, height, weight="medium", line=line)
        title_size = fitting_size(title, width * 0.6, height, most, line=line)
        return _Sizes(min(value_size * 0.7, title_size), value_size, 0, is_wide)
    title_size = fitting_size(title, width, tile.height * 0.15, most, line=line) if title else 0
    room = height - title_size * line
    course = has_course and tile.height > 100
    room -= tile.height * 0.25 if course else 0
    value_size = fitting_size(text, width, room, weight="medium", line=line)
    title_size = min(value_size * 0.7, title_size)
    left = tile.height - (title_size + value_size) * line
    return _Sizes(title_size, value_size, left if course else 0, is_wide)


def _padding(tile: Box) -> float:
    return 12 if tile.height > 100 else 8


def _draw_one(surface: Surface, tile: Box, panel: Panel, value: _Value, sizes: _Sizes) -> None:
    theme = surface.theme
    mode = str(panel.options.get("colorMode") or "value")
    colour = value.shown.colour
    is_filled = mode.startswith("background")
    ink = {"value": colour, "none": theme.text}.get(mode, readable_on(colour))
    if is_filled:
        surface.rectangle(tile, tile_colour(colour, mode, theme))
    if value.series is not None and sizes.course:
        course = mixed(colour, "#ffffff", 0.4) if is_filled else colour
        below = tile.inside(top=tile.height - sizes.course)
        _draw_course(surface, below, value.series, course, 0.4 if is_filled else 0.2)
    text_mode = str(panel.options.get("textMode") or "auto")
    if text_mode == "none":
        return
    inner = tile.inside(*(_padding(tile),) * 4)
    if text_mode == "name" or not value.title:
        only = Shown(value.shown.parts._replace(text=value.title, prefix="", suffix=""), colour)
        shown = only if text_mode == "name" else value.shown
        _write_value(
            *(surface, tile, shown), size=sizes.value, ink=ink, at=tile.middle, align="center"
        )
    elif sizes.is_wide:
        y = inner.y + sizes.value * facts.BIG_LINE / 2 if sizes.course else tile.middle[1]
        surface.text(inner.x, y, value.title, size=sizes.title, colour=ink, clip=tile)
        _write_value(
            *(surface, tile, value.shown),
            size=sizes.value,
            ink=ink,
            at=(inner.right, y),
            align="right",
        )
    else:
        y = inner.y + sizes.title * facts.BIG_LINE / 2
        if not sizes.course:
            y = tile.middle[1] - sizes.value * facts.BIG_LINE / 2
        surface.text(inner.x, y, value.title, size=sizes.title, colour=ink, clip=tile)
        y += (sizes.title + sizes.value) * facts.BIG_LINE / 2
        _write_value(
            *(surface, tile, value.shown), size=sizes.value, ink=ink, at=(inner.x, y), align="left"
        )


def _write_value(
    surface: Surface,
    tile: Box,
    shown: Shown,
    size: float,
    ink: str,
    at: tuple[float, float],
    align: str,
) -> None:
    """A number with its unit, which is smaller."""
    prefix, text, suffix = shown.parts.prefix, shown.parts.text, shown.parts.suffix
    number = prefix + text
    smaller = size * (0.9 if size < 20 else 0.8 if size < 26 else 0.6)
    width = text_width(number, size, "medium") + text_width(suffix, smaller, "medium")
    x, y = at
    if align == "center" and not suffix:
        surface.text(
            *(x, y, number), size=size, weight="medium", colour=ink, align="center", clip=tile
        )
        return
    x -= {"left": 0, "center": width / 2, "right": width}[align]
    x += surface.text(x, y, number, size=size, weight="medium", colour=ink, clip=tile)
    # On the same line as the number.
    surface.text(
        *(x, y + (size - smaller) * 0.36, suffix),
        size=smaller,
        weight="medium",
        colour=ink,
        clip=tile,
    )


def _draw_course(surface: Surface, box: Box, series: Series, colour: str, opacity: float) -> None:
    axes = surface.plot(box)
    values = series.values
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    room = (high - low) * 0.1 or abs(high) or 1
    axes.set_xlim(series.times[0], series.times[-1])
    axes.set_ylim(low - room, high + room)
    axes.fill_between(series.times, values, low - room, color=colour, alpha=opacity, linewidth=0)
    axes.plot(series.times, values, color=colour, linewidth=1, label=series.name)
