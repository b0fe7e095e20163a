"""How wide texts are in Grafana's font, and what of them has room.

The advances of Inter's letters are in `inter.json`. Pairs of letters are not moved together here as
browsers do: beside Chromium, 345 titles come out 0.3 % too wide on average, from 0.4 % too narrow
to 2.8 % too wide ("Ta").
"""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

from dashboards.preview.facts import LETTER_SPACING, LINE, TEXT

Weight = Literal["regular", "medium"]

_OTHER_LETTER = 0.6
"""The width of a letter that is not in the table, as a share of the height."""


@cache
def text_width(
    text: str, size: float = TEXT, weight: Weight = "regular", spacing: float = LETTER_SPACING
) -> float:
    """How wide a line is, in pixels. Labels of axes and large numbers have no ``spacing``."""
    letters, em = _advances(weight)
    total = sum(letters.get(letter, em * _OTHER_LETTER) for letter in text)
    return total / em * size + spacing * len(text)


def widest(texts: Iterable[str], size: float) -> float:
    """The width of the widest of ``texts``, in pixels."""
    return max((text_width(text, size) for text in texts), default=0)


def cut(text: str, width: float, size: float = TEXT, weight: Weight = "regular") -> str:
    """As much of ``text`` as fits into ``width`` pixels, with … where something is missing.

    Browsers show a first letter whatever room there is.
    """
    if text_width(text, size, weight) <= width:
        return text
    for length in range(len(text) - 1, 1, -1):
        if text_width(text[:length] + "…", size, weight) <= width:
            return f"{text[:length]}…"
    return f"{text[:1]}…"


def wrapped(text: str, width: float, size: float = TEXT) -> list[str]:
    """``text`` in lines of at most ``width`` pixels."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, size) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return [cut(line, width, size) for line in lines]


def fitting_size(
    text: str,
    width: float,
    height: float,
    most: float = float("inf"),
    weight: Weight = "regular",
    line: float = LINE,
) -> float:
    """The largest size at which one line of ``text`` has room in ``width`` and ``height``."""
    at_text_size = text_width(text, TEXT, weight, spacing=0) + 2
    return max(min(width / at_text_size * TEXT, height / line, most), 1)


@cache
def _advances(weight: Weight) -> tuple[Mapping[str, float], float]:
    found = json.loads(Path(__file__).with_name("inter.json").read_text(encoding="utf-8"))
    return found[weight], found["unitsPerEm"]
