"""Axes of time and of values: where they end, where the ticks are, and how they are called."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from matplotlib.axes import Axes

from dashboards.preview import facts
from dashboards.preview.answers import Span
from dashboards.preview.colours import Theme
from dashboards.preview.fields import Field
from dashboards.preview.lettering import text_width
from dashboards.preview.numbers import decimals_of, rounded
from dashboards.preview.screen import Box
from dashboards.preview.surface import Surface

TIME_LABELS_HEIGHT = facts.AXIS_TICK + facts.AXIS_GAP + facts.AXIS_TEXT
"""Pixels below a plot."""

_DAY, _YEAR = 86400, 365 * 86400
_TIME_STEPS = (
    *(1, 5, 10, 15, 30, 60, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 28800, 43200),
    *(_DAY * days for days in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 30, 60, 90, 120, 180, 365)),
)
_BINARY_UNITS = frozenset(("bytes", "bits", "kbytes", "mbytes", "gbytes", "binBps", "binbps"))
_MULTIPLES = (1, 2, 2.5, 5)

Tick = tuple[float, str]
"""A value and its label."""
Limits = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Scale:
    """The axis of values, from ``low`` to ``high``."""

    low: float
    high: float
    ticks: tuple[Tick, ...]
    has_grid: bool = True
    gap: float = facts.AXIS_GAP
    """Pixels between labels and plot, without the mark."""

    @classmethod
    def of(cls, low: float, high: float, height: float, field: Field, theme: Theme) -> "Scale":
        """With ticks at round values, as many as Grafana has in ``height`` pixels."""
        return cls(low, high, tuple(value_ticks(low, high, height, field, theme)))


def time_ticks(span: Span, width: float) -> list[Tick]:
    """Ticks at whole minutes, hours, days (UTC), as many as have room in ``width`` pixels."""
    step = span.seconds * facts.TIME_SPACE / width
    sample = _time_label(span.end, span, step)
    space = text_width(sample, facts.AXIS_TEXT, spacing=0) + facts.TIME_GAP
    least = space / width * span.seconds
    step = next((each for each in _TIME_STEPS if each >= least), _YEAR)
    midnight = span.start // _DAY * _DAY
    first = midnight + math.ceil((span.start - midnight) / min(step, _DAY)) * min(step, _DAY)
    return [(float(at), _time_label(at, span, step)) for at in range(first, span.end + 1, step)]


def value_ticks(low: float, high: float, height: float, field: Field, theme: Theme) -> list[Tick]:
    """Round values from ``low`` to ``high`` with their labels."""
    is_low = height <= facts.LOW_PLOT
    space = facts.VALUE_SPACE_LOW if is_low else facts.VALUE_SPACE
    step = _increment(space / height * (high - low), field.unit)
    first, last = math.ceil(_exact(low / step)), math.floor(_exact(high / step))
    decimals = decimals_of(rounded(step * 1e6) / 1e6)
    values = [_exact(number * step) for number in range(first, last + 1)]
    if field.decimals == 0:
        values = [value for value in values if value == round(value)]
    return [(value, field.show(value, theme, decimals or None).text) for value in values]


def value_range(least: float, most: float, limits: Limits, soft: Limits) -> tuple[float, float]:
    """The ends of the axis for values from ``least`` to ``most``.

    ``limits`` hold whatever the values are; ``soft`` ones give way to values beyond them.
    """
    hard_low, hard_high = (
        limit if mild is None else None for limit, mild in zip(limits, soft, strict=True)
    )
    least = least if hard_low is None else hard_low
    most = most if hard_high is None else hard_high
    delta = most - least
    size = max(abs(least), abs(most))
    if delta < 1e-24 or abs(math.log10(size) - math.log10(delta)) > 10:
        delta = 1e-24 if 0 in (least, most) else 0
    room = delta or size or 1e3
    step = 10.0 ** math.floor(math.log10(room)) / 10
    low = _exact(math.floor(_exact((least - _pad(delta, room, least)) / step)) * step)
    high = _exact(math.ceil(_exact((most + _pad(delta, room, most)) / step)) * step)
    # Without a soft limit, 0 is one that holds where the axis would otherwise cross it.
    low_soft, high_soft = (0.0 if mild is None else mild for mild in soft)
    if least >= low_soft and (soft[0] is not None or low <= low_soft):
        low = low_soft
    if most <= high_soft and (soft[1] is not None or high >= high_soft):
        high = high_soft
    low = low if limits[0] is None else max(low, limits[0])
    high = high if limits[1] is None else min(high, limits[1])
    if low == high == 0:
        high = 100
    low = low if hard_low is None else hard_low
    high = high if hard_high is None else hard_high
    return (low, high) if low < high else (0, 100)


def plot_height(box: Box) -> float:
    """How high a plot in ``box`` is, without the labels of its times."""
    return box.inside(top=facts.PLOT_TOP, bottom=TIME_LABELS_HEIGHT).height


def time_plot(
    surface: Surface, box: Box, span: Span, scale: Scale, right: Scale | None = None
) -> tuple[Box, list[Axes]]:
    """Axes over ``span`` with labelled ticks, and further ones for values labelled at the right.

    With the box that they fill.
    """
    inner = box.inside(
        left=_axis_width(box, scale),
        top=facts.PLOT_TOP,
        right=_axis_width(box, right) if right else facts.PLOT_RIGHT,
        bottom=TIME_LABELS_HEIGHT,
    )
    axes = [surface.plot(inner) for _ in ((scale, right) if right else (scale,))]
    for plot, its in zip(axes, (scale, right), strict=False):
        assert its is not None
        plot.set_xlim(span.start, span.end)
        plot.set_ylim(its.low, its.high)
    _label_times(surface, box, inner, span, axes[0])
    _label_values(surface, inner, scale, axes[0], is_right=False)
    if right:
        _label_values(surface, inner, right, axes[1], is_right=True)
    return inner, axes


def _axis_width(box: Box, scale: Scale) -> float:
    labels = (text_width(label, facts.AXIS_TEXT, spacing=0) for _, label in scale.ticks)
    width = min(max(labels, default=0), box.width * facts.AXIS_SHARE)
    return math.ceil(facts.AXIS_TICK + scale.gap + width)


def _label_times(surface: Surface, box: Box, inner: Box, span: Span, axes: Axes) -> None:
    for at, label in time_ticks(span, inner.width):
        x = inner.x + inner.width * (at - span.start) / span.seconds
        axes.axvline(at, color=surface.theme.grid, linewidth=1, zorder=0)
        surface.text(
            *(x, inner.bottom + facts.AXIS_TICK + facts.AXIS_GAP + facts.AXIS_TEXT / 2, label),
            size=facts.AXIS_TEXT,
            align="center",
            clip=box,
        )


def _label_values(
    surface: Surface, inner: Box, scale: Scale, axes: Axes, *, is_right: bool
) -> None:
    beside = facts.AXIS_TICK + scale.gap
    left = Box(surface.box.x, surface.box.y, surface.box.width, surface.box.height)
    for value, label in scale.ticks:
        y = inner.bottom - inner.height * (value - scale.low) / (scale.high - scale.low)
        if scale.has_grid and not is_right:
            axes.axhline(value, color=surface.theme.grid, linewidth=1, zorder=0)
        surface.text(
            *(inner.right + beside if is_right else inner.x - beside, y, label),
            size=facts.AXIS_TEXT,
            align="left" if is_right else "right",
            clip=left,
        )


def _increment(least: float, unit: str) -> float:
    """The smallest round number that is at least ``least``."""
    if unit in _BINARY_UNITS:
        return 2.0 ** max(math.ceil(math.log2(least)), 0)
    power = math.floor(math.log10(least))
    found = (float(f"{m}e{p}") for p in (power, power + 1) for m in _MULTIPLES)
    return next(step for step in found if step >= least * (1 - 1e-12))


def _pad(delta: float, room: float, end: float) -> float:
    """What an axis has beyond its last value: a tenth; of a single value all of it."""
    return room * ((0.1 if end == 0 else 1) if delta == 0 else 0.1)


def _exact(value: float) -> float:
    """Without the last digits, which a division may have brought."""
    return float(f"{value:.14g}")


def _time_label(at: float, span: Span, step: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    if step <= 60:
        return f"{moment:%H:%M:%S}"
    if span.seconds <= _DAY:
        return f"{moment:%H:%M}"
    if step <= _DAY:
        return f"{moment:%m/%d %H:%M}"
    return f"{moment:%m/%d}" if span.seconds < _YEAR else f"{moment:%Y-%m}"
