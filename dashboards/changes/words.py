"""The changes as text of at most 100 columns, or as Markdown."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap
from typing import NamedTuple

from dashboards.changes.comparison import Change, Section

COLUMNS = 100
NOTHING = "no changes in dashboards, rules and notifications"

_SHARED_FROM = 3
"""Things from which on a change that they share is told once."""
_MOST_NAMES = 10
_PLURALS = {"query": "queries", "series": "series"}
_MARKUP = re.compile(r"([\\`*<\[\]$])")


class _Entry(NamedTuple):
    text: str
    excerpts: tuple[str, ...]
    names: str = ""


def text(heading: str, changes: Sequence[Change]) -> str:
    """For a terminal."""
    lines = [heading]
    for section in Section:
        entries = _entries(change for change in changes if change.section is section)
        lines += ["", section] if entries else []
        for entry in entries:
            lines += _wrapped(entry.text, 2)
            for below in filter(None, (entry.names, *entry.excerpts)):
                lines += _wrapped(below, 4)
    return "\n".join(lines if changes else [heading, NOTHING])


def markdown(heading: str, changes: Sequence[Change]) -> str:
    """For a pull request."""
    lines = [f"**{_escaped(heading)}**"]
    for section in Section:
        entries = _entries(change for change in changes if change.section is section)
        lines += ["", f"### {section}", ""] if entries else []
        for entry in entries:
            lines.append(f"- {_escaped(entry.text)}")
            lines += [f"  {_escaped(entry.names)}"] if entry.names else []
            diff = ["```diff", *entry.excerpts, "```"] if entry.excerpts else []
            lines += [f"  {line}" for line in diff]
    return "\n".join(lines if changes else [*lines, "", NOTHING])


def _entries(changes: Iterable[Change]) -> list[_Entry]:
    """One for each thing, behind those of changes that several share."""
    sharing: dict[tuple[str, str, tuple[str, ...]], list[Change]] = defaultdict(list)
    for change in changes:
        sharing[change.kind, change.text, change.excerpts].append(change)
    shared = []
    alone: dict[tuple[str, str], list[Change]] = defaultdict(list)
    for (kind, told, shown), found in sharing.items():
        if len(found) < _SHARED_FROM:
            for change in found:
                alone[kind, change.name].append(change)
        else:
            names = [change.name for change in found[:_MOST_NAMES]]
            more = len(found) - len(names)
            listed = "; ".join([*names, *([f"and {more} more"] if more else [])])
            many = f"{len(found)} {_PLURALS.get(kind, f'{kind}s')}"
            shared.append(_Entry(f"{many}: {told}", shown, f"({listed})"))
    return shared + [
        _Entry(
            f"{kind} {name}: {'; '.join(change.text for change in found)}",
            tuple(line for change in found for line in change.excerpts),
        )
        for (kind, name), found in alone.items()
    ]


def _wrapped(line: str, depth: int) -> Iterator[str]:
    margin = " " * depth
    yield from wrap(
        line,
        COLUMNS,
        initial_indent=margin,
        subsequent_indent=f"{margin}  ",
        break_on_hyphens=False,
    )


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", text)
