"""Whose code has logged: the frames beneath the loggers' own."""

import logging
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from asgi_observability.log_exceptions import place_of

_OURS = frozenset(
    f"asgi_observability.{module}"
    for module in ("callers", "logger", "pipeline", "stdlib_logs", "structlog_logs")
)
MAX_STACK = 20
"""Frames written of a stack, the innermost ones."""


def caller(begin: FrameType | None = None) -> FrameType | None:
    """The innermost frame that is no logger's, from ``begin`` on outwards."""
    frame = begin or sys._getframe(1)
    found: FrameType | None = frame
    while found and _is_a_loggers(found):
        found = found.f_back
    return found


def caller_of(record: logging.LogRecord) -> FrameType | None:
    """The frame that logged ``record``; a handler runs while it still stands."""
    frame: FrameType | None = sys._getframe(1)
    while frame and (
        frame.f_code.co_filename != record.pathname or frame.f_code.co_name != record.funcName
    ):
        frame = frame.f_back
    # structlog may have logged it for somebody.
    return caller(frame) if frame else None


def stack(frame: FrameType | None) -> list[str]:
    """The lines of code that led to ``frame``, the innermost last."""
    return [place_of(each.f_code, each.f_lineno) for each in _outwards(frame)][:MAX_STACK][::-1]


def module_of(frame: FrameType | None) -> str:
    """The name of the module whose code runs in ``frame``."""
    name: Any = frame.f_globals.get("__name__") if frame else None
    return name if isinstance(name, str) else "root"


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame:
        yield frame
        frame = frame.f_back


def _is_a_loggers(frame: FrameType) -> bool:
    name = module_of(frame)
    return name in _OURS or name.partition(".")[0] in ("structlog", "logging", "contextlib")
