"""Structured logs: one JSON object a line, correlated, without personal data, never in the way.

log = get_logger(__name__)
log.event(SMSReceived())

What the standard library's loggers and structlog's are told goes down the same pipe. Events are
declared as classes; of a line that isn't one, only what can't be personal is written
(`asgi_observability.personal_data`).
"""

import logging
import re
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Literal, cast

import orjson
import structlog

from asgi_observability import correlation
from asgi_observability.event import Event
from asgi_observability.events import UncaughtException
from asgi_observability.log_exceptions import is_constant_of, keywords_of, place_of, structured
from asgi_observability.log_files import Keeping, RotatingFile
from asgi_observability.log_sampling import Sampling, weight
from asgi_observability.log_standard_output import StandardOutput
from asgi_observability.log_writer import Writer
from asgi_observability.personal_data import identifier, is_keyword, loggable, use_key
from asgi_observability.resource import Resource

MAX_LINE_BYTES = 4096
"""Longer lines lose frames first, then their fields: collectors cut them anywhere."""

MAX_HEADS = 1000
"""Of undeclared events, whose first part is kept; templates filled in may be any number."""

WITHHELD = "message_withheld"
"""The event of a line whose message was put together from data."""

# Put together by uvicorn, from nothing but the address that it was given.
_ADDRESS_SAID = re.compile(r"Uvicorn running on %s://(\[%s\]|%s):%d \(Press CTRL\+C to quit\)")

_OFF = logging.CRITICAL + 1
_PLAIN_WORDS = frozenset({"http", "https"})


LEVEL_NAMES: dict[int, str] = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "critical",
}


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What is logged and where it goes.

    ``levels`` are those of single loggers, with what is below them. Lines go to standard output,
    for machines or for people, and to files in ``folder``; ``queue_bytes`` may wait for each.
    Workers that share standard output share ``workers_dir``, so that their lines don't mix.
    ``hash_key`` keeps the hashes of personal identifiers the same from process to process.
    ``exception_messages`` writes the messages of all exceptions, which may quote anything: for
    development.
    """

    level: str = "info"
    levels: Mapping[str, str] = field(default_factory=dict)
    sampling: Sampling = field(default_factory=Sampling)
    stdout: Literal["json", "console", "off"] = "json"
    folder: Path | None = None
    keeping: Keeping = field(default_factory=Keeping)
    queue_bytes: int = 8 * 1024 * 1024
    workers_dir: Path | None = None
    hash_key: str = ""
    exception_messages: bool = False


@dataclass(slots=True)
class Counts:
    """Lines since the start. CPython does not switch threads within an increment of these."""

    lines: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LEVEL_NAMES.values(), 0))
    sampled: int = 0
    broken: int = 0


class NamedLogger:
    """The end of structlog's chain: a logger's name and the level below which it is quiet."""

    __slots__ = ("name", "threshold")

    def __init__(self, name: str) -> None:
        self.name = name
        self.threshold = _OFF


class Logger(structlog.BoundLoggerBase):
    """What `get_logger` and `structlog.get_logger` give."""

    def event(self, event: Event, error: BaseException | None = None) -> None:
        """Log a declared event, with the exception that it is about."""
        if event.level >= self._logger.threshold:
            _pipeline.event(self._logger, event, error)

    def debug(self, event: str, **fields: Any) -> None:
        """What helps to find a fault."""
        self._undeclared(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """What happened."""
        self._undeclared(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """What somebody should look at when there is time."""
        self._undeclared(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """What went wrong."""
        self._undeclared(logging.ERROR, event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """What went wrong, with the exception that is being handled."""
        self._undeclared(logging.ERROR, event, {"exc_info": True, **fields})

    def critical(self, event: str, **fields: Any) -> None:
        """What ends the service."""
        self._undeclared(logging.CRITICAL, event, fields)

    def _undeclared(self, level: int, event: str, fields: dict[str, Any]) -> None:
        if level >= self._logger.threshold:
            caller = sys._getframe(2)
            error = _exception(fields.pop("exc_info", None))
            _pipeline.undeclared(
                self._logger,
                level,
                event=event,
                fields={**self._context, **fields},
                error=error,
                caller=caller,
                bound={*self._context},
            )


class Pipeline:
    """Renders lines and hands them to the writers. It never raises into whoever logs."""

    def __init__(
        self,
        constants: Mapping[str, str],
        sampling: Sampling,
        json: Sequence[Writer] = (),
        *,
        exception_messages: bool = False,
    ) -> None:
        self._structured = partial(structured, with_messages=exception_messages)
        self._constants = dict(constants)
        self._sampling = sampling
        self._json = tuple(json)
        self._console: Writer | None = None
        self.counts = Counts()
        # What is the same on every line of a logger's event: serialised once.
        self._heads: dict[tuple[NamedLogger, type[Event], str], tuple[bytes, float]] = {}
        self._undeclared_heads: dict[tuple[str, int, str], bytes] = {}
        self._own = {"timestamp", "level", "event", "logger", *constants}
        # In one attribute: another thread may look between two.
        self._stamp = (0, b"")
        self._plain = structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())

    def print_to(self, console: Writer) -> None:
        """Write lines for people as well."""
        self._console = console

    @property
    def writers(self) -> tuple[Writer, ...]:
        """Everything that lines are handed to."""
        return (*self._json, self._console) if self._console else self._json

    def event(self, logger: NamedLogger, event: Event, error: BaseException | None) -> None:
        """Write a declared event, unless sampling leaves it out."""
        try:
            kind = event.__class__
            value = getattr(event, kind.sampled_by) if kind.sampled_by else ""
            try:
                head, rate = self._heads[logger, kind, value]
            except KeyError:
                head, rate = self._head(logger, kind, value)
            context = correlation.context()
            if rate < 1.0 and context.position >= rate:
                self.counts.sampled += 1
                return
            if error is None and not kind.identifiers:
                body = orjson.dumps(event)
            else:
                body = self._body(event, error)
            rest = b"," + body[1:] if len(body) > 2 else b"}"
            line = b'{"timestamp":"%b%b%b%b\n' % (self._now(), head, context.fields, rest)
            if len(line) > MAX_LINE_BYTES:
                line = self._shortened(logger.name, kind.level, kind.name, error)
            self._write(line, kind.level)
        except Exception:
            self.counts.broken += 1

    def undeclared(
        self,
        logger: NamedLogger,
        level: int,
        event: str,
        fields: Mapping[str, Any],
        error: BaseException | None,
        caller: FrameType,
        bound: set[str],
    ) -> None:
        """Write what of an undeclared line can't be personal."""
        try:
            keywords = keywords_of(caller.f_code) | {name for name in bound if is_keyword(name)}
            safe = {
                name if name in keywords else identifier(name): loggable(value)
                for name, value in fields.items()
            }
            if not is_constant_of(caller.f_code, event):
                event = _withheld(event, safe, caller)
            self._safe(logger.name, level, event, safe, error)
        except Exception:
            self.counts.broken += 1

    def library(self, record: logging.LogRecord) -> None:
        """Write what of a library's record can't be personal: its template, if it is one."""
        try:
            template, caller = str(record.msg), _caller(record)
            safe: dict[str, Any] = {}
            if caller and is_constant_of(caller.f_code, template):
                event = _filled(template, record.args)
            elif record.name == "uvicorn.error" and _ADDRESS_SAID.fullmatch(template):
                event = _message(record)
            else:
                event = _withheld(_message(record), safe, caller)
            self._safe(record.name, record.levelno, event, safe, _exception(record.exc_info))
        except Exception:
            self.counts.broken += 1

    def _safe(
        self,
        name: str,
        level: int,
        event: str,
        fields: dict[str, Any],
        error: BaseException | None,
    ) -> None:
        rate = self._sampling.rate(event, level)
        if rate < 1.0:
            if correlation.context().position >= rate:
                self.counts.sampled += 1
                return
            fields["weight"] = weight(rate)
        if error is not None:
            fields["exception"] = self._structured(error)
        line = self._line(name, level, event, fields)
        if len(line) > MAX_LINE_BYTES:
            line = self._shortened(name, level, event, error)
        self._write(line, level)

    def close(self) -> None:
        """Write everything that waits, and stop."""
        for writer in self.writers:
            writer.close()

    def _body(self, event: Event, error: BaseException | None) -> bytes:
        body = dict(vars(event))
        for name in event.identifiers:
            body[name] = identifier(body[name])
        if error is not None:
            body["exception"] = self._structured(error)
        return orjson.dumps(body)

    def _head(self, logger: NamedLogger, kind: type[Event], value: str) -> tuple[bytes, float]:
        rate = self._sampling.rate(kind.name, kind.level, value)
        head = self._constant_part(logger.name, LEVEL_NAMES[kind.level], kind.name)
        if rate < 1.0:
            head += b',"weight":%b' % orjson.dumps(weight(rate))
        self._heads[logger, kind, value] = head, rate
        return head, rate

    def _constant_part(self, name: str, level: str, event: str) -> bytes:
        """What follows the timestamp in each line of a logger's event."""
        fields = {"level": level, "event": event, "logger": name, **self._constants}
        return b'",' + orjson.dumps(fields)[1:-1]

    def _line(self, name: str, level: int, event: str, fields: Mapping[str, Any]) -> bytes:
        try:
            head = self._undeclared_heads[name, level, event]
        except KeyError:
            spelled = LEVEL_NAMES.get(level) or logging.getLevelName(level).lower()
            head = self._constant_part(name, spelled, event)
            if len(self._undeclared_heads) < MAX_HEADS:
                self._undeclared_heads[name, level, event] = head
        context = correlation.context()
        # What every line has can't be overwritten.
        taken = self._own | context.as_dict().keys()
        body = orjson.dumps({key: value for key, value in fields.items() if key not in taken})
        rest = b"," + body[1:] if len(body) > 2 else b"}"
        return b'{"timestamp":"%b%b%b%b\n' % (self._now(), head, context.fields, rest)

    def _shortened(self, name: str, level: int, event: str, error: BaseException | None) -> bytes:
        for frames in (5, 1):
            fields: dict[str, object] = {"shortened": True}
            if error is not None:
                fields["exception"] = self._structured(error, frames)
            line = self._line(name, level, event, fields)
            if len(line) <= MAX_LINE_BYTES:
                return line
        return self._line(name, level, event, {"shortened": True})

    def _now(self) -> bytes:
        """RFC 3339 in UTC, always with six digits after the point, so that lines sort as text."""
        now = time.time()
        second, stamp = self._stamp
        if second != int(now):
            second = int(now)
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
            self._stamp = second, stamp
        return b"%b.%06dZ" % (stamp, (now - second) * 1_000_000)

    def _write(self, line: bytes, level: int) -> None:
        self.counts.lines[LEVEL_NAMES.get(level, "info")] += 1
        urgent = level >= logging.WARNING
        for writer in self._json:
            writer.put(line, urgent=urgent)
        if self._console:
            self._console.put(self._for_people(line), urgent=urgent)

    def _for_people(self, line: bytes) -> bytes:
        fields = orjson.loads(line)
        for name in self._constants:
            del fields[name]
        fields["timestamp"] = fields["timestamp"][11:23]
        shown = self._plain(None, "", fields)
        return f"{shown}\n".encode()


_pipeline = Pipeline({}, Sampling())
_loggers: dict[str, NamedLogger] = {}
_level = logging.INFO
_levels_before: dict[str, int] = {}
"""Of the loggers that `set_levels` has changed; libraries set some of their own."""


def get_logger(name: str) -> Logger:
    """The logger called ``name``, usually a module's; it is quiet until `configure_logging`."""
    return Logger(_named(name), (), {})


def configure_logging(resource: Resource, options: LogOptions) -> None:
    """Send everything that is logged in this process down one pipe.

    Raises OSError when the folder can't be written.
    """
    global _pipeline, _level
    _level = _level_number(options.level)
    if options.hash_key:
        use_key(options.hash_key)
    json = []
    if options.folder:
        sink = RotatingFile(options.folder, resource.service, options.keeping)
        json.append(Writer(sink, options.queue_bytes))
    if options.stdout == "json":
        json.append(Writer(_standard_output(options), options.queue_bytes))
    constants = {name: value for name, value in asdict(resource).items() if value}
    before, _pipeline = (
        _pipeline,
        Pipeline(constants, options.sampling, json, exception_messages=options.exception_messages),
    )
    before.close()
    if options.stdout == "console":
        _pipeline.print_to(Writer(_standard_output(options), options.queue_bytes))
    _take_over(_level)
    set_levels(options.levels)
    if options.folder and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, lambda *_: reopen())


def _standard_output(options: LogOptions) -> StandardOutput:
    return StandardOutput(options.workers_dir / "stdout.lock" if options.workers_dir else None)


def set_levels(levels: Mapping[str, str]) -> None:
    """Give loggers, with those below them, levels of their own; none for any other.

    Others have the service's level, and those of libraries no lower one than info.
    Raises ValueError for a level that does not exist.
    """
    numbers = {name: _level_number(level) for name, level in levels.items()}
    # httpx logs URLs, which hold telephone numbers; uvicorn's access lines have no correlation ID.
    # alembic says at each upgrade what any reader knows: which kind of database it is.
    numbers = dict.fromkeys(("httpx", "httpcore", "alembic"), logging.WARNING) | numbers
    for name, number in _levels_before.items():
        logging.getLogger(name).setLevel(number)
    _levels_before.clear()
    for name, number in numbers.items():
        logger = logging.getLogger(name)
        _levels_before[name] = logger.level
        logger.setLevel(number)
    for name, own in _loggers.items():
        own.threshold = _threshold(name)


def known_loggers() -> set[str]:
    """The names of the loggers there are, and of those above them."""
    names = {*_loggers, *logging.root.manager.loggerDict}
    return names | {name.rpartition(".")[0] for name in names if "." in name}


def level_of(name: str) -> str:
    """The level from which on the logger ``name`` writes."""
    return logging.getLevelName(_threshold(name)).lower()


def pipeline() -> Pipeline:
    """What lines go through now."""
    return _pipeline


def reopen() -> None:
    """Open the log files anew, after somebody has moved them away."""
    for writer in _pipeline.writers:
        writer.reopen()


def flush() -> bool:
    """Wait until what was logged is written; False when that takes too long."""
    written = [writer.flush() for writer in _pipeline.writers]
    return all(written)


def _take_over(level: int) -> None:
    """Whoever logs in another way, logs here from now on."""
    structlog.configure(
        processors=[],
        wrapper_class=Logger,
        logger_factory=lambda *name: _named(name[0] if name else "root"),
        cache_logger_on_first_use=True,
    )
    # What libraries say to their own developers would bury what this service says.
    logging.basicConfig(handlers=[_StandardLibrary()], level=max(level, logging.INFO), force=True)
    for name in [*logging.root.manager.loggerDict]:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger("uvicorn.access").disabled = True
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    get_logger("root").event(UncaughtException(), error)
    flush()


def _uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value and not isinstance(arguments.exc_value, SystemExit):
        get_logger("root").event(UncaughtException(), arguments.exc_value)


def _named(name: str) -> NamedLogger:
    if name not in _loggers:
        _loggers[name] = NamedLogger(name)
        if _pipeline.writers:
            _loggers[name].threshold = _threshold(name)
    return _loggers[name]


def _threshold(name: str) -> int:
    """The level set for ``name`` or the nearest logger above it, else that of the service."""
    logger: logging.Logger | None = logging.getLogger(name)
    while logger and logger is not logging.root:
        if logger.level:
            return logger.level
        logger = logger.parent
    return _level


def _level_number(level: str) -> int:
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"{level!r} is not a level; use debug, info, warning or error")
    return number


class _StandardLibrary(logging.Handler):
    """Takes what libraries log through the standard library."""

    def emit(self, record: logging.LogRecord) -> None:
        _pipeline.library(record)


def _caller(record: logging.LogRecord) -> FrameType | None:
    """The frame that logged ``record``; the handler runs while it still stands."""
    frame: FrameType | None = sys._getframe(1)
    while frame and (
        frame.f_code.co_filename != record.pathname or frame.f_code.co_name != record.funcName
    ):
        frame = frame.f_back
    return frame


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # a template and arguments that don't fit
        return str(record.msg)


def _filled(template: str, arguments: Any) -> str:
    """``template`` with what of its arguments can't be personal."""
    if not arguments:
        return template
    if isinstance(arguments, Mapping):
        return template % {name: _argument(value) for name, value in arguments.items()}
    return template % tuple(_argument(value) for value in arguments)


def _argument(value: object) -> Any:
    return value if value in _PLAIN_WORDS else loggable(value)


def _withheld(message: str, fields: dict[str, Any], caller: FrameType | None) -> str:
    """Take note of a message that may hold anything by its hash and where it came from."""
    fields["message"] = identifier(message)
    if caller:
        fields["logged_at"] = place_of(caller.f_code, caller.f_lineno)
    return WITHHELD


def _exception(exc_info: Any) -> BaseException | None:
    """The exception that one of the standard library's ways to give it means."""
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return cast("BaseException | None", exc_info[1])
    return sys.exception() if exc_info else None
