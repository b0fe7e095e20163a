"""Panels of single values: which values they show of their series."""

import math
from collections.abc import Iterable, Sequence

from dashboards.preview import reduce
from dashboards.preview.colours import Theme
from dashboards.preview.fields import NO_DATA, Cell, Field, FieldConfig, Shown
from dashboards.preview.units import Formatted

MOST = 25
"""Values in one panel."""


def shown_values(
    config: FieldConfig,
    calculations: Sequence[str],
    series: Sequence[tuple[str, Sequence[Cell]]],
    theme: Theme,
) -> list[tuple[Field, Shown]]:
    """Each series reduced to what is shown of it; of none, what the panel says instead."""
    span = span_of(values for _, values in series)
    found = [
        (field, field.show(reduce.reduced(_numbers(values), way), theme))
        for index, (name, values) in enumerate(series)
        for field in (config.of(name, index=index, span=span),)
        for way in calculations or ("last",)
    ]
    return found[:MOST] or [(config.defaults, nothing(config, theme))]


def nothing(config: FieldConfig, theme: Theme) -> Shown:
    """What stands where there is no series."""
    shown = config.defaults.show(None, theme)
    return shown if shown.text else Shown(Formatted(NO_DATA), shown.colour)


def span_of(series: Iterable[Sequence[Cell]]) -> tuple[float, float]:
    """The least and the greatest of all values; both 0 where there is none."""
    numbers = [
        value
        for values in series
        for value in values
        if isinstance(value, float) and not math.isnan(value)
    ]
    return (min(numbers), max(numbers)) if numbers else (0, 0)


def _numbers(values: Sequence[Cell]) -> list[float | None]:
    return [value for value in values if not isinstance(value, str)]
