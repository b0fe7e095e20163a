"""The page that shows all pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Dashboards</title>
<style>
body {{ margin: 2rem auto; max-width: 100rem; padding: 0 1rem; font: 16px/1.5 sans-serif;
  color: {text}; background: {page}; }}
a {{ color: inherit; }}
img {{ width: 100%; height: auto; border: 1px solid {border}; border-radius: 4px; }}
section {{ margin-top: 3rem; }}
</style>
</head>
<body>
<h1>Dashboards</h1>
<p>{about}</p>
<ul>
{links}
</ul>
{sections}
</body>
</html>
"""
_SECTION = """\
<section id="{uid}">
<h2>{title}</h2>
<p>{about}</p>
<a href="{file}">
<img src="{file}" alt="{title}" width="{width}" height="{height}" loading="lazy">
</a>
</section>"""


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn dashboard: what it is called, the file beside the index, and its size in pixels."""

    name: str
    uid: str
    title: str
    about: str
    file: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Look:
    """The colours of the page."""

    text: str
    background: str
    border: str


def page(pictures: Sequence[Picture], about: str, look: Look) -> str:
    """The HTML, which needs nothing but the pictures beside it."""
    links = "\n".join(
        f'<li><a href="#{escape(each.uid)}">{escape(each.title)}</a></li>' for each in pictures
    )
    sections = "\n".join(
        _SECTION.format(
            uid=escape(each.uid),
            title=escape(each.title),
            about=escape(each.about),
            file=escape(each.file),
            width=each.width,
            height=each.height,
        )
        for each in pictures
    )
    return _PAGE.format(
        about=escape(about),
        links=links,
        sections=sections,
        text=look.text,
        page=look.background,
        border=look.border,
    )
