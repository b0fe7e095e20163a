"""Structured logs: one JSON object a line, correlated, without personal data, never in the way.

log = get_logger(__name__)
log.event(SMSReceived())

What the standard library's loggers and structlog's are told goes down the same pipe. Events are
declared as classes; of a line that isn't one, only what can't be personal is written
(`asgi_observability.personal_data`).
"""

from dataclasses import asdict

from asgi_observability import logger, stdlib_logs, takeover
from asgi_observability.event import FromCode
from asgi_observability.events import LogSourceLost
from asgi_observability.hashed_fields import explain
from asgi_observability.levels import level_number
from asgi_observability.log_exit import settle_at_exit
from asgi_observability.log_files import RotatingFile
from asgi_observability.log_options import LogOptions
from asgi_observability.log_standard_output import StandardOutput
from asgi_observability.log_writer import Writer
from asgi_observability.logger import (
    Logger,
    NamedLogger,
    get_logger,
    known_loggers,
    level_of,
    log_through,
    pipeline,
    set_levels,
)
from asgi_observability.personal_data import use_key
from asgi_observability.pipeline import MAX_LINE_BYTES, Pipeline
from asgi_observability.privacy import Privacy
from asgi_observability.resource import Resource

__all__ = [
    "MAX_LINE_BYTES",
    "LogOptions",
    "Logger",
    "NamedLogger",
    "Pipeline",
    "configure_logging",
    "flush",
    "get_logger",
    "known_loggers",
    "level_of",
    "log_through",
    "pipeline",
    "reopen",
    "set_levels",
]

log = get_logger(__name__)

_sources: set[str] = set()
"""What the layer has taken over, and the host has not taken back."""


def configure_logging(resource: Resource, options: LogOptions) -> None:
    """Send what is logged in this process down one pipe, as far as ``options`` ask for it.

    Raises OSError when the folder can't be written, ValueError for a level or a mode of privacy
    that does not exist and ModuleNotFoundError when structlog is asked for and isn't installed.
    """
    for level in (options.level, *options.levels.values()):
        level_number(level)
    Privacy(options.privacy, options.safe_fields)
    if options.structlog and not takeover.has_structlog():
        raise ModuleNotFoundError(
            "structlog=True needs structlog: pip install 'asgi-observability[structlog]'"
        )
    logger.set_service_level(options.level)
    if options.hash_key:
        use_key(options.hash_key)
    log_through(_pipeline_for(resource, options)).close()
    settle_at_exit()
    _sources.clear()
    stdlib_logs.set_watching(on=not options.replace_handlers)
    if options.replace_handlers:
        takeover.take_over(level_number(options.level))
        _sources.add("logging")
        if options.folder:
            takeover.reopen_on_hangup(reopen)
    if options.structlog or (options.replace_handlers and takeover.has_structlog()):
        from asgi_observability import structlog_logs

        structlog_logs.take_in()
        _sources.add("structlog")
    set_levels(options.levels)


def look_after_sources() -> None:
    """Say so once when the host has configured anew what was taken over. Done once a second."""
    for source in [*_sources]:
        if not _is_in_place(source):
            _sources.discard(source)
            fix = "call configure_logging, or observe, after the host's own configuration"
            log.event(LogSourceLost(source=FromCode(source), fix=FromCode(fix)))


def reopen() -> None:
    """Open the log files anew, after somebody has moved them away."""
    for writer in pipeline().writers:
        writer.reopen()


def flush() -> bool:
    """Wait until what was logged is written; False when that takes too long."""
    written = [writer.flush() for writer in pipeline().writers]
    return all(written)


def _pipeline_for(resource: Resource, options: LogOptions) -> Pipeline:
    json = []
    if options.folder:
        sink = RotatingFile(options.folder, resource.service, options.keeping)
        json.append(Writer(sink, options.queue_bytes))
    if options.stdout == "json":
        json.append(Writer(_standard_output(options), options.queue_bytes))
    made = Pipeline(
        {name: value for name, value in asdict(resource).items() if value},
        options.sampling,
        json,
        exception_messages=options.exception_messages,
        privacy=Privacy(options.privacy, options.safe_fields),
        explain=explain,
    )
    if options.stdout == "console":
        made.print_to(Writer(_standard_output(options), options.queue_bytes))
    return made


def _standard_output(options: LogOptions) -> StandardOutput:
    return StandardOutput(options.workers_dir / "stdout.lock" if options.workers_dir else None)


def _is_in_place(source: str) -> bool:
    if source == "logging":
        return takeover.is_in_place()
    from asgi_observability import structlog_logs

    return structlog_logs.is_taken_in()
