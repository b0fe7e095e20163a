"""What a comparison finds: changes, each of a subject, by rule group or dashboard."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

SAME_FROM = 3
"""Subjects from which on a change that they share is told once."""


MOST_OF_APPEARANCE = 6
"""Changes of how a subject looks that are told; of more, their number."""


class Weight(IntEnum):
    """The order in which a reviewer reads: whom it calls, what it does, how it looks."""

    CALLS = 0
    BEHAVIOUR = 1
    APPEARANCE = 2
    WORDING = 3
    PLACE = 4


@dataclass(frozen=True, slots=True)
class Change:
    """One change in words; ``excerpts`` are lines of a word diff that begin with - or +."""

    weight: Weight
    text: str
    excerpts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """What changed. ``kind`` in the singular; ``name`` is empty where the part is the subject.

    ``names`` are those of several subjects that share their changes.
    """

    kind: str
    name: str
    changes: tuple[Change, ...]
    names: tuple[str, ...] = ()

    @property
    def weight(self) -> Weight:
        """That of the weightiest change."""
        return min(change.weight for change in self.changes)


@dataclass(frozen=True, slots=True)
class Part:
    """The changes of one rule group or dashboard; without a title, those of several."""

    title: str
    subjects: tuple[Subject, ...]

    @property
    def weight(self) -> Weight:
        """That of the weightiest change."""
        return min(subject.weight for subject in self.subjects)


@dataclass(frozen=True, slots=True)
class Section:
    """Changes of one sort of thing."""

    title: str
    parts: tuple[Part, ...]


def counted(number: int, kind: str) -> str:
    """How many of a ``kind``, such as ``2 panels``."""
    return f"{number} {kind}" if number == 1 else f"{number} {kind}s"


def section(title: str, parts: Iterable[Part]) -> Section:
    """The ``parts`` that have changes, weightiest first; what many subjects share is told once."""
    changed = [_without_empty(part) for part in parts]
    gathered = _gathered([part for part in changed if part.subjects])
    ordered = [
        replace(part, subjects=tuple(sorted(map(_ordered, part.subjects), key=_reading_order)))
        for part in gathered
    ]
    return Section(title, tuple(sorted(ordered, key=lambda part: part.weight)))


def _without_empty(part: Part) -> Part:
    return replace(part, subjects=tuple(each for each in part.subjects if each.changes))


def _ordered(subject: Subject) -> Subject:
    looks = [change for change in subject.changes if change.weight is Weight.APPEARANCE]
    if len(looks) > MOST_OF_APPEARANCE:
        left_out = len(looks) - MOST_OF_APPEARANCE + 1
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
    shared = {key: found for key, found in sharing.items() if len(found) >= SAME_FROM}
    left = [
        replace(
            part,
            subjects=tuple(
                replace(
                    subject,
                    changes=tuple(c for c in subject.changes if (subject.kind, c) not in shared),
                )
                for subject in part.subjects
            ),
        )
        for part in parts
    ]
    together: dict[tuple[str, tuple[tuple[int, str], ...]], list[Change]] = {}
    for (kind, change), found in shared.items():
        together.setdefault((kind, tuple(found)), []).append(change)
    everywhere: list[Subject] = []
    for (kind, those), changes in together.items():
        names = tuple(name for _, name in those)
        subject = Subject(kind, counted(len(those), kind), tuple(changes), names)
        numbers = {number for number, _ in those}
        if len(numbers) == 1:
            only = numbers.pop()
            left[only] = replace(left[only], subjects=(*left[only].subjects, subject))
        else:
            everywhere.append(subject)
    return [
        part for part in map(_without_empty, [Part("", tuple(everywhere)), *left]) if part.subjects
    ]
