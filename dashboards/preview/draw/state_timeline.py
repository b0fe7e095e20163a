"""States over time: a lane for each series, coloured by the state it is in."""

import math
from collections.abc import Iterator

import numpy as np

from dashboards.preview.answers import Answers, Numbers, Series
from dashboards.preview.colours import readable_on
from dashboards.preview.dashboard import Panel
from dashboards.preview.draw import legend
from dashboards.preview.draw.axes import Scale, plot_height, time_plot
from dashboards.preview.fields import Field
from dashboards.preview.surface import SMALL_SIZE, Box, Surface, cut, text_width

_LOWEST_LANE = 14
_LONGEST_NAME = 0.35
"""Of the width."""


def draw(surface: Surface, box: Box, panel: Panel, answers: Answers) -> None:
    """Draw the lanes from the top; those without room are left out and counted in the last name."""
    options = panel.options.get("legend") or {}
    fields = [panel.fields.of(each.name, each.ref) for each in answers.series]
    entries = [
        legend.Entry(text, colour, panel.fields.defaults, np.array([], float))
        for text, colour in _states(surface, panel.fields.defaults, answers)
    ]
    plain = {**options, "calcs": [], "displayMode": options.get("displayMode", "list")}
    plain["displayMode"] = "list" if plain["displayMode"] == "table" else plain["displayMode"]
    plot_box, legend_box = legend.split(plain, entries, box)
    height = plot_height(plot_box)
    room = max(int(height // _LOWEST_LANE), 1)
    shown = list(zip(answers.series, fields, strict=True))
    if len(shown) > room:
        shown = shown[: room - 1]
    left_over = len(answers.series) - len(shown)
    lanes = len(shown) + bool(left_over)
    names = [cut(series.name, box.width * _LONGEST_NAME, SMALL_SIZE) for series, _ in shown]
    names += [f"… and {left_over} more"] if left_over else []
    ticks = tuple((lanes - number - 0.5, name) for number, name in enumerate(names))
    (axes,) = time_plot(surface, plot_box, answers.span, Scale(0, lanes, ticks, has_grid=False))
    left, _, width, _ = axes.get_position().bounds
    plot_left, plot_width = left * surface.page_width, width * surface.page_width
    thickness = float(panel.options.get("rowHeight", 0.9))
    opacity = float(panel.fields.defaults.custom("fillOpacity", 70)) / 100
    for number, (series, field) in enumerate(shown):
        y = lanes - number - 0.5
        for start, end, value in _spans(series, answers.step):
            begin, until = max(start, answers.span.start), min(end, answers.span.end)
            if until <= begin:
                continue
            colour = field.colour(value, surface.theme)
            axes.broken_barh(
                [(begin, until - begin)],
                (y - thickness / 2, thickness),
                facecolors=colour,
                alpha=max(opacity, 0.3),
                linewidth=0,
            )
            text = field.shown(value).text
            pixels = plot_width * (until - begin) / answers.span.seconds
            if panel.options.get("showValue", "auto") != "never" and (
                text_width(text, SMALL_SIZE) + 6 <= pixels and height / lanes >= _LOWEST_LANE
            ):
                x = plot_left + plot_width * (begin - answers.span.start) / answers.span.seconds
                top = plot_box.y + 6 + height * (lanes - y) / lanes
                ink = readable_on(colour) if opacity > 0.85 else surface.theme.text
                surface.text(x + pixels / 2, top, text, size=SMALL_SIZE, colour=ink, align="center")
    axes.set_xlim(answers.span.start, answers.span.end)
    axes.set_ylim(0, lanes)
    if legend_box:
        legend.draw(surface, legend_box, plain, entries)


def _states(surface: Surface, field: Field, answers: Answers) -> Iterator[tuple[str, str]]:
    """The states that occur, as text and colour: mapped ones, then those between thresholds."""
    values = np.unique(np.concatenate([series.values for series in answers.series]))
    values = values[~np.isnan(values)]
    occurring = {field.shown(float(value)) for value in values}
    for state in field.states():
        if state in occurring:
            yield state.text, surface.theme.colour(state.colour)
    unmapped = [float(value) for value in values if not field.shown(float(value)).colour]
    thresholds = field.thresholds
    ends = (-math.inf, *thresholds.limits, math.inf)
    for name, low, high in zip(thresholds.colours, ends, ends[1:], strict=False):
        # Without limits there is one colour, which says nothing.
        if thresholds.limits and any(low <= value < high for value in unmapped):
            text = f"{field.text(low)}+" if math.isfinite(low) else f"< {field.text(high)}"
            yield text, surface.theme.colour(name)


def _spans(series: Series, step: int) -> Iterator[tuple[float, float, float]]:
    """Begin, end and value of each time in which the value stays the same."""
    values: Numbers = series.values
    start = 0
    for index in range(1, len(values) + 1):
        same = index < len(values) and (values[index] == values[start])
        if not same:
            if not math.isnan(values[start]):
                yield series.times[start], series.times[index - 1] + step, float(values[start])
            start = index
