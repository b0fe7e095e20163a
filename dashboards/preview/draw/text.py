"""Texts in place of a picture: what a panel says, or why it shows nothing."""

import html
import re

from dashboards.preview import facts
from dashboards.preview.answers import Answers
from dashboards.preview.dashboard import Panel
from dashboards.preview.lettering import Weight, wrapped
from dashboards.preview.screen import Box
from dashboards.preview.surface import Surface

_LINE = facts.TEXT * facts.LINE
_TAGS = re.compile(r"<[^>]+>")
_LINKS = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_EMPHASIS = re.compile(r"(\*\*|__|`)(.+?)\1")
_HEADING = re.compile(r"^#+\s*")
_BULLET = re.compile(r"^(\s*)[-*]\s+")


def draw(surface: Surface, box: Box, panel: Panel, _answers: Answers) -> None:
    """The content of a text panel, without its markup."""
    y = box.y + _LINE / 2
    for written in str(panel.options.get("content") or "").splitlines():
        weight: Weight = "medium" if _HEADING.match(written) else "regular"
        for line in wrapped(plain(written), box.width) if written.strip() else [""]:
            if y + _LINE / 2 > box.bottom:
                surface.remarks.append("the end of its text is seen only by scrolling")
                return
            surface.text(box.x, y, line, weight=weight, width=box.width)
            y += _LINE


def message(surface: Surface, box: Box, text: str, colour: str = "") -> None:
    """A few lines in the middle of ``box``."""
    size = facts.MESSAGE_TEXT if box.height > 60 else facts.TEXT
    height = size * facts.LINE
    lines = wrapped(text, box.width, size)[: max(int(box.height // height), 1)]
    x, y = box.middle
    y -= (len(lines) - 1) * height / 2
    for line in lines:
        ink = colour or surface.theme.quiet_text
        surface.text(x, y, line, size=size, colour=ink, align="center", width=box.width)
        y += height


def plain(markdown: str) -> str:
    """One line of Markdown or HTML as plain text."""
    text = _LINKS.sub(r"\1", _TAGS.sub("", markdown))
    text = _BULLET.sub(r"\1• ", _HEADING.sub("", text))
    return html.unescape(_EMPHASIS.sub(r"\2", text)).strip()
