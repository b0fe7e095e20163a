"""Titles of panels: how much of them is seen beside the icons."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards.preview import facts
from dashboards.preview.dashboard import Place
from dashboards.preview.lettering import cut, text_width
from dashboards.preview.screen import panel_box


@dataclass(frozen=True, slots=True)
class CutTitle:
    """A title of which only ``seen`` has room in its panel."""

    title: str
    seen: str
    room: float
    """Pixels for the title."""
    needed: float

    def __str__(self) -> str:
        """In words."""
        return (
            f"{self.title!r} reads {self.seen!r}: {self.room:.0f} pixels for {self.needed:.0f}; "
            "a shorter title, a wider panel or no icon beside it"
        )


def cut_titles(document: Mapping[str, Any], window: float, *, beside: float = 0) -> list[CutTitle]:
    """The titles of a dashboard's JSON that are cut in a window ``window`` pixels wide.

    Titles of collapsed rows' panels are among them. ``beside`` is what a sign at their left takes.
    """
    found = []
    for panel in _panels(document["panels"]):
        title = str(panel.get("title") or "")
        place = Place.read(panel["gridPos"])
        room = title_room(panel, panel_box(place, window).width) - beside
        needed = text_width(title, facts.TEXT, "medium")
        if needed > room:
            found.append(CutTitle(title, cut(title, room, facts.TEXT, "medium"), room, needed))
    return found


def title_room(panel: Mapping[str, Any], width: float) -> float:
    """The pixels that a panel of this ``width`` has for its title."""
    room = width - 2 * facts.PANEL_BORDER - 2 * facts.PANEL_PADDING - facts.TITLE_MENU
    links: Sequence[Any] = panel.get("links") or ()
    room -= facts.TITLE_ICON if str(panel.get("description") or "").strip() else 0
    room -= {0: 0, 1: facts.TITLE_ICON}.get(len(links), facts.TITLE_LINKS)
    if words := time_words(panel):
        room -= time_width(words)
    return max(room, 0)


def time_words(panel: Mapping[str, Any]) -> str:
    """What a panel says about a range of its own; empty without one."""
    if panel.get("hideTimeOverride"):
        return ""
    parts = []
    if own := str(panel.get("timeFrom") or ""):
        parts.append(_described(own))
    if shift := str(panel.get("timeShift") or ""):
        parts.append(f"timeshift -{shift}")
    return " + ".join(parts).capitalize()


def time_width(words: str) -> float:
    """What a clock and these words take."""
    return 2 * facts.PANEL_PADDING + facts.CLOCK_ICON + facts.CLOCK_GAP + text_width(words)


def _described(length: str) -> str:
    """`24h` as `Last 24 hours`."""
    digits = "".join(letter for letter in length if letter.isdigit())
    names = {"d": "day", "h": "hour", "m": "minute", "s": "second", "w": "week"}
    name = names.get(length[len(digits) :], "")
    if not digits or not name:
        return length
    return f"last {digits} {name}{'' if digits == '1' else 's'}"


def _panels(documents: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for document in documents:
        if document["type"] != "row":
            yield document
        yield from _panels(document.get("panels") or ())
