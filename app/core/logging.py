"""Structured logs: one JSON object a line on standard output, each with its correlation ID."""

import logging
import sys
from typing import Any

import orjson
import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from app import __version__
from app.core import correlation
from app.core.config import Settings


def configure_logging(settings: Settings) -> None:
    """Send structlog's and the standard library's records down one pipe."""
    shared: list[Processor] = [
        _add_context(settings),
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(settings),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper(), force=True)
    # uvicorn's own access lines lack the correlation ID; httpx logs URLs that hold phone numbers.
    logging.getLogger("uvicorn.access").disabled = True
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _renderers(settings: Settings) -> list[Processor]:
    if settings.log_format == "console":
        return [structlog.dev.ConsoleRenderer()]
    # Frames without local values: those hold message texts and phone numbers.
    tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    return [
        structlog.processors.ExceptionRenderer(tracebacks),
        structlog.processors.JSONRenderer(serializer=_json),
    ]


def _json(value: Any, default: Any = None, **_: Any) -> str:
    return orjson.dumps(value, default=default).decode()


def _add_context(settings: Settings) -> Processor:
    def add_context(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
        event["service"] = "orchestrator"
        event["version"] = __version__
        event["environment"] = settings.environment
        if correlation_id := correlation.current():
            event.setdefault("correlation_id", correlation_id)
        return event

    return add_context
