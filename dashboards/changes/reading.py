"""The order in which a reviewer reads, with what many subjects share told once."""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace

from dashboards.changes.report import Change, Part, Section, Subject, Weight, counted

_SHARED_FROM = 3
"""Subjects from which on a change that they share is told once."""
_MOST_OF_APPEARANCE = 6
"""Changes of how a subject looks that are told; of more, their number."""
_KNOWN_ANYWHERE = frozenset({"alert", "record"})
"""Kinds whose names need no part beside them."""

_Sharing = tuple[str, tuple[tuple[int, str], ...]]
"""A kind, and the number of the part and the name of each subject."""


def section(title: str, parts: Iterable[Part]) -> Section:
    """The ``parts`` that have changes, weightiest first; what many subjects share is told once."""
    ordered = [
        replace(part, subjects=tuple(sorted(map(_ordered, part.subjects), key=_reading_order)))
        for part in _gathered(list(parts))
    ]
    return Section(title, tuple(sorted(ordered, key=lambda part: part.weight)))


def _ordered(subject: Subject) -> Subject:
    looks = [change for change in subject.changes if change.weight is Weight.APPEARANCE]
    if len(looks) > _MOST_OF_APPEARANCE:
        left_out = len(looks) - _MOST_OF_APPEARANCE + 1
        looks[-left_out:] = [Change(Weight.APPEARANCE, f"and {left_out} more settings")]
    others = [change for change in subject.changes if change.weight is not Weight.APPEARANCE]
    ordered = sorted((*others, *looks), key=lambda change: change.weight)
    return replace(subject, changes=tuple(ordered))


def _reading_order(subject: Subject) -> tuple[Weight, bool, bool]:
    """By weight; the part itself, then its subjects, then what many of them share."""
    return subject.weight, bool(subject.name), bool(subject.names)


def _gathered(parts: Sequence[Part]) -> list[Part]:
    """``parts`` with each change that many subjects share moved into one subject of its own."""
    sharing: dict[tuple[str, Change], list[tuple[int, str]]] = {}
    for number, part in enumerate(parts):
        for subject in part.subjects:
            for change in subject.changes:
                sharing.setdefault((subject.kind, change), []).append((number, subject.name))
    shared = {key: found for key, found in sharing.items() if len(found) >= _SHARED_FROM}
    together: dict[_Sharing, list[Change]] = {}
    for (kind, change), found in shared.items():
        together.setdefault((kind, tuple(found)), []).append(change)
    everywhere: list[Subject] = []
    subjects = [list(_without(part, shared.keys())) for part in parts]
    for (kind, found_in), changes in together.items():
        names: dict[int, list[str]] = {}
        for number, name in found_in:
            names.setdefault(number, []).append(name.removeprefix(f"{kind} "))
        one_part = len(names) == 1
        listed = [name for here in names.values() for name in here]
        if not one_part and kind not in _KNOWN_ANYWHERE:
            listed = [_in_part(parts[number], here) for number, here in names.items()]
        subject = Subject(kind, counted(len(found_in), kind), tuple(changes), tuple(listed))
        (subjects[next(iter(names))] if one_part else everywhere).append(subject)
    left = (
        replace(part, subjects=tuple(those)) for part, those in zip(parts, subjects, strict=True)
    )
    return [part for part in (Part("", tuple(everywhere)), *left) if part.subjects]


def _in_part(part: Part, names: Iterable[str]) -> str:
    """Subjects named with their part; the part alone where it is the subject."""
    named = ", ".join(filter(None, names))
    return f"{named} in {part.title}" if named else part.title


def _without(part: Part, shared: Container[tuple[str, Change]]) -> Iterator[Subject]:
    """The subjects of a part that have changes beside those that are ``shared``."""
    for subject in part.subjects:
        changes = tuple(each for each in subject.changes if (subject.kind, each) not in shared)
        if changes:
            yield replace(subject, changes=changes)
