"""What a comparison finds: changes, each of a subject, by rule group or dashboard."""

from dataclasses import dataclass
from enum import IntEnum


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
