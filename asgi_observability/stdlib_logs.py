"""What is logged through the standard library's loggers, taken in without being in their way.

`StandardLibrary` is a handler for a process whose only log this is. `watch` is for a host that has
a log of its own: there a handler on the root logger would change what the host sees (with one,
`logging.basicConfig` does nothing any more, and warnings no longer reach standard error by
themselves), and `dictConfig` would remove it. So what a logger gives to its handlers is given to
the layer as well, if it would reach the root logger, and no handler is added.
"""

import logging
import re
from collections.abc import Mapping
from functools import wraps
from typing import Any

import orjson

from asgi_observability import callers, logger
from asgi_observability.undeclared import Undeclared, exception_of

# Put together by uvicorn, from nothing but the address that it was given.
_ADDRESS_SAID = re.compile(r"Uvicorn running on %s://(\[%s\]|%s):%d \(Press CTRL\+C to quit\)")

ACCESS_LOG = "uvicorn.access"
"""Its lines have no correlation ID, and the layer has its own for each request."""

# The template once more, with colours; the task that asyncio's own records are about.
_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None)))
_ATTRIBUTES = _STANDARD | {"message", "asctime", "taskName", "color_message", "websocket"}


class StandardLibrary(logging.Handler):
    """Takes what libraries log through the standard library."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write it; raises nothing."""
        _take(record)

    def handle(self, record: logging.LogRecord) -> bool:
        """The same without the lock of a handler: there is nothing here that needs it."""
        if self.filter(record):
            _take(record)
        return True


def watch() -> None:
    """Take in what reaches the root logger, beside whatever handlers there are and will be."""
    global _is_installed
    if _is_installed:  # somebody else may have wrapped what is there now
        return
    _is_installed, original = True, logging.Logger.callHandlers

    @wraps(original)
    def call_handlers(self: logging.Logger, record: logging.LogRecord) -> None:
        try:
            original(self, record)
        finally:
            if _is_watching and _is_for_us(self, record):
                _take(record)

    logging.Logger.callHandlers = call_handlers  # type: ignore[method-assign]


def set_watching(*, on: bool) -> None:
    """Whether what is watched is written; a handler on the root logger would write it twice."""
    global _is_watching
    if on:
        watch()
    _is_watching = on


_is_watching = False
_is_installed = False


def _is_for_us(source: logging.Logger, record: logging.LogRecord) -> bool:
    each: logging.Logger | None = source
    while each and each.propagate and each.parent:
        each = each.parent
    return each is logging.root and record.levelno >= logger.threshold(record.name)


def _take(record: logging.LogRecord) -> None:
    try:
        if record.name != ACCESS_LOG:
            logger.pipeline().undeclared(_undeclared(record))
    except Exception:
        logger.pipeline().counts.broken += 1


def _undeclared(record: logging.LogRecord) -> Undeclared:
    given = vars(record)
    extra: dict[str, object] = {}
    if len(given) > len(_STANDARD):
        extra = {name: value for name, value in given.items() if name not in _ATTRIBUTES}
    message: object = record.msg
    if (fields := _event_of(message)) is not None:
        message = fields.pop("event", "")
        extra = {name: value for name, value in extra.items() if not name.startswith("_")} | fields
    return Undeclared(
        record.name,
        record.levelno,
        message,
        record.args or (),
        fields=extra,
        error=exception_of(record.exc_info),
        caller=callers.caller_of(record),
        with_stack=bool(record.stack_info),
        is_ours=record.name == "uvicorn.error" and _is_address(message),
    )


def _is_address(message: object) -> bool:
    return isinstance(message, str) and _ADDRESS_SAID.fullmatch(message) is not None


def _event_of(message: object) -> dict[Any, Any] | None:
    """The fields of an event that structlog has handed to the standard library, as it does."""
    if not isinstance(message, str):
        return dict(message) if isinstance(message, Mapping) else None
    if not message.startswith("{") or not message.endswith("}"):
        return None
    try:
        read = orjson.loads(message)
    except ValueError:
        return None
    return read if isinstance(read, dict) and "event" in read else None
