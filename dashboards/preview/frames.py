"""The frame of a panel: its border and title, and what kind of picture is in it."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from dashboards.preview.answers import Answers
from dashboards.preview.colours import readable_on
from dashboards.preview.dashboard import Panel
from dashboards.preview.draw import bars, heatmap, stat, state_timeline, table, text, timeseries
from dashboards.preview.surface import SMALL_SIZE, Box, Surface, text_width

_TITLE_HEIGHT = 32
_PADDING = 10
_TITLE_SIZE, _SMALL_TITLE = 9.5, 8.5
"""Points; the smaller one where a title has no room otherwise."""
_LENGTHS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))

Draw = Callable[[Surface, Box, Panel, Answers], None]

KINDS: Mapping[str, Draw] = {
    "timeseries": timeseries.draw,
    "stat": stat.draw,
    "gauge": bars.draw,
    "bargauge": bars.draw,
    "table": table.draw,
    "heatmap": heatmap.draw,
    "state-timeline": state_timeline.draw,
    "text": text.draw,
}
"""The kinds of panels that are drawn."""


class Outcome(StrEnum):
    """What became of a panel."""

    DRAWN = "drawn"
    EMPTY = "empty"
    FAILED = "failed"
    NOT_DRAWN = "not drawn"
    """It shows nothing of Prometheus, or is of a kind that is not drawn."""


def draw_panel(surface: Surface, panel: Panel, answers: Answers) -> Outcome:
    """Draw the frame with what is in it, or why there is nothing."""
    outcome = _outcome(panel, answers)
    theme = surface.theme
    is_filled = panel.kind == "stat" and outcome in (Outcome.DRAWN, Outcome.EMPTY)
    filling = stat.background(panel, answers, surface) if is_filled else ""
    surface.rectangle(surface.box, filling or theme.panel, edge=filling or theme.border, radius=4)
    box = _draw_title(surface, panel, readable_on(filling) if filling else theme.text)
    if outcome is Outcome.NOT_DRAWN:
        text.message(surface, box, _why_not_drawn(panel))
    elif answers.is_empty and answers.failures:
        text.message(surface, box, "\n".join(answers.failures), theme.failure)
    elif answers.is_empty and panel.kind not in ("stat", "text"):
        text.message(surface, box, panel.fields.defaults.no_value)
    else:
        if answers.failures:
            box = _draw_failures(surface, box, answers)
        KINDS[panel.kind](surface, box, panel, answers)
    return outcome


def _outcome(panel: Panel, answers: Answers) -> Outcome:
    if panel.kind == "text":
        return Outcome.DRAWN
    foreign = all(target.datasource != "prometheus" for target in panel.targets)
    if panel.kind not in KINDS or foreign:
        return Outcome.NOT_DRAWN
    if answers.failures:
        return Outcome.FAILED
    return Outcome.EMPTY if answers.is_empty else Outcome.DRAWN


def _draw_title(surface: Surface, panel: Panel, ink: str) -> Box:
    """The title, and the range where it is not the dashboard's; gives the room below."""
    box = surface.box.inside(_PADDING, 0, _PADDING, _PADDING)
    if not panel.title:
        return box.inside(top=_PADDING)
    y = box.y + _TITLE_HEIGHT / 2 + 1
    own = _own_range(panel)
    beside = text_width(own, SMALL_SIZE) + 12 if own else 0
    width = box.width - beside
    size = _TITLE_SIZE if text_width(panel.title, _TITLE_SIZE, "bold") <= width else _SMALL_TITLE
    surface.text(box.x, y, panel.title, size=size, bold=True, colour=ink, width=width)
    if own:
        surface.text(
            *(box.right, y, own), size=SMALL_SIZE, colour=surface.theme.quiet_text, align="right"
        )
    return box.inside(top=_TITLE_HEIGHT)


def _own_range(panel: Panel) -> str:
    parts = []
    if panel.own_range_seconds:
        parts.append(f"Last {_length(panel.own_range_seconds)}")
    if panel.shift_seconds:
        parts.append(f"{_length(panel.shift_seconds)} ago")
    return ", ".join(parts)


def _length(seconds: float) -> str:
    """A length of time in the largest unit of which it has several: 24 hours, 7 days."""
    whole = (each for each in _LENGTHS if seconds % each[0] == 0 and seconds > each[0])
    length, name = next(whole, _LENGTHS[-1])
    return f"{seconds // length:.0f} {name}s"


def _draw_failures(surface: Surface, box: Box, answers: Answers) -> Box:
    """A line for each query that failed, above what the others gave."""
    for failure in answers.failures:
        surface.text(
            *(box.x, box.y + 8, failure),
            size=SMALL_SIZE,
            colour=surface.theme.failure,
            width=box.width,
        )
        box = box.inside(top=18)
    return box


def _why_not_drawn(panel: Panel) -> str:
    queries = [target.expr for target in panel.targets if target.expr]
    names = {target.datasource for target in panel.targets} - {"prometheus"}
    if names and queries:
        return f"{'/'.join(sorted(names)).capitalize()}: {' '.join(queries)}"
    return f"Panels of the kind {panel.kind} are not drawn here"
