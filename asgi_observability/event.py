"""What an event of the log is: a class whose fields can't hold what a client sent by mistake.

A field is a number, an enum, an `Identifier` or `FromCode`; or a list or tuple of these, or one of
several of these, ``None`` included.
"""

import logging
import re
import sys
import typing
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, fields, is_dataclass
from enum import Enum
from types import FrameType, NoneType, UnionType
from typing import Annotated, Any, ClassVar, NewType, Union, dataclass_transform, get_args

from asgi_observability.secrets_in_text import is_secrets_name

Identifier = NewType("Identifier", str)
"""An ID that may come from a client: written as it is, or hashed if it doesn't look like one."""

FromCode = NewType("FromCode", str)
"""A string of the program or its configuration, never of a client: a template, a class's name."""

_NUMBERS = (bool, int, float)

_declared: list[type["Event"]] = []


@dataclass_transform(kw_only_default=True)
class Event:
    """What can be logged. A subclass is a dataclass; its docstring says what has happened.

    ``name`` is the class's name in snake case. ``level`` is a standard one, such as
    `logging.WARNING`. Sampling may have a rate for each value of the field ``sampled_by``.

    Raises TypeError for a class with a field that may hold anything. ``identifiers`` are the fields
    that may hold a client's ID; a field whose type can't be found out is one of them, to be safe.
    """

    name: ClassVar[str]
    level: ClassVar[int]
    sampled_by: ClassVar[str]
    identifiers: ClassVar[tuple[str, ...]]
    _plain: ClassVar[dict[str, frozenset[type]]] = {}

    def __init_subclass__(cls, level: int = logging.INFO, sampled_by: str = "") -> None:
        cls.name = _snake_case(cls.__name__)
        cls.level = level
        cls.sampled_by = sampled_by
        dataclass(kw_only=True)(cls)
        inherited = {id(each) for base in cls.__mro__[1:] for each in _fields_of(base)}
        plain = dict(cls._plain)
        for field in _fields_of(cls):
            if id(field) not in inherited:
                plain[field.name] = _classes(cls, field.name, field.type, sys._getframe(1))
        cls._plain = plain
        cls.identifiers = tuple(name for name, classes in plain.items() if not classes)
        _declared.append(cls)

    @property
    def is_as_declared(self) -> bool:
        """Whether it can be written as it is: no identifier, and each value of its field's type.

        Types are not checked when an event is made, and a number may turn out to be a text.
        """
        values = self.__dict__
        for name, classes in self._plain.items():  # noqa: SIM110 - a generator takes twice the time
            if values[name].__class__ not in classes:
                return False
        return True

    def undecided(self) -> Iterator[str]:
        """The fields whose values have to be looked at before they are written."""
        values = vars(self)
        for name, classes in self._plain.items():
            if values[name].__class__ not in classes:
                yield name


def all_events() -> Iterator[type[Event]]:
    """Every declared event, in the order of declaration, without those that others are made of."""
    return (event for event in _declared if not event.__subclasses__())


def alternatives(kind: object) -> tuple[object, ...]:
    """What a field's type may be one of, without annotations: ``None`` as its class.

    A list or tuple counts as what is in it.
    """
    origin = typing.get_origin(kind)
    if origin is Annotated:
        return alternatives(get_args(kind)[0])
    if origin in (Union, UnionType, list, tuple):
        inner = (each for each in get_args(kind) if each is not Ellipsis)
        return tuple(found for each in inner for found in alternatives(each))
    if kind is None:
        return (NoneType,)
    if isinstance(kind, NewType) and kind not in (Identifier, FromCode):
        return alternatives(kind.__supertype__)
    return (kind,)


def resolved(kind: object, names: Mapping[str, Any], own: Mapping[str, Any]) -> object:
    """A field's type, where it is spelled out as a string, too. Raises NameError and the like."""
    holder = type("Holder", (), {"__annotations__": {"it": kind}})
    return typing.get_type_hints(holder, dict(names), dict(own), include_extras=True)["it"]


def _fields_of(cls: type) -> tuple[Field[Any], ...]:
    return fields(cls) if is_dataclass(cls) else ()


def _classes(cls: type[Event], name: str, kind: object, declared_in: FrameType) -> frozenset[type]:
    """The classes whose instances ``name`` may hold as they are; none if it may hold a client's."""
    try:
        module = vars(sys.modules.get(cls.__module__, typing))
        kind = resolved(kind, module, declared_in.f_locals)
    except Exception:
        # It is imported for type checkers only, or not defined yet.
        return frozenset()
    found = alternatives(kind)
    place = f"{cls.__module__}.{cls.__qualname__}.{name}"
    for each in found:
        if each not in (NoneType, Identifier, FromCode, *_NUMBERS) and not _is_enum(each):
            shown = getattr(each, "__name__", None) or each
            raise TypeError(
                f"{place}: a field of type {shown} may hold what a client sent; make it an "
                "Identifier (hashed unless it looks like one), FromCode (a constant of the "
                "program), a number or an enum"
            )
    if not {Identifier, FromCode}.isdisjoint(found) and is_secrets_name(name):
        raise TypeError(f"{place}: by its name it holds a secret; leave it out, or rename it")
    if Identifier in found or _holds_sequence(kind):
        return frozenset()
    classes = {str if each is FromCode else each for each in found}
    if float in classes:
        classes.add(int)
    return frozenset(each for each in classes if isinstance(each, type))


def _holds_sequence(kind: object) -> bool:
    return typing.get_origin(kind) in (list, tuple) or any(map(_holds_sequence, get_args(kind)))


def _is_enum(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
