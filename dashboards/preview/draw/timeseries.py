"""Lines, areas and bars over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.transforms import Bbox, TransformedBbox

from dashboards.preview.answers import Answers, Numbers
from dashboards.preview.colours import Theme
from dashboards.preview.dashboard import Panel
from dashboards.preview.draw import legend
from dashboards.preview.draw.axes import Scale, plot_height, time_plot, value_range
from dashboards.preview.fields import Field
from dashboards.preview.screen import Box
from dashboards.preview.single import span_of
from dashboards.preview.surface import Surface

_LINES, _AREAS, _MARKS = 3, 2, 4
"""What is above what."""
_BAR_WIDTH, _WIDEST_BAR = 0.6, 200
"""Of the way to the next, and pixels."""
_EXEMPLAR = "dark-blue"
_STEPS = {"stepAfter": "steps-post", "stepBefore": "steps-pre"}


@dataclass(slots=True)
class _Drawn:
    """A series as it is drawn: ``top`` and ``base`` are its values where it is stacked."""

    name: str
    field: Field
    colour: str
    times: Numbers
    values: Numbers
    top: Numbers
    own: list[float]
    """The samples, without gaps."""
    base: Numbers | None = None

    @property
    def is_at_right(self) -> bool:
        return bool(self.field.custom("axisPlacement") == "right")


def draw(surface: Surface, box: Box, panel: Panel, answers: Answers) -> None:
    """Draw the series with their thresholds, exemplars, annotations and legend."""
    drawn = _stacked(_series(panel, answers, surface.theme))
    if not drawn:
        return
    options = panel.options.get("legend") or {}
    entries = [
        legend.Entry(each.name, each.colour, each.field, each.own, _is_dashed(each.field))
        for each in drawn
        if not each.field.hidden_from("legend")
    ]
    plot_box, legend_box = legend.split(options, entries, box, surface)
    sides = _sides(drawn)
    scales = [_scale(side, plot_height(plot_box), surface.theme) for side in sides]
    inner, plots = time_plot(surface, plot_box, answers.span, *scales)
    second = answers.span.seconds / inner.width
    for plot, side in zip(plots, sides, strict=True):
        for each in side:
            _draw_series(plot, each, {other.name: other for other in side}, answers.step, second)
        plot.set_xlim(answers.span.start, answers.span.end)
    _draw_thresholds(plots[0], panel.fields.defaults, surface.theme)
    _draw_marks(plots[0], answers, surface.theme)
    _draw_exemplars(plots[0], answers, surface.theme)
    if legend_box:
        legend.draw(surface, legend_box, options, entries)


def _series(panel: Panel, answers: Answers, theme: Theme) -> list[_Drawn]:
    found = []
    span = span_of(each.cells for each in answers.series)
    for index, series in enumerate(answers.series):
        field = panel.fields.of(series.name, series.ref, index=index, span=span)
        if field.hidden_from("viz"):
            continue
        name = str(field.settings.get("displayName") or series.name)
        times, values = series.with_gaps(answers.step)
        negative = field.custom("transform") == "negative-Y"
        cells = series.cells
        found.append(
            _Drawn(
                name,
                field,
                colour=field.series_colour(cells[-1] if cells else None, theme),
                times=times,
                values=values,
                top=-values if negative else values,
                own=cells,
            )
        )
    return found


def _stacked(drawn: list[_Drawn]) -> list[_Drawn]:
    """The same, those that are stacked one upon the other; what is below 0 goes downwards."""
    sums: dict[tuple[str, bool], dict[float, float]] = {}
    for each in drawn:
        stacking: Mapping[str, str] = each.field.custom("stacking") or {}
        if stacking.get("mode", "none") == "none":
            continue
        downwards = bool(np.nansum(each.top) < 0)
        below = sums.setdefault((stacking.get("group", "A"), downwards), {})
        each.base = np.array([below.get(at, 0.0) for at in each.times])
        each.top = each.base + each.top
        below |= {
            at: top for at, top in zip(each.times, each.top, strict=True) if not np.isnan(top)
        }
    return drawn


def _sides(drawn: list[_Drawn]) -> list[list[_Drawn]]:
    """Those with their values at the left, and those of another unit, or asked to, at the right."""
    unit = next((each.field.unit for each in drawn if not each.is_at_right), None)
    left = [each for each in drawn if not each.is_at_right and each.field.unit == unit]
    right = [each for each in drawn if each not in left]
    return [left, right] if left and right else [drawn]


def _scale(drawn: Sequence[_Drawn], height: float, theme: Theme) -> Scale:
    field = drawn[0].field
    values = np.concatenate([each.top for each in drawn])
    values = values[np.isfinite(values)]
    if not len(values):
        return Scale(0, 100, ())
    low, high = value_range(
        float(values.min()),
        float(values.max()),
        (field.limit("min"), field.limit("max")),
        (field.limit("custom.axisSoftMin"), field.limit("custom.axisSoftMax")),
    )
    return Scale.of(low, high, height, field, theme)


def _draw_series(
    axes: Axes, each: _Drawn, others: Mapping[str, _Drawn], step: float, second: float
) -> None:
    """``second`` is how many seconds a pixel is."""
    field = each.field
    opacity = float(field.custom("fillOpacity", 0)) / 100
    width = float(field.custom("lineWidth", 1))
    if field.custom("drawStyle") == "bars":
        _draw_bars(axes, each, opacity, step=step, second=second)
        return
    times, top, floor = _bridged(each, step)
    stepped = _STEPS.get(str(field.custom("lineInterpolation")))
    below = others.get(str(field.custom("fillBelowTo", "")))
    if below is not None and len(below.top) == len(each.top):
        axes.fill_between(
            *(each.times, each.top, below.top),
            color=to_rgba(each.colour, opacity or 0.35),
            linewidth=0,
            zorder=_AREAS,
        )
    elif opacity and not field.custom("fillBelowTo"):
        axes.fill_between(
            *(times, top, 0.0 if floor is None else floor),
            color=to_rgba(each.colour, opacity),
            linewidth=0,
            zorder=_AREAS,
            step="post" if stepped == "steps-post" else None,
        )
    if width:
        (line,) = axes.plot(
            times,
            top,
            color=each.colour,
            linewidth=width,
            linestyle=_line_style(field),
            drawstyle=stepped or "default",
            solid_capstyle="round",
            zorder=_LINES,
            label=each.name,
        )
        # A line along the edge, such as one that is 0, is seen in its whole width.
        line.set_clip_box(TransformedBbox(Bbox.from_extents(0, -0.02, 1, 1.02), axes.transAxes))
    shows = field.custom("showPoints", "auto")
    points = ~np.isnan(top) if shows == "always" else _alone(top)
    if shows != "never" and points.any():
        size = float(field.custom("pointSize", 5))
        axes.plot(
            times[points], top[points], "o", color=each.colour, markersize=size, zorder=_LINES
        )


def _draw_bars(axes: Axes, each: _Drawn, opacity: float, *, step: float, second: float) -> None:
    """Bars as wide as six tenths of the way from one to the next, also where that is missing."""
    present = ~np.isnan(each.top)
    times, top = each.times[present], each.top[present]
    base = np.zeros_like(top) if each.base is None else each.base[present]
    way = float(np.diff(times).min(initial=step))
    width = min(way * _BAR_WIDTH, _WIDEST_BAR * second)
    alignment = int(each.field.custom("barAlignment", 0))
    axes.bar(
        times + alignment * way / 2,
        top - base,
        bottom=base,
        width=width,
        color=to_rgba(each.colour, opacity),
        edgecolor=each.colour,
        linewidth=float(each.field.custom("lineWidth", 1)),
        zorder=_LINES,
        label=each.name,
    )


def _bridged(each: _Drawn, step: float) -> tuple[Numbers, Numbers, Numbers | None]:
    """Times and values, without the gaps that are to be bridged."""
    span = each.field.custom("spanNulls", False)
    present = ~np.isnan(each.top)
    keep = present
    if span is False or span is None:
        return each.times, each.top, each.base
    if span is not True:
        # A number: milliseconds, up to which a gap is bridged.
        times = each.times[present]
        wide = np.flatnonzero(np.diff(times) > float(span) / 1000)
        gaps = times[wide] + step
        keep = present | np.isin(each.times, gaps)
    return each.times[keep], each.top[keep], None if each.base is None else each.base[keep]


def _alone(values: Numbers) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which values have no neighbour that a line could lead to."""
    present = np.concatenate(([False], ~np.isnan(values), [False]))
    return np.asarray(present[1:-1] & ~present[:-2] & ~present[2:])


def _draw_thresholds(axes: Axes, field: Field, theme: Theme) -> None:
    mode = str((field.custom("thresholdsStyle") or {}).get("mode", "off"))
    if mode in ("off", "series"):
        return
    thresholds = field.thresholds.within(*axes.get_ylim())
    low, high = axes.get_ylim()
    if "area" in mode:
        ends = (low, *thresholds.limits, high)
        for name, begin, end in zip(thresholds.colours, ends, ends[1:], strict=False):
            if min(end, high) > max(begin, low):
                span = max(begin, low), min(end, high)
                axes.axhspan(*span, color=theme.colour(name), alpha=0.12, linewidth=0, zorder=1)
    if mode != "area":
        dashed = "dashed" in mode
        for name, limit in zip(thresholds.colours[1:], thresholds.limits, strict=True):
            axes.axhline(
                limit,
                color=theme.colour(name),
                linewidth=1.2,
                linestyle=(0, (6, 4)) if dashed else "-",
                zorder=_MARKS,
            )
    axes.set_ylim(low, high)


def _draw_marks(axes: Axes, answers: Answers, theme: Theme) -> None:
    for mark in answers.marks:
        colour = theme.colour(mark.colour)
        if mark.end > mark.start:
            axes.axvspan(mark.start, mark.end, color=colour, alpha=0.1, linewidth=0, zorder=1)
        for at in {mark.start, mark.end}:
            axes.axvline(at, color=colour, linewidth=1, linestyle=(0, (3, 3)), zorder=_MARKS)
    axes.set_xlim(answers.span.start, answers.span.end)


def _draw_exemplars(axes: Axes, answers: Answers, theme: Theme) -> None:
    if not answers.exemplars:
        return
    _, high = axes.get_ylim()
    times, values = zip(*answers.exemplars, strict=True)
    axes.plot(
        times,
        # Those above the plot are at its edge, as in Grafana.
        np.minimum(values, high),
        "D",
        color=theme.colour(_EXEMPLAR),
        markersize=3.2,
        markeredgecolor=theme.panel,
        markeredgewidth=0.5,
        clip_on=False,
        zorder=_MARKS,
        label="exemplars",
    )
    axes.set_xlim(answers.span.start, answers.span.end)


def _is_dashed(field: Field) -> bool:
    return (field.custom("lineStyle") or {}).get("fill") in ("dash", "dot")


def _line_style(field: Field) -> str | tuple[float, tuple[float, ...]]:
    style = field.custom("lineStyle") or {}
    if style.get("fill") not in ("dash", "dot"):
        return "-"
    lengths = style.get("dash") or ([0, 10] if style["fill"] == "dot" else [10, 10])
    return 0, tuple(max(float(length), 1) for length in lengths)
