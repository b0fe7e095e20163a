"""Bar gauges, and gauges as bars: a name, a bar between the limits, a value."""

import math

from dashboards.preview import reduce
from dashboards.preview.answers import Answers
from dashboards.preview.dashboard import Panel
from dashboards.preview.draw.stat import calculation
from dashboards.preview.surface import SMALL_SIZE, TEXT_SIZE, Box, Surface, text_width, widest

_HIGHEST = 34
_LOWEST = 17
_GAP = 6


def draw(surface: Surface, box: Box, panel: Panel, answers: Answers) -> None:
    """Draw a bar for each series, one below the other; those without room are counted."""
    way = calculation(panel)
    bars = [
        (series.name, panel.fields.of(series.name, series.ref), reduce.reduced(series.values, way))
        for series in answers.series
    ]
    room = max(int((box.height + _GAP) // (_LOWEST + _GAP)), 1)
    shown = bars if len(bars) <= room else bars[: max(room - 1, 1)]
    count = len(shown) + (len(shown) < len(bars))
    height = min((box.height + _GAP) / count - _GAP, _HIGHEST)
    y = box.y + max((box.height - count * (height + _GAP) + _GAP) / 2, 0)
    values = [value for _, _, value in bars if math.isfinite(value)]
    # One name is the panel's title already.
    names = widest(name for name, _, _ in shown) + 10 if len(bars) > 1 else 0
    names = min(names, box.width * 0.45)
    texts = [field.shown(value).text for _, field, value in shown]
    numbers = max(text_width(text, TEXT_SIZE, "bold") for text in texts) + 10
    track = box.inside(left=names, right=numbers)
    for (name, field, value), text in zip(shown, texts, strict=True):
        least = field.limit("min")
        most = field.limit("max")
        least = min(values, default=0) if least is None else least
        most = max(values, default=1) if most is None else most
        share = (value - least) / (most - least) if most > least else float(value > 0)
        share = 0 if math.isnan(value) else min(max(share, 0), 1)
        colour = field.colour(value, surface.theme, least, most)
        middle = y + height / 2
        if names:
            surface.text(
                *(box.x + names - 10, middle, name), width=names - 10, align="right", size=TEXT_SIZE
            )
        surface.rectangle(Box(track.x, y, track.width, height), surface.theme.track, radius=2)
        if share:
            width = max(track.width * share, 2)
            surface.rectangle(Box(track.x, y, width, height), colour, radius=min(2, width / 2))
        surface.text(box.right, middle, text, bold=True, align="right")
        y += height + _GAP
    if len(shown) < len(bars):
        text = f"… and {len(bars) - len(shown)} more"
        surface.text(
            track.x, y + height / 2, text, size=SMALL_SIZE, colour=surface.theme.quiet_text
        )
