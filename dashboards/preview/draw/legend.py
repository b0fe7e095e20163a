"""Legends: a table or a list, below a plot or beside it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboards.preview import reduce
from dashboards.preview.answers import Numbers
from dashboards.preview.fields import Field
from dashboards.preview.surface import SMALL_SIZE, TEXT_SIZE, Box, Surface, text_width, widest

_SIZE = TEXT_SIZE - 0.5
_LINE = 19
"""Pixels from a line to the next."""
_KEY = 20
"""Pixels for the coloured stroke before a name."""
_GAP = 20
_ABOVE = 8
_LARGEST_SHARE = 0.4
"""Of the height below a plot, or of the width beside it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A series as the legend knows it."""

    name: str
    colour: str
    field: Field
    values: Numbers
    is_dashed: bool = False

    def shown(self, calculation: str) -> str:
        """The series reduced to one number, with its unit."""
        return self.field.shown(reduce.reduced(self.values, calculation)).text


def split(options: Mapping[str, Any], entries: Sequence[Entry], box: Box) -> tuple[Box, Box | None]:
    """The box of the plot, and that of the legend where there is one.

    ``options`` are the ``legend`` of a panel's options.
    """
    hidden = not options.get("showLegend", True) or options.get("displayMode") == "hidden"
    if hidden or not entries:
        return box, None
    if options.get("placement") == "right":
        width = min(_table_width(options, entries), box.width * _LARGEST_SHARE)
        return box.inside(right=width + 14), box.inside(left=box.width - width)
    lines = len(_lists(options, entries, box.width))
    if _is_table(options):
        lines = len(entries) + bool(_calculations(options))
    height = min(lines, max(int(box.height * _LARGEST_SHARE / _LINE), 1)) * _LINE
    return box.inside(bottom=height + _ABOVE), box.inside(top=box.height - height)


def draw(surface: Surface, box: Box, options: Mapping[str, Any], entries: Sequence[Entry]) -> None:
    """Draw the legend; what has no room is counted in its last line."""
    if _is_table(options):
        _table(surface, box, options, _in_order(options, entries))
        return
    lines = _lists(options, _in_order(options, entries), box.width)
    room = max(int((box.height + 1) // _LINE), 1)
    for number, line in enumerate(lines[:room]):
        x, y = box.x, box.y + (number + 0.5) * _LINE
        left_over = sum(map(len, lines[room:])) if number == room - 1 else 0
        for entry in line[: -1 if left_over and len(line) > 1 else None]:
            _key(surface, x, y, entry)
            text = _listed(options, entry)
            surface.text(x + _KEY, y, text, size=_SIZE, width=box.right - x - _KEY)
            x += _KEY + text_width(text, _SIZE) + _GAP
        if left_over:
            count = left_over + (len(line) > 1)
            _more(surface, x, y, count, box.right - x)


def _table(
    surface: Surface, box: Box, options: Mapping[str, Any], entries: Sequence[Entry]
) -> None:
    theme = surface.theme
    columns = _columns(options, entries)
    y = box.y + _LINE / 2
    right = box.right
    edges = []
    for heading, _, width in reversed(columns):
        edges.append(right)
        surface.text(right, y, heading, size=SMALL_SIZE, colour=theme.quiet_text, align="right")
        right -= width + _GAP
    if columns:
        y += _LINE
    room = int((box.bottom - y) // _LINE + 1)
    shown = entries if len(entries) <= room else entries[: max(room - 1, 0)]
    for number, entry in enumerate(shown):
        _key(surface, box.x, y, entry)
        name_width = right - box.x - _KEY + (0 if columns else _GAP)
        surface.text(box.x + _KEY, y, entry.name, size=_SIZE, width=name_width)
        for (_, texts, _), edge in zip(reversed(columns), edges, strict=True):
            surface.text(edge, y, texts[number], size=_SIZE, align="right")
        y += _LINE
    if len(shown) < len(entries):
        _more(surface, box.x + _KEY, y, len(entries) - len(shown), right - box.x)


def _columns(
    options: Mapping[str, Any], entries: Sequence[Entry]
) -> list[tuple[str, list[str], float]]:
    """Heading, texts and width of each calculation."""
    columns = []
    for calculation in _calculations(options):
        heading = reduce.TITLES.get(calculation, calculation)
        texts = [entry.shown(calculation) for entry in entries]
        width = max(text_width(heading, SMALL_SIZE), widest(texts, _SIZE))
        columns.append((heading, texts, width))
    return columns


def _table_width(options: Mapping[str, Any], entries: Sequence[Entry]) -> float:
    columns = _columns(options, entries)
    names = _KEY + widest((entry.name for entry in entries), _SIZE) + 2
    return names + sum(width + _GAP for _, _, width in columns)


def _lists(options: Mapping[str, Any], entries: Sequence[Entry], width: float) -> list[list[Entry]]:
    """The entries in lines of at most ``width`` pixels."""
    lines: list[list[Entry]] = []
    x = width
    for entry in entries:
        needed = _KEY + text_width(_listed(options, entry), _SIZE)
        if x + needed > width:
            lines.append([])
            x = 0
        lines[-1].append(entry)
        x += needed + _GAP
    return lines


def _listed(options: Mapping[str, Any], entry: Entry) -> str:
    return "  ".join((entry.name, *_calculated(options, entry)))


def _calculated(options: Mapping[str, Any], entry: Entry) -> Iterator[str]:
    for calculation in _calculations(options):
        yield f"{reduce.TITLES.get(calculation, calculation)}: {entry.shown(calculation)}"


def _in_order(options: Mapping[str, Any], entries: Sequence[Entry]) -> list[Entry]:
    """As the legend is sorted, if it is: by a calculation's heading, or by name."""
    wanted = options.get("sortBy")
    descending = bool(options.get("sortDesc"))
    if wanted == "Name":
        return sorted(entries, key=lambda entry: entry.name, reverse=descending)
    for calculation in _calculations(options):
        if reduce.TITLES.get(calculation) == wanted:

            def value(entry: Entry, calculation: str = calculation) -> float:
                found = reduce.reduced(entry.values, calculation)
                return found if found == found else float("-inf")

            return sorted(entries, key=value, reverse=descending)
    return list(entries)


def _key(surface: Surface, x: float, y: float, entry: Entry) -> None:
    """The stroke in a series' colour, 14 pixels long."""
    # Letters are centred a little above the middle of their line.
    y -= 0.5
    if entry.is_dashed:
        for begin in (0, 8):
            surface.line(x + begin, y, to_x=x + begin + 6, to_y=y, colour=entry.colour, width=3)
    else:
        surface.line(x, y, to_x=x + 14, to_y=y, colour=entry.colour, width=4)


def _more(surface: Surface, x: float, y: float, count: int, width: float) -> None:
    text = f"… and {count} more"
    surface.text(x, y, text, size=SMALL_SIZE, colour=surface.theme.quiet_text, width=width)


def _is_table(options: Mapping[str, Any]) -> bool:
    return options.get("displayMode") == "table" or options.get("placement") == "right"


def _calculations(options: Mapping[str, Any]) -> list[str]:
    return list(options.get("calcs") or ())
