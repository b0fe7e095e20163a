"""How much of a line that nobody declared is written: three modes, from strict to off.

``strict``
    numbers, enums, constants of the code that logs, identifiers in fields called ``id`` or
    ``…_id``, and the fields that are said to be safe; all other strings as a keyed hash.
``fields``
    the same, and whatever has the shape of an identifier in any field.
``off``
    everything as it was given.

What is called a password, a token or the like is replaced in all of them. Names of fields are
never hashed, as long as they are names.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Literal, TypeVar
from uuid import UUID

from asgi_observability.code_names import bare_class_name
from asgi_observability.nearest import did_you_mean
from asgi_observability.personal_data import hashed, identifier, is_field_name, is_identifier
from asgi_observability.secrets_in_text import SECRET, is_secrets_name, without_logins

Mode = Literal["strict", "fields", "off"]
T = TypeVar("T")

MODES: tuple[Mode, ...] = ("strict", "fields", "off")

LARGEST_NUMBER = 10**6
"""From here on a number in a field that nobody declared could be somebody's telephone number."""

MAX_DEPTH = 8
"""Of mappings and sequences in each other; what is deeper, or holds itself, is left out."""

MAX_VALUES = 2000
"""Of one field: more don't fit into a line."""

LEFT_OUT = "[left out]"

_LARGEST_JSON = 2**63
_ID = re.compile(r"(?:.*_)?(?:id|ids|uuid|guid)|.*[a-z](?:Id|Ids|ID|IDs|Uuid)")
_QUANTITY = re.compile(
    r"(?:.*_)?(?:bytes|size|count|total|rows|lines|length|seconds|minutes|hours|days|ms|us|ns)"
)

# With at most four digits: more could be a part of somebody's number.
_LOGGER = re.compile(r"(?!(?:[^0-9]*[0-9]){5})[A-Za-z0-9_.:/<>-]*")

_UNDECLARED = "nobody declared it; if it holds nothing personal, name it in safe_fields"
_NAMELESS = "argument"


class Privacy:
    """Decides for each value of an undeclared line how it is written.

    Raises ValueError for a mode that does not exist.
    """

    def __init__(self, mode: str = "strict", safe_fields: Iterable[str] = ()) -> None:
        if mode not in MODES:
            hint = did_you_mean(mode, MODES, otherwise=f"use {', '.join(MODES)}")
            raise ValueError(f"privacy={mode!r} is not a mode; {hint}")
        if isinstance(safe_fields, str):
            raise ValueError(
                f"safe_fields={safe_fields!r} is one string; write a list: [{safe_fields!r}]"
            )
        self.mode: Mode = mode
        self._safe = frozenset(safe_fields)

    @property
    def shows_messages(self) -> bool:
        """Whether messages that were put together from data are written."""
        return self.mode == "off"

    def name(self, name: object, constants: frozenset[str] = frozenset()) -> str:
        """The name of a field, which is never hashed: a number or a sentence used as one is data.

        ``constants`` are the strings and names that stand in the code that logs.
        """
        text = name if type(name) is str else _text_of(name)
        known = self.mode == "off" or text in constants or is_field_name(text)
        return text if known or text in self._safe else identifier(text)

    def logger(self, name: str) -> str:
        """The name of a logger, which is a module's for the most part; what is data is hashed."""
        if self.mode == "off" or _LOGGER.fullmatch(name):
            return name
        return ".".join(map(_part_of_a_name, name.split(".")))

    def written(
        self, name: str, value: object, constants: frozenset[str] = frozenset()
    ) -> tuple[object, str]:
        """What may be written of the field ``name``, and why that is not the value itself.

        It is always something that JSON can hold. The reason is empty for a value as it is.
        """
        if value is None or value is True or value is False:
            return value, ""
        if not is_secrets_name(name):  # the usual kinds, without the rest
            kind = type(value)
            if kind is str and value in constants:
                return value, ""
            if kind is int and -LARGEST_NUMBER < value < LARGEST_NUMBER:  # type: ignore[operator]
                return value, ""
        walk = _Walk(self, constants)
        return walk.field(name, value, 0), walk.reason

    def argument(self, value: object, constants: frozenset[str] = frozenset()) -> object:
        """What may be written of a value that is put into a message."""
        return self.written(_NAMELESS, value, constants)[0]

    def declared(self, name: str, value: object) -> object:
        """What may be written of an event's field that may hold a client's ID, or holds anything.

        Each string counts as an identifier, whatever the field is called.
        """
        if isinstance(value, str) and not isinstance(value, Enum):
            return without_logins(value) if self.mode == "off" else identifier("".join((value,)))
        if isinstance(value, list | tuple):
            return [self.declared(name, each) for each in value[:MAX_VALUES]]
        return self.written(name, value)[0]

    def shows_number(self, name: str) -> bool:
        """Whether a large number in the field ``name`` is written."""
        is_quantity = _QUANTITY.fullmatch(name) is not None
        return self.mode == "off" or name in self._safe or is_quantity

    def _text(self, name: str, text: str, constants: frozenset[str]) -> tuple[str, str]:
        if self.mode == "off":
            return without_logins(text), ""
        if not text or text in constants or name in self._safe:
            return text, ""
        if self.mode == "fields" or _is_ids_name(name):
            if is_identifier(text):
                return text, ""
            return hashed(text), "it does not have the shape of an identifier"
        return hashed(text), _UNDECLARED


class _Walk:
    """Goes through one field; ``reason`` says why it is not written as it is."""

    def __init__(self, privacy: Privacy, constants: frozenset[str]) -> None:
        self._privacy, self._constants = privacy, constants
        self._values = 0
        self.reason = ""

    def field(self, name: str, value: object, depth: int) -> object:
        self._values += 1
        if depth > MAX_DEPTH or self._values > MAX_VALUES:
            return LEFT_OUT
        if value is None or value is True or value is False:
            return value
        try:
            return self._looked_at(name, value, depth)
        except Exception:  # the host's own code, which values run when they are looked at
            self.reason = "it can't be looked at"
            return bare_class_name(type(value))

    def _looked_at(self, name: str, value: object, depth: int) -> object:
        if is_secrets_name(name) and not (name.endswith("tokens") and _is_number(value)):
            self.reason = "its name is that of a secret"
            return SECRET
        match value:
            case Enum():
                return self._plain(value.value)
            case int() | float() | Decimal():
                return self._number(name, value)
            case str():
                return self._text(name, "".join((value,)))
            case Mapping():
                return {
                    self._key(key): self.field(
                        str(key) if type(key) is str else name, inner, depth + 1
                    )
                    for key, inner in self._first(value.items())
                }
            case list() | tuple() | set() | frozenset():
                return [self.field(name, inner, depth + 1) for inner in self._first(value)]
            case UUID():
                return str(value)
            case datetime():
                return value.isoformat()
            case timedelta():
                return value.total_seconds()
            case BaseException():
                return bare_class_name(type(value))
            case type():
                return bare_class_name(value)
            case _:
                return self._text(name, _text_of(value))

    def _first(self, values: Iterable[T]) -> Iterator[T]:
        for value in values:
            if self._values >= MAX_VALUES:
                return
            yield value

    def _plain(self, value: object) -> object:
        return value if isinstance(value, str | int | float | None) else _text_of(value)

    def _number(self, name: str, value: float | Decimal) -> object:
        if not isinstance(value, int):
            value = float(value)
            if not math.isfinite(value):
                return str(value)
        if abs(value) < LARGEST_NUMBER:
            return value
        if self._privacy.shows_number(name):
            # JSON's readers know no larger ones.
            return value if isinstance(value, float) or abs(value) < _LARGEST_JSON else hex(value)
        self.reason = f"from {LARGEST_NUMBER:,} on a number could be somebody's telephone number"
        return hashed(_text_of(value))

    def _text(self, name: str, text: str) -> str:
        written, reason = self._privacy._text(name, text, self._constants)
        self.reason = reason or self.reason
        return written

    def _key(self, key: object) -> str:
        """The key of a mapping is a value: only the code that logs makes it a name."""
        if isinstance(key, Enum):
            return str(self._plain(key.value))
        text = _text_of(key)
        known = (
            self._privacy.mode == "off" or text in self._constants or text in self._privacy._safe
        )
        if known:
            return text
        self.reason = self.reason or "its keys are values"
        if self._privacy.mode == "fields" or _is_number(key):
            return identifier(text)
        return hashed(text)


@lru_cache(maxsize=2048)
def _is_ids_name(name: str) -> bool:
    return bool(_ID.fullmatch(name))


def _part_of_a_name(part: str) -> str:
    has_digits = any(map(str.isdigit, part))
    is_shown = is_identifier(part) and not part.isdigit() if has_digits else _LOGGER.fullmatch(part)
    return part if is_shown else hashed(part)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _text_of(value: object) -> str:
    try:
        return "".join((str(value),))
    except Exception:
        return bare_class_name(type(value))
