"""Structured logs: one JSON object a line on standard output, each with its correlation ID."""

import logging
import sys
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any, cast

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

    __slots__ = ("name", "write")

    def __init__(self, name: str, write: Callable[[str | bytes], None]) -> None:
        self.name = name
        self.write = write


class Logger(structlog.BoundLoggerBase):
    """What `structlog.get_logger` gives: less per line than structlog's own.

    Those repack the fields twice and look the method up by name; on the access line of every
    request that is a third of what it costs.
    """

    def info(self, event: str, **fields: Any) -> None:
        """What happened, with the fields that belong to it."""
        self._emit("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """What somebody should look at when there is time."""
        self._emit("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """What went wrong."""
        self._emit("error", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """What went wrong, with the exception that is being handled."""
        self._emit("error", event, {"exc_info": True, **fields})

    def debug(self, event: str, **fields: Any) -> None:
        """What helps to find a fault."""
        self._emit("debug", event, fields)

    def _emit(self, level: str, event: str, fields: dict[str, Any]) -> None:
        fields["event"] = event
        line: Any = {**self._context, **fields} if self._context else fields
        try:
            for processor in self._processors:
                line = processor(self._logger, level, line)
        except structlog.DropEvent:
            return
        self._logger.write(line)


def _logger_from(threshold: int) -> type[Logger]:
    """A Logger whose methods below ``threshold`` do nothing: decided once, not at each line."""

    def nothing(self: Logger, event: str, **fields: Any) -> None:
        return None

    levels = {name.lower(): level for name, level in logging.getLevelNamesMapping().items()}
    quiet = {
        name: nothing
        for name in ("debug", "info", "warning", "error", "exception")
        if levels.get(name, logging.ERROR) < threshold
    }
    return cast("type[Logger]", type("Logger", (Logger,), quiet))


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
        wrapper_class=_logger_from(threshold),
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
