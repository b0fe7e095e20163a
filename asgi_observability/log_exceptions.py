"""Exceptions as structured frames: what was raised and where, never the values it was raised with.

The message of an exception may quote anything, a tenant's text included. It is written when it is
a constant of the code that raised it, when the operating system or the database chose it by number,
or when its class says that its messages are safe (``is_loggable = True``); else as a keyed hash,
by which equal ones can be told. Names are those in the source (`asgi_observability.code_names`).

Whatever an exception does when it is looked at, this never raises, and it looks at few of them.
"""

import errno
import os
import re
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from types import CodeType, TracebackType
from typing import Any

from asgi_observability.code_names import class_name, file_name, function_name, is_in_source
from asgi_observability.personal_data import hashed

MAX_CHAINED = 5
"""Exceptions shown of a chain of causes and of a group, the last one raised first."""

MAX_FRAMES = 20
"""Frames shown of one exception, the innermost ones."""

MAX_NOTES = 5
"""Notes shown of one exception."""

MAX_MESSAGE = 1000
"""Characters of a message that is written as it is."""

MAX_KNOWN_CODE = 2000
"""Functions whose constants are remembered."""

UNREADABLE = "[unreadable]"
"""Instead of what raised when it was looked at."""

# https://www.postgresql.org/docs/current/errcodes-appendix.html: each has a digit.
_SQLSTATE = re.compile(r"(?=.*[0-9])[0-9A-Z]{5}")
_SSL_REASON = re.compile(r"[A-Z][A-Z_]{2,60}")
_ADDRESS_ERRORS = {
    getattr(socket, name): name for name in sorted(dir(socket)) if name.startswith("EAI_")
}


def structured(
    error: BaseException, max_frames: int = MAX_FRAMES, *, with_messages: bool = False
) -> list[dict[str, Any]]:
    """The exception and its causes: type, message, notes, frames with file, line and function.

    ``with_messages`` writes all of them, for development. Never raises.
    """
    return [_described(each, max_frames, with_messages) for each in _chain(error)]


def is_constant_of(code: CodeType, text: str) -> bool:
    """Whether ``text`` stands in ``code`` as it is, and so was not put together from data.

    Code that was itself put together has no constants.
    """
    return text in _known(code)[1]


def constants_of(code: CodeType) -> frozenset[str]:
    """The strings in ``code``, with the names of the keyword arguments that it calls with."""
    return _known(code)[2]


def _known(code: CodeType) -> tuple[CodeType, frozenset[str], frozenset[str]]:
    """The code itself, its strings, and those with the ones in its tuples, worked out once."""
    try:
        return _known_code[id(code)]
    except KeyError:
        constants = code.co_consts if is_in_source(code) else ()
        strings = frozenset(each for each in constants if type(each) is str)
        groups = (each for each in constants if type(each) in (tuple, frozenset))
        names = frozenset(name for group in groups for name in group if type(name) is str)
        # The code is kept with them, so that nothing else can get its number.
        found = code, strings, strings | names
        if len(_known_code) < MAX_KNOWN_CODE:
            _known_code[id(code)] = found
        return found


_known_code: dict[int, tuple[CodeType, frozenset[str], frozenset[str]]] = {}


def place_of(code: CodeType, line: int | None) -> str:
    """A line of code, such as ``app/services/sweep.py:40 in run``."""
    return f"{file_name(code)}:{line or 0} in {function_name(code)}"


def _described(error: BaseException, max_frames: int, with_messages: bool) -> dict[str, Any]:
    codes = _quietly(lambda: _codes(error.__traceback__, max_frames), [])
    written = _as_it_is if with_messages else _safe_message
    found: dict[str, Any] = {
        "type": class_name(type(error)),
        "message": _quietly(lambda: written(error, codes), UNREADABLE),
    }
    if notes := _quietly(lambda: list(_notes(error, codes, with_messages)), []):
        found["notes"] = notes
    return found | {
        "frames": [
            {"file": file_name(code), "line": line, "function": function_name(code)}
            for code, line in codes
        ]
    }


def _quietly(look: Callable[[], Any], otherwise: Any) -> Any:
    """What ``look`` finds; an exception may raise another one for each of its attributes."""
    try:
        return look()
    except Exception:
        return otherwise


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting and len(seen) < MAX_CHAINED:
        each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += _quietly(lambda each=each: _led_to(each), [])  # type: ignore[misc]


def _led_to(error: BaseException) -> list[BaseException]:
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    found = [*islice(inner, MAX_CHAINED), cause]
    return [each for each in found if isinstance(each, BaseException)]


def _as_it_is(error: BaseException, _: object) -> str:
    return str(error)[:MAX_MESSAGE]


def _safe_message(error: BaseException, codes: list[tuple[CodeType, int]]) -> str:
    group = isinstance(error, BaseExceptionGroup)
    # A group adds to its message how many exceptions there are.
    text = "".join((error.message if isinstance(error, BaseExceptionGroup) else str(error),))
    # Asked of the class: an instance may answer anything.
    if not text or (getattr(type(error), "is_loggable", False) is True and not group):
        return text[:MAX_MESSAGE]
    if isinstance(error, OSError):
        known = _of_the_system(error)
        if known:
            return known
    sqlstate = getattr(error, "sqlstate", None)
    if type(sqlstate) is str and _SQLSTATE.fullmatch(sqlstate):
        return f"SQLSTATE {sqlstate}"
    if codes and is_constant_of(codes[-1][0], text):
        return text
    return hashed(text)


def _of_the_system(error: OSError) -> str:
    """What the operating system or OpenSSL said; their numbers are not each other's."""
    match error:
        case ssl.SSLError():
            reason = getattr(error, "reason", None)
            return reason if type(reason) is str and _SSL_REASON.fullmatch(reason) else ""
        case socket.gaierror() | socket.herror():
            return _ADDRESS_ERRORS.get(error.errno, "") if type(error.errno) is int else ""
        case _:
            is_known = type(error.errno) is int and error.errno in errno.errorcode
            return os.strerror(error.errno) if is_known else ""  # type: ignore[arg-type]


def _notes(
    error: BaseException, codes: list[tuple[CodeType, int]], with_messages: bool
) -> Iterator[str]:
    for note in islice(getattr(error, "__notes__", ()), MAX_NOTES):
        text = "".join((str(note),))
        known = with_messages or any(is_constant_of(code, text) for code, _ in codes)
        yield text[:MAX_MESSAGE] if known else hashed(text)


def _codes(traceback: TracebackType | None, at_most: int) -> list[tuple[CodeType, int]]:
    """The innermost frames' code and lines, the innermost one last."""
    found: deque[tuple[CodeType, int]] = deque(maxlen=at_most)
    while traceback:
        found.append((traceback.tb_frame.f_code, traceback.tb_lineno or 0))
        traceback = traceback.tb_next
    return list(found)
