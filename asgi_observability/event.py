"""What an event of the log is: a class whose fields can't hold what a client sent by mistake.

A field is a number, an enum, an `Identifier` or `FromCode`.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import ClassVar, NewType, dataclass_transform

Identifier = NewType("Identifier", str)
"""An ID that may come from a client: written as it is, or hashed if it doesn't look like one."""

FromCode = NewType("FromCode", str)
"""A string of the program or its configuration, never of a client: a template, a class's name."""


_declared: list[type["Event"]] = []


@dataclass_transform(kw_only_default=True)
class Event:
    """What can be logged. A subclass is a dataclass; its docstring says what has happened.

    ``name`` is the class's name in snake case. ``level`` is a standard one, such as
    `logging.WARNING`. Sampling may have a rate for each value of the field ``sampled_by``.
    """

    name: ClassVar[str]
    level: ClassVar[int]
    sampled_by: ClassVar[str]
    identifiers: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls, level: int = logging.INFO, sampled_by: str = "") -> None:
        _declared.append(cls)
        cls.name = _snake_case(cls.__name__)
        cls.level = level
        cls.sampled_by = sampled_by
        dataclass(kw_only=True)(cls)
        cls.identifiers = tuple(f.name for f in fields(cls) if f.type is Identifier)  # type: ignore[arg-type]


def all_events() -> Iterator[type[Event]]:
    """Every declared event, in the order of declaration, without those that others are made of."""
    return (event for event in _declared if not event.__subclasses__())


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
