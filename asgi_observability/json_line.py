"""JSON of whatever is given: what JSON can't hold is written in another way, and never refused."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import orjson

MAX_DEPTH = 8
MAX_ITEMS = 100
"""Of one collection that JSON can't hold as it is."""

_LARGEST_INT = 2**63


def dumped(fields: Any) -> bytes:
    """``fields``, a mapping or a dataclass, as one JSON object without a newline in it.

    What orjson refuses (half a surrogate pair, a huge number, a collection that holds itself, an
    object of any other class) is written as text, or as the name of its class.
    """
    try:
        return orjson.dumps(fields)
    except Exception:
        given = fields if isinstance(fields, Mapping) else vars(fields)
        return orjson.dumps({_key(name): _plain(value, MAX_DEPTH) for name, value in given.items()})


def cut(text: str, max_bytes: int) -> str:
    """The beginning of ``text`` that takes at most ``max_bytes`` as JSON."""
    text = text[:max_bytes]
    while len(orjson.dumps(text)) > max_bytes:
        text = text[: len(text) // 2]
    return text


def valid(text: str) -> str:
    """``text`` with a question mark for each half of a surrogate pair, which UTF-8 can't hold."""
    return text.encode("utf-8", "replace").decode()


def _key(name: object) -> str:
    return valid(name) if isinstance(name, str) else _class(name)


def _plain(value: object, depth: int) -> object:
    match value:
        case Enum():
            return _plain(value.value, depth - 1) if depth else _class(value)
        case None | bool() | float():
            return value
        case int():
            return value if abs(value) < _LARGEST_INT else f"a number of {value.bit_length()} bits"
        case str():
            return valid(value)
        case dict() if depth:
            items = list(value.items())[:MAX_ITEMS]
            return {_key(name): _plain(inner, depth - 1) for name, inner in items}
        case list() | tuple() | set() | frozenset() if depth:
            return [_plain(inner, depth - 1) for inner in list(value)[:MAX_ITEMS]]
        case _:
            return _class(value)


def _class(value: object) -> str:
    return f"<{type(value).__qualname__}>"
