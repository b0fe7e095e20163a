"""Heat maps: buckets of a histogram over time, or a row of cells for each series."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, PowerNorm

from dashboards.preview import units
from dashboards.preview.answers import Answers, Numbers, Series
from dashboards.preview.colours import Theme
from dashboards.preview.dashboard import Panel
from dashboards.preview.draw.axes import Scale, Tick, plot_height, time_plot
from dashboards.preview.facts import AXIS_TEXT
from dashboards.preview.lettering import text_width
from dashboards.preview.screen import Box
from dashboards.preview.surface import Surface

_LEGEND_HEIGHT = 26
_LABEL_EVERY = 16
"""Pixels between the labels of rows, at least."""
_NARROWEST_WITH_GAP = 4
"""Pixels of a cell; between narrower ones a gap would hide them."""
# Those that Grafana shows the other way round, from cold to hot, and those that it never turns;
# all others go from the panel's own shade to the opposite one.
_TURNED = frozenset(("Spectral", "RdYlGn", "RdYlBu", "RdBu", "RdGy", "PuOr", "PiYG", "BrBG"))
_NEVER_TURNED = frozenset(("Viridis", "Magma", "Plasma", "Inferno", "Cividis", "Turbo", "Rainbow"))


@dataclass(frozen=True, slots=True)
class _Cells:
    """Rows from below; ``values`` has a line for each, at the ends of times a ``step`` long."""

    names: tuple[str, ...]
    times: Numbers
    values: Numbers
    name_at_top: bool
    """Whether a row's name is its upper end."""


def draw(surface: Surface, box: Box, panel: Panel, answers: Answers) -> None:
    """Draw the cells, and which colour means what."""
    options = panel.options
    cells = _cells(panel, answers)
    shown = np.where(_is_filtered(cells.values, options), np.nan, cells.values)
    plot_box = box
    colour_options: Mapping[str, Any] = options.get("color") or {}
    norm, colours = _norm(shown, colour_options), _colours(colour_options, surface.theme)
    if (options.get("legend") or {}).get("show", True):
        plot_box = box.inside(bottom=_LEGEND_HEIGHT)
        below = box.inside(top=box.height - _LEGEND_HEIGHT + 8)
        _draw_scale(surface, below, panel, norm, colours)
    rows = len(cells.names)
    ticks = _ticks(cells, panel, plot_height(plot_box))
    _, (axes,) = time_plot(surface, plot_box, answers.span, Scale(0, rows, ticks, has_grid=False))
    edges = np.append(cells.times - answers.step, cells.times[-1])
    # As wide as the box of the axes, which is what a cell's width is measured by.
    width = plot_box.width * answers.step / answers.span.seconds
    gap = float(options.get("cellGap", 1)) if width >= _NARROWEST_WITH_GAP else 0
    axes.pcolormesh(
        edges,
        np.arange(rows + 1),
        np.ma.masked_invalid(shown),
        cmap=colours,
        norm=norm,
        edgecolors=surface.theme.panel if gap else "none",
        linewidth=gap,
    )
    axes.set_xlim(answers.span.start, answers.span.end)
    axes.set_ylim((rows, 0) if (options.get("yAxis") or {}).get("reverse") else (0, rows))


def _cells(panel: Panel, answers: Answers) -> _Cells:
    formats = {target.ref: target.format for target in panel.targets}
    buckets = [series for series in answers.series if formats.get(series.ref) == "heatmap"]
    if buckets and all("le" in series.labels for series in buckets):
        return _buckets(buckets, panel)
    rows = answers.series
    times = np.unique(np.concatenate([series.times for series in rows]))
    values = np.full((len(rows), len(times)), np.nan)
    for number, series in enumerate(rows):
        values[number, np.searchsorted(times, series.times)] = series.values
    return _Cells(tuple(series.name for series in rows), times, values, name_at_top=False)


def _buckets(series: Sequence[Series], panel: Panel) -> _Cells:
    """Rates of cumulative buckets as rates of each bucket alone."""
    times = np.unique(np.concatenate([each.times for each in series]))
    sums: dict[float, Numbers] = {}
    for each in series:
        bound = float(each.labels["le"])
        own = np.zeros(len(times))
        own[np.searchsorted(times, each.times)] = each.values
        sums[bound] = sums.get(bound, 0) + own
    bounds = sorted(sums)
    cumulative = np.array([sums[bound] for bound in bounds])
    single = np.diff(cumulative, axis=0, prepend=np.zeros((1, cumulative.shape[1])))
    unit = (panel.options.get("yAxis") or {}).get("unit") or panel.fields.defaults.unit
    names = tuple("+Inf" if math.isinf(b) else units.text(b, str(unit)) for b in bounds)
    return _Cells(names, times, np.maximum(single, 0), name_at_top=True)


def _ticks(cells: _Cells, panel: Panel, height: float) -> tuple[Tick, ...]:
    """The names of as many rows as have room."""
    offset = 1.0 if cells.name_at_top else 0.5
    every = max(math.ceil(_LABEL_EVERY * len(cells.names) / height), 1)
    first = (len(cells.names) - 1) % every
    if (panel.options.get("yAxis") or {}).get("axisPlacement") == "hidden":
        return ()
    return tuple(
        (number + offset, name)
        for number, name in enumerate(cells.names)
        if number % every == first
    )


def _is_filtered(values: Numbers, options: Mapping[str, Any]) -> Any:
    limits = options.get("filterValues") or {}
    least, most = limits.get("le"), limits.get("ge")
    hidden = np.isnan(values)
    if least is not None:
        hidden = hidden | (values <= float(least))
    return hidden if most is None else hidden | (values >= float(most))


def _norm(values: Numbers, options: Mapping[str, Any]) -> Normalize:
    finite = values[np.isfinite(values)]
    low = options.get("min")
    high = options.get("max")
    low = (float(finite.min()) if len(finite) else 0.0) if low is None else float(low)
    high = (float(finite.max()) if len(finite) else 1.0) if high is None else float(high)
    if high <= low:
        low, high = min(low, 0.0), high if high > 0 else 1.0
    if options.get("scale") == "exponential":
        return PowerNorm(float(options.get("exponent", 0.5)), low, high, clip=True)
    return Normalize(low, high, clip=True)


def _colours(options: Mapping[str, Any], theme: Theme) -> Colormap:
    steps = int(options.get("steps") or 64)
    if options.get("mode") == "opacity":
        ends = [theme.panel, theme.colour(str(options.get("fill", "dark-orange")))]
        return LinearSegmentedColormap.from_list("opacity", ends, N=steps)
    scheme = str(options.get("scheme") or "Oranges")
    follows_panel = scheme not in _TURNED | _NEVER_TURNED
    turned = scheme in _TURNED or (follows_panel and theme.is_dark)
    turned = turned != bool(options.get("reverse"))
    known = {name.lower(): name for name in colormaps}
    name = known.get(scheme.lower(), "Oranges")
    return colormaps[f"{name}_r" if turned else name].resampled(steps)


def _draw_scale(
    surface: Surface, box: Box, panel: Panel, norm: Normalize, colours: Colormap
) -> None:
    """A strip of the colours between the least and the greatest value."""
    unit = str((panel.options.get("cellValues") or {}).get("unit") or panel.fields.defaults.unit)
    least, most = (units.text(float(end or 0), unit) for end in (norm.vmin, norm.vmax))
    y = box.y + box.height / 2
    quiet = surface.theme.quiet_text
    surface.text(box.x, y, least, size=AXIS_TEXT, colour=quiet)
    x = box.x + text_width(least, AXIS_TEXT) + 8
    strip = surface.plot(Box(x, y - 4, 140, 8))
    strip.imshow(np.linspace(0, 1, 128).reshape(1, -1), cmap=colours, aspect="auto")
    surface.text(x + 148, y, most, size=AXIS_TEXT, colour=quiet)
