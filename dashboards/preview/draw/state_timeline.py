"""States over time: a lane for each series, coloured by the state it is in."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dashboards.preview import facts, units
from dashboards.preview.answers import Answers, Series, Span
from dashboards.preview.colours import SCHEMES, Theme, contrasting, mixed
from dashboards.preview.dashboard import Panel
from dashboards.preview.draw import legend, text
from dashboards.preview.draw.axes import Scale, time_plot
from dashboards.preview.fields import Cell, Field, Shown
from dashboards.preview.lettering import text_width
from dashboards.preview.screen import Box
from dashboards.preview.single import span_of
from dashboards.preview.surface import Surface
from dashboards.preview.units import Formatted

_CHARACTERS = "".join(map(chr, range(32, 127)))


@dataclass(frozen=True, slots=True)
class State:
    """What a lane shows from ``start`` to ``end``."""

    start: float
    end: float
    shown: Shown


def draw(surface: Surface, box: Box, panel: Panel, answers: Answers) -> None:
    """Draw the lanes from the top, and which colour means what."""
    if not any(len(series.times) for series in answers.series):
        text.message(surface, box, facts.NO_TIME)
        return
    options = panel.options
    span = span_of(each.cells for each in answers.series)
    fields = [
        panel.fields.of(each.name, each.ref, index=index, span=span)
        for index, each in enumerate(answers.series)
    ]
    merges = bool(options.get("mergeValues", True))
    lanes = [
        (
            series.name,
            list(
                states(
                    series, field, answers.span, answers.step, theme=surface.theme, merges=merges
                )
            ),
        )
        for series, field in zip(answers.series, fields, strict=True)
    ]
    page = int(options.get("perPage", facts.LANES))
    box = box.inside(bottom=facts.PAGES if page else 0)
    if page and len(lanes) > page:
        surface.remarks.append(f"{len(lanes) - page} lanes are on further pages")
        lanes = lanes[:page]
    legend_options = {**(options.get("legend") or {}), "calcs": []}
    entries = [
        legend.Entry(name, colour, panel.fields.defaults, [])
        for name, colour in _legend(fields[0], lanes, surface.theme, answers, fields)
    ]
    plot_box, legend_box = legend.split(legend_options, entries, box, surface)
    _draw_lanes(surface, plot_box, panel, answers.span, lanes)
    if legend_box:
        legend.draw(surface, legend_box, legend_options, entries)


def states(
    series: Series, field: Field, span: Span, step: float, theme: Theme, merges: bool
) -> Iterator[State]:
    """The boxes of a lane: values until the next sample, equal ones as one where it merges."""
    by_range = merges and field.colour_mode == "thresholds"
    samples = list(_samples(series, span, step))
    index = 0
    while index < len(samples):
        start, value = samples[index]
        following = index + 1
        while (
            merges
            and following < len(samples)
            and _same(samples, index, following, field, by_range)
        ):
            following += 1
        end = samples[following][0] if following < len(samples) else span.end
        index = following
        begin, until = max(start, span.start), min(end, span.end)
        if until > begin and _is_drawn(value, field, by_range):
            shown = _range(field, value, theme) if by_range else field.show(value, theme)
            yield State(begin, until, shown)


def ranges(field: Field, theme: Theme) -> list[Shown]:
    """The ranges between the thresholds as Grafana calls them."""
    thresholds = field.thresholds
    unit = "percent" if thresholds.is_percentage else field.unit
    limits = (-math.inf, *thresholds.limits)
    found = []
    for number, (limit, colour) in enumerate(zip(limits, thresholds.colours, strict=True)):
        is_below = number == 0 and len(limits) > 1
        written = units.text(limits[1] if is_below else limit, unit, field.decimals)
        name = f"< {written}" if is_below else f"{written}+"
        found.append(Shown(Formatted(name), theme.colour(colour)))
    return found


def _samples(series: Series, span: Span, step: float) -> Iterator[tuple[float, Cell]]:
    """Times and values, with None at each step without a sample."""
    times = [float(at) for at in series.times]
    if times and times[0] > span.start:
        yield times[0] - step * math.ceil((times[0] - span.start) / step), None
    for number, (at, value) in enumerate(zip(times, series.cells, strict=True)):
        yield at, value
        following = times[number + 1] if number + 1 < len(times) else span.end
        if following - at > step:
            yield at + step, None


def _same(
    samples: Sequence[tuple[float, Cell]], one: int, other: int, field: Field, by_range: bool
) -> bool:
    a, b = samples[one][1], samples[other][1]
    if by_range and isinstance(a, float) and isinstance(b, float):
        return field.thresholds.at(a) == field.thresholds.at(b)
    return a == b


def _range(field: Field, value: Cell, theme: Theme) -> Shown:
    number = value if isinstance(value, float) else -math.inf
    least, most = field.span()
    return ranges(field, theme)[field.thresholds.within(least, most).at(number)]


def _is_drawn(value: Cell, field: Field, by_range: bool) -> bool:
    """Whether there is a box: of no value only where a mapping is meant for it."""
    if isinstance(value, float) and not math.isnan(value):
        return True
    if by_range:
        return isinstance(value, float)
    if field.colour_mode in SCHEMES:
        return False
    return field.maps("null" if value is None else "nan", "null+nan")


def _legend(
    first: Field,
    lanes: Sequence[tuple[str, Sequence[State]]],
    theme: Theme,
    answers: Answers,
    fields: Sequence[Field],
) -> list[tuple[str, str]]:
    if first.colour_mode == "thresholds" and first.thresholds.limits:
        return [(each.text, each.colour) for each in ranges(first, theme)]
    if first.colour_mode in SCHEMES:
        return []
    # All values, with those that have no box.
    found = {
        shown.text: shown.colour
        for series, field in zip(answers.series, fields, strict=True)
        for _, value in _samples(series, answers.span, answers.step)
        for shown in (field.show(value, theme),)
    }
    if first.colour_mode == "thresholds":
        found = {state.shown.text: state.shown.colour for _, lane in lanes for state in lane}
    return [(name, colour) for name, colour in found.items() if name]


def _draw_lanes(
    surface: Surface,
    box: Box,
    panel: Panel,
    span: Span,
    lanes: Sequence[tuple[str, Sequence[State]]],
) -> None:
    count = len(lanes)
    share = float(panel.options.get("rowHeight", 0.9)) if count > 1 else 1
    height = share / count
    gap = (1 - share) / (count - 1) if count > 1 else 0
    tops = [number * (height + gap) for number in range(count)]
    ticks = tuple((1 - top - height / 2, name) for top, (name, _) in zip(tops, lanes, strict=True))
    scale = Scale(0, 1, ticks, has_grid=False, gap=facts.LANE_NAME_GAP)
    axes, (plot, *_) = time_plot(surface, box, span, scale)
    opacity = float(panel.fields.defaults.custom("fillOpacity", 70)) / 100
    shows = panel.options.get("showValue", "auto")
    for top, (_, lane) in zip(tops, lanes, strict=True):
        for state in lane:
            x = axes.x + axes.width * (state.start - span.start) / span.seconds
            width = max(axes.width * (state.end - state.start) / span.seconds, 1)
            colour = mixed(surface.theme.panel, state.shown.colour, opacity)
            plot.broken_barh(
                [(state.start, state.end - state.start)],
                (1 - top - height, height),
                facecolors=colour,
                linewidth=0,
            )
            room = int(width / _character())
            if shows == "never" or (shows == "auto" and room < 2):
                continue
            _write(
                *(surface, panel, axes, state),
                x=x,
                width=width,
                middle=top + height / 2,
                room=room,
                colour=colour,
            )
    plot.set_xlim(span.start, span.end)
    plot.set_ylim(0, 1)


def _write(
    surface: Surface,
    panel: Panel,
    axes: Box,
    state: State,
    x: float,
    width: float,
    middle: float,
    room: int,
    colour: str,
) -> None:
    """The state's name, as many letters as have room."""
    padding = facts.LANE_TEXT_PADDING
    align = panel.options.get("alignValue", "left")
    at = {"left": x + padding, "right": x + width - padding}.get(align, x + width / 2)
    surface.text(
        *(at, axes.y + axes.height * middle, state.shown.text[:room]),
        size=facts.AXIS_TEXT,
        weight="medium",
        colour=contrasting(colour),
        align=align if align in ("left", "right") else "center",
        clip=Box(x, axes.y, width, axes.height),
    )


def _character() -> float:
    """The width that Grafana counts for a letter."""
    width = text_width(_CHARACTERS, facts.AXIS_TEXT, "medium", spacing=0)
    return math.ceil(width / len(_CHARACTERS)) + facts.CHARACTER_EXTRA
