"""The findings of a comparison as text of at most 100 columns, or as Markdown."""

import re
from collections.abc import Iterator, Sequence
from textwrap import wrap

from dashboards.changes.report import Change, Section, Subject

COLUMNS = 100
NOTHING = "no changes in dashboards, rules and notifications"

_MOST_NAMES = 10
_MARKUP = re.compile(r"([\\`*<\[\]$])")


def text(heading: str, sections: Sequence[Section]) -> str:
    """For a terminal."""
    lines = [heading]
    for section in sections:
        lines += ["", section.title]
        for part in section.parts:
            depth = 2
            if part.title:
                lines.append(f"{' ' * depth}{part.title}")
                depth += 2
            for subject in part.subjects:
                lines += _subject(subject, depth)
    return "\n".join(lines if sections else [heading, NOTHING])


def markdown(heading: str, sections: Sequence[Section]) -> str:
    """For a pull request."""
    lines = [f"**{_escaped(heading)}**"]
    for section in sections:
        lines += ["", f"### {section.title}"]
        for part in section.parts:
            lines += ["", *([f"**{_escaped(part.title)}**", ""] if part.title else [])]
            for subject in part.subjects:
                lines += _item(subject)
    return "\n".join(lines if sections else [*lines, "", NOTHING])


def _subject(subject: Subject, depth: int) -> Iterator[str]:
    """On one line where it fits; else each change on its own."""
    together = _together(subject)
    plain = not any(change.excerpts for change in subject.changes)
    if plain and len(together) <= COLUMNS - depth:
        yield " " * depth + together
    elif len(subject.changes) == 1 and len(together) <= COLUMNS - depth:
        yield " " * depth + together
        yield from _excerpts(subject.changes[0], depth + 2)
    else:
        inner = depth
        if subject.name:
            yield from _wrapped(subject.name, depth)
            inner += 2
        for change in subject.changes:
            yield from _wrapped(change.text, inner)
            yield from _excerpts(change, inner + 2)
    if subject.names:
        yield from _wrapped(_listed(subject), depth + 2)


def _excerpts(change: Change, depth: int) -> Iterator[str]:
    for excerpt in change.excerpts:
        yield from _wrapped(excerpt, depth)


def _wrapped(line: str, depth: int) -> list[str]:
    margin = " " * depth
    return wrap(
        line,
        COLUMNS,
        initial_indent=margin,
        subsequent_indent=f"{margin}  ",
        break_on_hyphens=False,
    )


def _together(subject: Subject) -> str:
    changes = "; ".join(change.text for change in subject.changes)
    return f"{subject.name}: {changes}" if subject.name else changes


def _listed(subject: Subject) -> str:
    more = len(subject.names) - _MOST_NAMES
    told = (*subject.names[:_MOST_NAMES], *([f"and {more} more"] if more > 0 else ()))
    return f"({'; '.join(told)})"


def _item(subject: Subject) -> Iterator[str]:
    yield f"- {_escaped(_together(subject))}"
    if subject.names:
        yield f"  {_escaped(_listed(subject))}"
    excerpts = [excerpt for change in subject.changes for excerpt in change.excerpts]
    if excerpts:
        yield from ("  ```diff", *(f"  {excerpt}" for excerpt in excerpts), "  ```")


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", text)
