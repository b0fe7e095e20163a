"""The frame of a panel: its border and header, and what kind of picture is in it."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum

from dashboards.preview import facts, titles
from dashboards.preview.answers import Answers
from dashboards.preview.dashboard import Panel
from dashboards.preview.draw import bars, heatmap, stat, state_timeline, table, text, timeseries
from dashboards.preview.fields import Field
from dashboards.preview.reduce import TITLES
from dashboards.preview.screen import Box, content_box
from dashboards.preview.surface import Surface

Draw = Callable[[Surface, Box, Panel, Answers], None]

KINDS: Mapping[str, Draw] = {
    "timeseries": timeseries.draw,
    "stat": stat.draw,
    "bargauge": bars.draw,
    "table": table.draw,
    "heatmap": heatmap.draw,
    "state-timeline": state_timeline.draw,
    "text": text.draw,
}
"""The kinds of panels that are drawn."""
_SAY_NOTHING_THEMSELVES = ("timeseries", "table", "heatmap")
"""Without a series they have only what the panel says about it."""
_MATCHERS = ("byName", "byRegexp", "byFrameRefID", "byType", "byNames")


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
    surface.rectangle(surface.box, theme.panel, edge=theme.border, radius=2)
    _draw_header(surface, panel, answers)
    box = content_box(surface.box, panel.kind, has_title=bool(panel.title))
    if outcome is Outcome.NOT_DRAWN:
        surface.remarks.append(_why_not_drawn(panel))
        text.message(surface, box, _why_not_drawn(panel))
    elif answers.is_empty and answers.failures:
        text.message(surface, box, "\n".join(answers.failures), theme.failure)
    elif not answers.series and panel.kind in _SAY_NOTHING_THEMSELVES:
        text.message(surface, box, panel.fields.defaults.no_value)
    else:
        KINDS[panel.kind](surface, box, panel, answers)
        surface.remarks += answers.failures
    surface.remarks += _unlike_grafana(panel)
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


def _draw_header(surface: Surface, panel: Panel, answers: Answers) -> None:
    """The title as far as it is seen, with the icons that take its room."""
    if not panel.title:
        return
    theme = surface.theme
    x, y = surface.box.x + facts.PANEL_BORDER, surface.box.y + 1 + facts.PANEL_HEADER / 2
    if answers.failures:
        surface.text(x + 16, y, "⚠", colour=theme.failure, align="center")
        x += facts.PANEL_HEADER
    room = titles.title_room(panel.document, surface.box.width)
    room -= facts.PANEL_HEADER if answers.failures else 0
    x += facts.PANEL_PADDING
    x += surface.text(x, y, panel.title, width=room, weight="medium") + facts.PANEL_PADDING
    links = panel.document.get("links") or ()
    icons = (
        ["\N{INFORMATION SOURCE}"] if str(panel.document.get("description") or "").strip() else []
    )
    icons += ["↗"] if links else []
    if len(icons) * facts.TITLE_ICON <= surface.box.right - x:
        for icon in icons:
            surface.text(x + 16, y, icon, colour=theme.quiet_text, align="center")
            x += facts.TITLE_ICON
    if words := titles.time_words(panel.document):
        x += facts.PANEL_PADDING
        x += surface.text(x, y, "◷", colour=theme.link) + facts.CLOCK_GAP
        surface.text(x, y, words, colour=theme.link, width=surface.box.right - x)


def _why_not_drawn(panel: Panel) -> str:
    queries = [target.expr for target in panel.targets if target.expr]
    names = {target.datasource for target in panel.targets} - {"prometheus"}
    if names and queries:
        return f"{'/'.join(sorted(names)).capitalize()}: {' '.join(queries)}"
    return f"panels of the kind {panel.kind} are not drawn here"


def _unlike_grafana(panel: Panel) -> Iterator[str]:
    """What of a panel's settings is not drawn as Grafana would."""
    yield from panel.fields.defaults.unknown
    for override in panel.fields.overrides:
        if override.matcher not in _MATCHERS:
            yield f"settings for fields {override.matcher}"
        yield from Field({**panel.fields.defaults.settings, **override.settings}).unknown
    options = [panel.options.get("reduceOptions") or {}, panel.options.get("legend") or {}]
    for way in (way for each in options for way in each.get("calcs") or ()):
        if way not in TITLES:
            yield f"the reduction {way}"
    if panel.transformations and panel.kind != "table":
        yield "transformations of anything but tables"
    if (panel.options.get("reduceOptions") or {}).get("values"):
        yield "all values instead of a reduction"
