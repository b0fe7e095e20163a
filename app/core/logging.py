"""Structured logs: one JSON object a line on standard output, each with its correlation ID."""

import logging
import sys
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from structlog.types import EventDict, WrappedLogger

from app import __version__
from app.core import correlation

_TRACEBACKS = structlog.processors.ExceptionRenderer(
    # Frames without local values: those hold message texts and phone numbers.
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)

_ONE_LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


class NamedLogger:
    """The end of structlog's chain: knows its name, and hands rendered lines on."""

    __slots__ = ("critical", "debug", "error", "info", "name", "warning")

    def __init__(self, name: str, write: Callable[[str | bytes], None]) -> None:
        self.name = name
        self.debug = self.info = self.warning = self.error = self.critical = write


def configure_logging(*, service: str, environment: str, level: str, log_format: str) -> None:
    """Send structlog's and the standard library's records down one pipe.

    ``log_format`` is ``json``, or ``console`` for people.
    """
    constants = {"service": service, "version": __version__, "environment": environment}
    threshold = logging.getLevelNamesMapping()[level.upper()]
    render = _plain(constants) if log_format == "console" else _json(constants)
    structlog.configure(
        # One processor: each further one costs every line a call and a copy.
        processors=[render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *name: NamedLogger(name[0] if name else "root", _write),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_StandardLibrary(render)], level=threshold, force=True)
    # Servers that were started with logging of their own hand it over.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # uvicorn's own access lines lack the correlation ID; httpx logs URLs that hold phone numbers.
    logging.getLogger("uvicorn.access").disabled = True
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


Render = Callable[[WrappedLogger, str, MutableMapping[str, Any]], str | bytes]


class _StandardLibrary(logging.Handler):
    """Takes what libraries log through the standard library."""

    def __init__(self, render: Render) -> None:
        super().__init__()
        self._render = render

    def emit(self, record: logging.LogRecord) -> None:
        try:
            event: dict[str, Any] = {"event": record.getMessage()}
            if record.exc_info:
                event["exc_info"] = record.exc_info
            logger = NamedLogger(record.name, _write)
            _write(self._render(logger, record.levelname.lower(), event))
        except Exception:
            self.handleError(record)


def _json(constants: dict[str, str]) -> Render:
    # What is the same on every line of a logger is serialised once; this runs on every request.
    heads: dict[tuple[str, str], bytes] = {}

    def render(logger: NamedLogger, level: str, event: EventDict) -> bytes:
        if event.get("exc_info"):
            event = _TRACEBACKS(logger, level, event)
        if correlation_id := correlation.current():
            event.setdefault("correlation_id", correlation_id)
        head = heads.get((logger.name, level))
        if head is None:
            fields = {"level": level, "logger": logger.name, **constants}
            head = heads[logger.name, level] = orjson.dumps(fields)[1:-1]
        time = orjson.dumps(datetime.now(UTC), option=orjson.OPT_UTC_Z)
        return b'{"timestamp":%b,%b,%b' % (time, head, orjson.dumps(event, str, _ONE_LINE)[1:])

    return render


def _plain(constants: dict[str, str]) -> Render:
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)

    def render(logger: NamedLogger, level: str, event: EventDict) -> str:
        line = {
            "timestamp": f"{datetime.now():%H:%M:%S.%f}",
            "level": level,
            "logger": logger.name,
            "correlation_id": correlation.current(),
            **constants,
            **event,
        }
        return f"{console(logger, level, line)}\n"

    return render


def _write(line: str | bytes) -> None:
    output = sys.stdout
    if isinstance(line, str):
        output.write(line)
        output.flush()
    else:
        output.buffer.write(line)
        output.buffer.flush()
