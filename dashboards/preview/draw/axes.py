"""Axes of time and of values: where the ticks are, and how they are called."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from matplotlib.axes import Axes

from dashboards.preview import units
from dashboards.preview.answers import Span
from dashboards.preview.fields import Field
from dashboards.preview.surface import SMALL_SIZE, Box, Surface, text_width, widest

TIME_LABELS_HEIGHT = 20
"""Pixels below a plot."""

_ABOVE = 6
_DAY, _WEEK = 86400, 604800
_TIME_STEPS = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200),
    *(_DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 28 * _DAY),
)
_GAP = 28
_TICK_EVERY = 20
_FRACTION = re.compile(r"(\.\d*?)0+(?!\d)")
_ALL_DIGITS = 9

Tick = tuple[float, str]
"""A value and its label."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The axis of values, from ``low`` to ``high``."""

    low: float
    high: float
    ticks: tuple[Tick, ...]
    has_grid: bool = True

    @classmethod
    def of(cls, low: float, high: float, height: float, field: Field) -> "Scale":
        """With ticks at round values, as many as have room in ``height`` pixels."""
        values = value_ticks(low, high, height, field.unit)
        return cls(low, high, tuple((value, value_label(value, field.unit)) for value in values))


def time_ticks(span: Span, width: float) -> list[Tick]:
    """Ticks at whole minutes, hours, days (UTC), as many as have room in ``width`` pixels."""
    for step in _TIME_STEPS:
        form = _time_form(span, step)
        if (
            span.seconds / step * (text_width(f"{_utc(span.end):{form}}", SMALL_SIZE) + _GAP)
            <= width
        ):
            break
    first = math.ceil(span.start / step) * step
    return [(float(at), f"{_utc(at):{form}}") for at in range(first, span.end + 1, step)]


def value_ticks(least: float, most: float, height: float, unit: str) -> list[float]:
    """Round values from ``least`` to ``most``, as many as have room in ``height`` pixels."""
    step = _increment((most - least) / max(height // _TICK_EVERY, 3), unit)
    first, last = math.ceil(least / step - 1e-9), math.floor(most / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def value_label(value: float, unit: str) -> str:
    """A round value with its unit, and no more digits than it has."""
    exact = _short(units.text(value, unit, _ALL_DIGITS))
    for decimals in (None, 1, 2, 3, 4):
        if (label := _short(units.text(value, unit, decimals))) == exact:
            return label
    # Such as 70 minutes in hours.
    return _short(units.text(value, unit))


def value_range(
    least: float,
    most: float,
    limits: tuple[float | None, float | None],
    soft: tuple[float | None, float | None],
) -> tuple[float, float]:
    """The ends of the axis for values from ``least`` to ``most``.

    ``limits`` hold whatever the values are; ``soft`` ones give way to values beyond them.
    """
    lowest = least if soft[0] is None else min(least, soft[0])
    highest = most if soft[1] is None else max(most, soft[1])
    room = (highest - lowest) * 0.08 or abs(most) * 0.1 or 1.1
    low = 0.0 if 0 <= least < room else least - room
    high = 0.0 if -room < most <= 0 and least < 0 else most + room
    # A soft limit is the end of the axis until a value is beyond it.
    low = lowest if lowest == soft[0] else low
    high = highest if highest == soft[1] else high
    low = limits[0] if limits[0] is not None else low
    high = limits[1] if limits[1] is not None else high
    return (low, high) if low < high else (low, low + 1)


def plot_height(box: Box) -> float:
    """How high a plot in ``box`` is, without the labels of its times."""
    return box.inside(top=_ABOVE, bottom=TIME_LABELS_HEIGHT).height


def time_plot(
    surface: Surface, box: Box, span: Span, scale: Scale, right: Scale | None = None
) -> list[Axes]:
    """Axes over ``span`` with labelled ticks, and further ones for values labelled at the right."""
    inner = box.inside(
        left=widest((label for _, label in scale.ticks), SMALL_SIZE) + 8,
        top=_ABOVE,
        right=widest((label for _, label in right.ticks), SMALL_SIZE) + 8 if right else 6,
        bottom=TIME_LABELS_HEIGHT,
    )
    axes = [surface.plot(inner) for _ in ((scale, right) if right else (scale,))]
    for plot, its in zip(axes, (scale, right), strict=False):
        assert its is not None
        plot.set_xlim(span.start, span.end)
        plot.set_ylim(its.low, its.high)
    _label_times(surface, box, inner=inner, span=span, axes=axes[0], has_grid=scale.has_grid)
    _label_values(surface, inner, scale, axes[0], is_right=False)
    if right:
        _label_values(surface, inner, right, axes[1], is_right=True)
    return axes


def _label_times(
    surface: Surface, box: Box, inner: Box, span: Span, axes: Axes, has_grid: bool
) -> None:
    for at, label in time_ticks(span, inner.width):
        x = inner.x + inner.width * (at - span.start) / span.seconds
        half = text_width(label, SMALL_SIZE) / 2
        if has_grid:
            axes.axvline(at, color=surface.theme.grid, linewidth=0.7, zorder=0)
        if box.x <= x - half and x + half <= box.right:
            surface.text(
                *(x, inner.bottom + 12, label),
                size=SMALL_SIZE,
                colour=surface.theme.quiet_text,
                align="center",
            )


def _label_values(
    surface: Surface, inner: Box, scale: Scale, axes: Axes, *, is_right: bool
) -> None:
    for value, label in scale.ticks:
        y = inner.bottom - inner.height * (value - scale.low) / (scale.high - scale.low)
        if scale.has_grid and not is_right:
            axes.axhline(value, color=surface.theme.grid, linewidth=0.7, zorder=0)
        surface.text(
            *(inner.right + 6 if is_right else inner.x - 6, y, label),
            size=SMALL_SIZE,
            colour=surface.theme.quiet_text,
            align="left" if is_right else "right",
        )


def _increment(exact: float, unit: str) -> float:
    """The smallest round number that is at least ``exact``."""
    if unit in ("bytes", "binBps", "bits"):
        return 2.0 ** math.ceil(math.log2(exact))
    if unit in ("s", "dtdurations") and exact > 30:
        longer = (step for step in _TIME_STEPS if step >= exact)
        return float(next(longer, math.ceil(exact / _WEEK) * _WEEK))
    power = 10.0 ** math.floor(math.log10(exact))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= exact * 0.999)


def _time_form(span: Span, step: int) -> str:
    if step >= _DAY:
        return "%m-%d"
    if span.seconds > _DAY:
        return "%m-%d %H:%M"
    return "%H:%M" if step >= 60 else "%H:%M:%S"


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _short(text: str) -> str:
    """Without the zeros at the end of a fraction."""
    return _FRACTION.sub(lambda match: match[1].removesuffix("."), text)
