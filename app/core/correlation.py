"""The correlation ID: one per request, on every response, upstream call and log line."""

import os
import re
from contextvars import ContextVar

HEADER = "X-Correlation-ID"

_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_current: ContextVar[str] = ContextVar("correlation_id", default="")


def accepted_or_new(offered: str | None) -> str:
    """The caller's ID when it is 8 to 64 letters, digits, dots, dashes or underscores; else a new.

    Anything else could forge log lines or be echoed into headers.
    """
    if offered and _WELL_FORMED.fullmatch(offered):
        return offered
    return os.urandom(16).hex()


def bind(correlation_id: str) -> None:
    """Make ``correlation_id`` current for this task and what it starts."""
    _current.set(correlation_id)


def current() -> str:
    """The current correlation ID; empty outside a request."""
    return _current.get()
