"""Legends: a table or a list, below a plot or beside it, cut as Grafana cuts them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards.preview import facts, reduce
from dashboards.preview.fields import Cell, Field
from dashboards.preview.lettering import text_width, widest
from dashboards.preview.screen import Box
from dashboards.preview.surface import Surface

_SIZE = facts.SMALL_TEXT
_KEY = facts.LEGEND_KEY + facts.LEGEND_KEY_GAP
_PADDING = facts.LEGEND_PADDING
_HEADING_LEFT = 30


@dataclass(frozen=True, slots=True)
class Entry:
    """A series as the legend knows it."""

    name: str
    colour: str
    field: Field
    values: Sequence[Cell]
    is_dashed: bool = False

    def reduced(self, calculation: str) -> float | None:
        """The series as one number."""
        numbers = [value for value in self.values if not isinstance(value, str)]
        return reduce.reduced(numbers, calculation)

    def shown(self, calculation: str, surface: Surface) -> str:
        """The same, with its unit."""
        return self.field.show(self.reduced(calculation), surface.theme).text


def split(
    options: Mapping[str, Any], entries: Sequence[Entry], box: Box, surface: Surface
) -> tuple[Box, Box | None]:
    """The box of the plot, and that of the legend where there is one.

    ``options`` are the ``legend`` of a panel's options.
    """
    hidden = not options.get("showLegend", True) or options.get("displayMode") == "hidden"
    if hidden or not entries:
        return box, None
    if options.get("placement") == "right":
        columns = _columns(options, entries, surface)
        wanted = _name_width(entries) + sum(width for _, _, width in columns)
        width = min(float(options.get("width") or wanted), box.width * facts.LEGEND_BESIDE_SHARE)
        return box.inside(right=width), box.inside(left=box.width - width)
    height = _height(options, entries, box.width, surface)
    height = min(height, box.height * facts.LEGEND_SHARE)
    return box.inside(bottom=height), box.inside(top=box.height - height)


def draw(surface: Surface, box: Box, options: Mapping[str, Any], entries: Sequence[Entry]) -> None:
    """Draw what is seen of the legend without scrolling."""
    ordered = _in_order(options, entries)
    way = _draw_table if options.get("displayMode") == "table" else _draw_list
    columns, hidden = way(surface, box, options, ordered)
    missing = [*columns, *([f"{hidden} of {len(entries)} series"] if hidden else [])]
    if missing:
        surface.remarks.append(f"its legend has no room for {' and '.join(missing)}")


def _draw_table(
    surface: Surface, box: Box, options: Mapping[str, Any], entries: Sequence[Entry]
) -> tuple[list[str], int]:
    """Draw the table; gives the columns beyond the edge and how many lines are below it."""
    theme, row = surface.theme, facts.LEGEND_ROW
    columns = _columns(options, entries, surface)
    names = max(_name_width(entries), box.width - sum(width for _, _, width in columns))
    x, y = box.x + names, box.y + row / 2
    surface.text(
        *(box.x + _HEADING_LEFT, y, "Name"),
        size=_SIZE,
        weight="medium",
        colour=theme.link,
        clip=box,
    )
    beyond, hidden = [], 0
    for heading, texts, width in columns:
        x += width
        if x > box.right + 1:
            beyond.append(heading)
        right = x - _PADDING
        surface.text(
            *(right, y, heading),
            size=_SIZE,
            weight="medium",
            colour=theme.link,
            align="right",
            clip=box,
        )
        for number, text in enumerate(texts, 1):
            surface.text(right, y + number * row, text, size=_SIZE, align="right", clip=box)
    for number, entry in enumerate(entries, 1):
        middle = y + number * row
        if middle < box.bottom:
            _draw_key(surface, box.x + _PADDING, middle, entry)
        surface.text(
            *(box.x + _PADDING + _KEY, middle, entry.name),
            width=facts.LEGEND_NAME,
            size=_SIZE,
            clip=box,
        )
        hidden += middle + row / 4 > box.bottom
        line = y + (number - 0.5) * row
        if line < box.bottom:
            surface.line(box.x, line, to_x=box.right, to_y=line, colour=theme.border, width=1)
    return beyond, hidden


def _draw_list(
    surface: Surface, box: Box, options: Mapping[str, Any], entries: Sequence[Entry]
) -> tuple[list[str], int]:
    height = _SIZE * facts.LINE
    hidden = 0
    y = box.y + facts.LEGEND_LIST_PADDING + height / 2
    for line in _lines(options, entries, box.width, surface):
        x = box.x + facts.LEGEND_LIST_PADDING
        for entry in line:
            if y < box.bottom:
                _draw_key(surface, x, y, entry)
            text = _listed(options, entry, surface)
            x += _KEY + surface.text(x + _KEY, y, text, size=_SIZE, clip=box)
            x += facts.LEGEND_ITEM_GAP
            beyond = x - facts.LEGEND_ITEM_GAP > box.right + 1
            hidden += beyond or y + height / 4 > box.bottom
        y += height
    return [], hidden


def _height(
    options: Mapping[str, Any], entries: Sequence[Entry], width: float, surface: Surface
) -> float:
    if options.get("displayMode") == "table":
        return facts.LEGEND_ROW * (len(entries) + 1)
    lines = len(_lines(options, entries, width, surface))
    return lines * _SIZE * facts.LINE + 2 * facts.LEGEND_LIST_PADDING


def _columns(
    options: Mapping[str, Any], entries: Sequence[Entry], surface: Surface
) -> list[tuple[str, list[str], float]]:
    """Heading, texts and width of each reduction."""
    columns = []
    for calculation in _calculations(options):
        heading = reduce.TITLES[calculation]
        texts = [entry.shown(calculation, surface) for entry in entries]
        width = max(text_width(heading, _SIZE, "medium"), widest(texts, _SIZE))
        columns.append((heading, texts, width + 2 * _PADDING))
    return columns


def _name_width(entries: Sequence[Entry]) -> float:
    widest_name = widest((entry.name for entry in entries), _SIZE)
    return min(widest_name, facts.LEGEND_NAME) + _KEY + 2 * _PADDING


def _lines(
    options: Mapping[str, Any], entries: Sequence[Entry], width: float, surface: Surface
) -> list[list[Entry]]:
    """The entries in lines of at most ``width`` pixels; beside a plot each has its own."""
    if options.get("placement") == "right":
        return [[entry] for entry in entries]
    lines: list[list[Entry]] = []
    room = width - 2 * facts.LEGEND_LIST_PADDING
    x = room
    for entry in entries:
        needed = _KEY + text_width(_listed(options, entry, surface), _SIZE) + facts.LEGEND_ITEM_GAP
        if x + needed > room or not lines:
            lines.append([])
            x = 0
        lines[-1].append(entry)
        x += needed
    return lines


def _listed(options: Mapping[str, Any], entry: Entry, surface: Surface) -> str:
    reductions = (
        f"{reduce.TITLES[each]}: {entry.shown(each, surface)}" for each in _calculations(options)
    )
    return "  ".join((entry.name, *reductions))


def _in_order(options: Mapping[str, Any], entries: Sequence[Entry]) -> list[Entry]:
    """As the legend is sorted, if it is: by a reduction's heading, or by name."""
    wanted = options.get("sortBy")
    descending = bool(options.get("sortDesc"))
    if wanted == "Name":
        return sorted(entries, key=lambda entry: entry.name.lower(), reverse=descending)
    for calculation in _calculations(options):
        if reduce.TITLES[calculation] == wanted:

            def value(entry: Entry, calculation: str = calculation) -> float:
                found = entry.reduced(calculation)
                return float("-inf") if found is None or found != found else found

            return sorted(entries, key=value, reverse=descending)
    return list(entries)


def _draw_key(surface: Surface, x: float, y: float, entry: Entry) -> None:
    """The stroke in a series' colour."""
    if entry.is_dashed:
        for begin in (0, 8):
            surface.line(x + begin, y, to_x=x + begin + 6, to_y=y, colour=entry.colour, width=3)
    else:
        surface.line(x, y, to_x=x + facts.LEGEND_KEY, to_y=y, colour=entry.colour, width=4)


def _calculations(options: Mapping[str, Any]) -> list[str]:
    return [each for each in options.get("calcs") or () if each in reduce.TITLES]
