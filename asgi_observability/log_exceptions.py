"""Exceptions as structured frames: what was raised and where, never the values it was raised with.

The message of an exception may quote anything, a tenant's text included. It is written when it is
a constant of the code that raised it, when the operating system or the database chose it by number,
or when its class says that its messages are safe (``is_loggable = True``); else as a keyed hash,
by which equal ones can be told.
"""

import os
import sys
from collections.abc import Iterator
from types import CodeType, TracebackType
from typing import Any

from asgi_observability.personal_data import hashed

MAX_CHAINED = 5
"""Exceptions shown of a chain of causes, the last one raised first."""

MAX_FRAMES = 20
"""Frames shown of one exception, the innermost ones."""

MAX_KNOWN_CODE = 2000
"""Functions whose constants are remembered."""

_ROOTS = ("/site-packages/", f"/python{sys.version_info[0]}.{sys.version_info[1]}/")


def structured(
    error: BaseException, max_frames: int = MAX_FRAMES, *, with_messages: bool = False
) -> list[dict[str, Any]]:
    """The exception and its causes: type, message, frames with file, line and function.

    ``with_messages`` writes all of them, for development.
    """
    return [
        {
            "type": f"{type(each).__module__}.{type(each).__qualname__}".removeprefix("builtins."),
            "message": _text(each) if with_messages else _message(each),
            "frames": _frames(each.__traceback__, max_frames),
        }
        for each in _chain(error)
    ]


def is_constant_of(code: CodeType, text: str) -> bool:
    """Whether ``text`` stands in ``code`` as it is, and so was not put together from data."""
    return text in _constants_of(code)[1]


def keywords_of(code: CodeType) -> frozenset[str]:
    """The names of the keyword arguments that ``code`` calls with."""
    return _constants_of(code)[2]


def _constants_of(code: CodeType) -> tuple[CodeType, frozenset[str], frozenset[str]]:
    """The code itself, its strings, and the strings of its tuples, worked out once."""
    try:
        return _known_code[id(code)]
    except KeyError:
        strings = frozenset(each for each in code.co_consts if type(each) is str)
        groups = (each for each in code.co_consts if type(each) is tuple)
        names = frozenset(name for group in groups for name in group if type(name) is str)
        # The code is kept with them, so that nothing else can get its number.
        found = code, strings, names
        if len(_known_code) < MAX_KNOWN_CODE:
            _known_code[id(code)] = found
        return found


_known_code: dict[int, tuple[CodeType, frozenset[str], frozenset[str]]] = {}


def place_of(code: CodeType, line: int | None) -> str:
    """A line of code, such as ``app/services/sweep.py:40 in run``."""
    return f"{_short(code.co_filename)}:{line or 0} in {code.co_qualname}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting and len(seen) < MAX_CHAINED:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
        cause = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
        if cause:
            waiting.append(cause)


def _message(error: BaseException) -> str:
    text = _text(error)
    if not text or getattr(error, "is_loggable", False):
        return text
    if isinstance(error, OSError) and isinstance(error.errno, int):
        return os.strerror(error.errno)
    sqlstate = getattr(error, "sqlstate", None)
    if isinstance(sqlstate, str) and sqlstate.isalnum() and len(sqlstate) == 5:
        return f"SQLSTATE {sqlstate}"
    innermost = _innermost(error.__traceback__)
    if innermost and is_constant_of(innermost.tb_frame.f_code, text):
        return text
    return hashed(text)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def _innermost(traceback: TracebackType | None) -> TracebackType | None:
    while traceback and traceback.tb_next:
        traceback = traceback.tb_next
    return traceback


def _frames(traceback: TracebackType | None, at_most: int) -> list[dict[str, Any]]:
    frames = []
    while traceback:
        code = traceback.tb_frame.f_code
        frames.append(
            {
                "file": _short(code.co_filename),
                "line": traceback.tb_lineno,
                "function": code.co_qualname,
            }
        )
        traceback = traceback.tb_next
    return frames[-at_most:]


def _short(path: str) -> str:
    for root in _ROOTS:
        _, found, rest = path.rpartition(root)
        if found:
            return rest
    return path.removeprefix(f"{os.getcwd()}/")
