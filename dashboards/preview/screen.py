"""Where things are on a screen: the board beside the menu, its panels, what is above them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards.preview import facts
from dashboards.preview.dashboard import Place
from dashboards.preview.lettering import text_width
from dashboards.preview.numbers import rounded

WINDOW = (1440, 900)
"""The window that is drawn without another wish: width and height."""
_TIME_CONTROLS = 421
"""Pixels of the choice of time and of the refresh, as measured; Grafana has no constant for it."""
_SELECT_EXTRA, _SELECT_LEAST, _TAG_EXTRA = 60, 90, 28
_SWITCH, _LINK_EXTRA = 48, 38


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the page; ``y`` is measured downwards."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Where it ends to the right."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Where it ends below."""
        return self.y + self.height

    @property
    def middle(self) -> tuple[float, float]:
        """Its centre."""
        return self.x + self.width / 2, self.y + self.height / 2

    def inside(self, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0) -> "Box":
        """The box that is smaller by this much on each side; never less than a pixel."""
        width = max(self.width - left - right, 1)
        return Box(self.x + left, self.y + top, width, max(self.height - top - bottom, 1))


def content_width(window: float) -> float:
    """What remains of a window ``window`` pixels wide beside the menu and the scroll bar."""
    menu = facts.DOCKED_MENU if window >= facts.DOCKED_FROM else 0
    return window - menu - facts.SCROLL_BAR


def panel_box(place: Place, window: float, top: float = 0) -> Box:
    """A panel's pixels, counted from the left of what remains and from the ``top`` of the grid."""
    board = content_width(window) - 2 * facts.BOARD_PADDING
    column = (board - facts.CELL_GAP * (facts.COLUMNS - 1)) / facts.COLUMNS
    return Box(
        facts.BOARD_PADDING + rounded((column + facts.CELL_GAP) * place.x),
        top + (facts.CELL + facts.CELL_GAP) * place.y,
        rounded(column * place.width + max(0, place.width - 1) * facts.CELL_GAP),
        facts.CELL * place.height + max(0, place.height - 1) * facts.CELL_GAP,
    )


def content_box(box: Box, kind: str, *, has_title: bool) -> Box:
    """What a panel has for its picture."""
    edge = facts.PANEL_BORDER + (0 if kind == "stat" else facts.PANEL_PADDING)
    return box.inside(edge, edge + (facts.PANEL_HEADER if has_title else 0), edge, edge)


def controls_lines(document: Mapping[str, Any], window: float) -> int:
    """How many lines variables, annotations and links need above the board, about.

    The widths of labels are exact, those of the choices are what "All" or the first value needs.
    """
    room = content_width(window) - 2 * facts.CONTROLS_PADDING - _TIME_CONTROLS - facts.CONTROL_GAP
    lines, x = 1, 0.0
    for width in _control_widths(document):
        if x and x + width > room:
            lines, x = lines + 1, 0
        x += width + facts.CONTROL_GAP
    return lines


def controls_height(document: Mapping[str, Any], window: float) -> float:
    """Of all that is above the board, with the bars at the top."""
    lines = controls_lines(document, window)
    height = lines * (facts.CONTROL + facts.CONTROL_GAP) - facts.CONTROL_GAP
    return 2 * facts.HEADER_LEVEL + height + 2 * facts.CONTROLS_PADDING


def _control_widths(document: Mapping[str, Any]) -> Iterable[float]:
    small = facts.SMALL_TEXT
    for each in (document.get("templating") or {}).get("list") or ():
        if each.get("hide", 0) != 0:
            continue
        label = text_width(str(each.get("label") or each["name"]), small, "medium") + 18
        chosen = (each.get("current") or {}).get("text") or "All"
        values = [chosen] if isinstance(chosen, str) else list(map(str, chosen))
        tags = sum(text_width(value, small) + _TAG_EXTRA for value in values)
        yield label + max(tags + _SELECT_EXTRA, _SELECT_LEAST)
    for each in (document.get("annotations") or {}).get("list") or ():
        if (
            not each.get("hide")
            and not each.get("builtIn")
            and each.get("enable", True) is not None
        ):
            yield text_width(str(each["name"]), small, "medium") + 18 + _SWITCH
    for each in document.get("links") or ():
        if each.get("placement") is None:
            yield text_width(str(each.get("title") or "")) + _LINK_EXTRA


def bottom(places: Sequence[Place]) -> int:
    """The first row of the grid below ``places``."""
    return max((place.y + place.height for place in places), default=0)
