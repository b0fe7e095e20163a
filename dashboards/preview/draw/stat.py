"""Single numbers, large, with their recent course."""

import numpy as np

from dashboards.preview import reduce
from dashboards.preview.answers import Answers, Series
from dashboards.preview.colours import mixed, readable_on
from dashboards.preview.dashboard import Panel
from dashboards.preview.fields import Field
from dashboards.preview.surface import TEXT_SIZE, Box, Surface, text_width

_LARGEST, _SMALLEST = 30.0, 9.0
"""Points of the number."""
_UNKNOWN = "#808080"
"""Behind a panel without a number: unknown is neither good nor bad."""
_MOST = 12
"""Numbers in one panel; Grafana scrolls."""


def calculation(panel: Panel) -> str:
    """How a panel of single values reduces a series."""
    calculations = (panel.options.get("reduceOptions") or {}).get("calcs") or [reduce.LAST]
    return str(calculations[0])


def background(panel: Panel, answers: Answers, surface: Surface) -> str:
    """The colour of the whole panel; empty where it is the theme's."""
    if panel.options.get("colorMode") not in ("background", "background_solid"):
        return ""
    if len(answers.series) > 1:
        return ""
    if answers.is_empty:
        return _UNKNOWN
    field, value = _only(panel, answers)
    return field.colour(value, surface.theme)


def draw(surface: Surface, box: Box, panel: Panel, answers: Answers) -> None:
    """Draw a number for each series, side by side or one above the other."""
    series = answers.series[:_MOST]
    if len(series) <= 1:
        _draw_one(surface, box, panel, series[0] if series else None, whole_panel=True)
        return
    orientation = panel.options.get("orientation", "auto")
    across = orientation == "vertical" or (orientation == "auto" and box.width > box.height)
    gap = 6
    length = box.width if across else box.height
    size = (length + gap) / len(series) - gap
    for number, each in enumerate(series):
        offset = number * (size + gap)
        part = (
            Box(box.x + offset, box.y, size, box.height)
            if across
            else Box(box.x, box.y + offset, box.width, size)
        )
        _draw_one(surface, part, panel, each, whole_panel=False)


def _draw_one(
    surface: Surface, box: Box, panel: Panel, series: Series | None, *, whole_panel: bool
) -> None:
    field = panel.fields.of(series.name, series.ref) if series else panel.fields.defaults
    value = reduce.reduced(series.values, calculation(panel)) if series else np.nan
    colour = _UNKNOWN if np.isnan(value) else field.colour(value, surface.theme)
    mode = str(panel.options.get("colorMode", "value"))
    is_filled = mode.startswith("background")
    if is_filled and not whole_panel:
        surface.rectangle(box, colour, radius=3)
    if is_filled:
        ink = readable_on(colour)
        course = mixed(colour, ink, 0.45)
    else:
        ink = colour if mode == "value" else surface.theme.text
        course = colour
    sparkline = 0.0
    if series and panel.options.get("graphMode", "area") == "area" and len(series.values) > 1:
        sparkline = box.height * 0.3
        _draw_course(surface, box.inside(top=box.height - sparkline), series, course)
    _write(
        surface,
        box.inside(bottom=sparkline),
        panel=panel,
        field=field,
        value=value,
        series=series,
        ink=ink,
        whole_panel=whole_panel,
    )


def _write(
    surface: Surface,
    box: Box,
    panel: Panel,
    field: Field,
    value: float,
    series: Series | None,
    ink: str,
    whole_panel: bool,
) -> None:
    mode = str(panel.options.get("textMode", "auto"))
    name = series.name if series else ""
    named = mode in ("name", "value_and_name") or (mode == "auto" and not whole_panel)
    text = {"name": name, "none": ""}.get(mode, field.shown(value).text)
    x, y = box.middle
    if named and mode != "name":
        y = box.y + box.height * 0.62
        surface.text(
            *(x, box.y + min(box.height * 0.2, 14), name),
            colour=ink,
            align="center",
            width=box.width - 8,
        )
    size = _size(text, box.width - 12, box.height * (0.42 if named else 0.5))
    surface.text(
        *(x, y, text),
        size=size,
        bold=size > TEXT_SIZE + 3,
        colour=ink,
        align="center",
        vertical="center",
        width=box.width - 8,
    )


def _size(text: str, width: float, height: float) -> float:
    """The size in points at which ``text`` fits into this many pixels."""
    fitting = _LARGEST * width / max(text_width(text, _LARGEST, "bold"), 1)
    return max(_SMALLEST, min(_LARGEST, fitting, height * 0.72))


def _draw_course(surface: Surface, box: Box, series: Series, colour: str) -> None:
    axes = surface.plot(box)
    values = series.values
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    room = (high - low) * 0.1 or abs(high) or 1
    axes.set_xlim(series.times[0], series.times[-1])
    axes.set_ylim(low - room, high + room)
    axes.fill_between(series.times, values, low - room, color=colour, alpha=0.3, linewidth=0)
    axes.plot(series.times, values, color=colour, linewidth=1, label=series.name)


def _only(panel: Panel, answers: Answers) -> tuple[Field, float]:
    """The settings and the value of the one number; NaN where there is none."""
    if not answers.series:
        return panel.fields.defaults, float("nan")
    (series,) = answers.series
    field = panel.fields.of(series.name, series.ref)
    return field, reduce.reduced(series.values, calculation(panel))
