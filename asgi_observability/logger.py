"""The layer's own loggers, from what level on each of them writes, and where to.

log = get_logger(__name__)
log.event(SMSReceived())

They are quiet until logging is configured, and need neither structlog nor the standard library's
handlers: whatever a host does to those, these go on.
"""

import logging
import sys
from collections.abc import Mapping
from typing import Any, Self

from asgi_observability.event import Event
from asgi_observability.levels import level_number
from asgi_observability.log_sampling import Sampling
from asgi_observability.pipeline import Pipeline
from asgi_observability.undeclared import Undeclared, exception_of

MAX_LOGGERS = 10_000
"""Loggers that are remembered; whoever makes more gets them each time anew."""

QUIET_LIBRARIES = ("httpx", "httpcore", "alembic")
"""httpx logs URLs, which hold telephone numbers. alembic says at each upgrade what any reader
knows: which kind of database it is."""

_OFF = logging.CRITICAL + 1


class NamedLogger:
    """A logger's name and the level below which it is quiet."""

    __slots__ = ("name", "threshold")

    def __init__(self, name: str) -> None:
        self.name = name
        self.threshold = _OFF


class Logger:
    """What `get_logger` gives. None of its methods raises or waits.

    A message may be a template with arguments, as the standard library has it: ``info("paid %s",
    3)``. ``exc_info`` and ``stack_info`` mean what they mean there.
    """

    __slots__ = ("_context", "_logger")

    def __init__(self, logger: NamedLogger, context: Mapping[str, Any] | None = None) -> None:
        self._logger = logger
        self._context = context or {}

    @property
    def name(self) -> str:
        """The logger's name."""
        return self._logger.name

    def bind(self, **fields: Any) -> Self:
        """A logger whose lines have ``fields`` as well."""
        return type(self)(self._logger, {**self._context, **fields})

    def unbind(self, *names: str) -> Self:
        """A logger whose lines don't have these fields."""
        left = {name: value for name, value in self._context.items() if name not in names}
        return type(self)(self._logger, left)

    def event(self, event: Event, error: BaseException | None = None) -> None:
        """Log a declared event, with the exception that it is about."""
        if event.level >= self._logger.threshold:
            _pipeline.event(self._logger.name, event, error)

    def debug(self, event: str, *arguments: Any, **fields: Any) -> None:
        """What helps to find a fault."""
        self._undeclared(logging.DEBUG, event, arguments, fields)

    def info(self, event: str, *arguments: Any, **fields: Any) -> None:
        """What happened."""
        self._undeclared(logging.INFO, event, arguments, fields)

    def warning(self, event: str, *arguments: Any, **fields: Any) -> None:
        """What somebody should look at when there is time."""
        self._undeclared(logging.WARNING, event, arguments, fields)

    def error(self, event: str, *arguments: Any, **fields: Any) -> None:
        """What went wrong."""
        self._undeclared(logging.ERROR, event, arguments, fields)

    def exception(self, event: str, *arguments: Any, **fields: Any) -> None:
        """What went wrong, with the exception that is being handled."""
        self._undeclared(logging.ERROR, event, arguments, {"exc_info": True, **fields})

    def critical(self, event: str, *arguments: Any, **fields: Any) -> None:
        """What ends the service."""
        self._undeclared(logging.CRITICAL, event, arguments, fields)

    def _undeclared(
        self, level: int, event: str, arguments: tuple[Any, ...], fields: dict[str, Any]
    ) -> None:
        if level < self._logger.threshold:
            return
        error = exception_of(fields.pop("exc_info", None))
        with_stack = bool(fields.pop("stack_info", False))
        _pipeline.undeclared(
            Undeclared(
                self._logger.name,
                level,
                event,
                _as_the_standard_library(arguments),
                fields={**self._context, **fields} if self._context else fields,
                error=error,
                caller=sys._getframe(2),
                with_stack=with_stack,
            )
        )


_pipeline = Pipeline({}, Sampling())
_loggers: dict[str, NamedLogger] = {}
_level = logging.INFO
_levels_before: dict[str, int] = {}
"""Of the loggers that `set_levels` has changed; libraries set some of their own."""


def get_logger(name: str) -> Logger:
    """The logger called ``name``, usually a module's; it is quiet until logging is configured."""
    return Logger(named(name))


def named(name: str) -> NamedLogger:
    """What all loggers called ``name`` share."""
    found = _loggers.get(name)
    if found is None:
        found = NamedLogger(name)
        if _pipeline.writers:
            found.threshold = threshold(name)
        if len(_loggers) < MAX_LOGGERS:
            _loggers[name] = found
    return found


def pipeline() -> Pipeline:
    """What lines go through now."""
    return _pipeline


def log_through(pipeline: Pipeline) -> Pipeline:
    """Have lines go through ``pipeline`` from now on; gives the one before, which stays open."""
    global _pipeline
    before, _pipeline = _pipeline, pipeline
    return before


def set_service_level(level: str) -> None:
    """The level of all loggers without one of their own. Raises ValueError for an unknown one."""
    global _level
    _level = level_number(level)


def set_levels(levels: Mapping[str, str]) -> None:
    """Give loggers, with those below them, levels of their own; none for any other.

    Others have the service's level. Raises ValueError for a level that does not exist.
    """
    numbers = {name: level_number(level) for name, level in levels.items()}
    for name, number in _levels_before.items():
        logging.getLogger(name).setLevel(number)
    _levels_before.clear()
    for name, number in numbers.items():
        logger = logging.getLogger(name)
        _levels_before[name] = logger.level
        logger.setLevel(number)
    for name, own in [*_loggers.items()]:
        own.threshold = threshold(name)


def known_loggers() -> set[str]:
    """The names of the loggers there are, and of those above them."""
    names = {*_loggers, *logging.root.manager.loggerDict}
    return names | {name.rpartition(".")[0] for name in names if "." in name}


def level_of(name: str) -> str:
    """The level from which on the logger ``name`` writes."""
    return logging.getLevelName(threshold(name)).lower()


def threshold(name: str) -> int:
    """The level set for ``name`` or the nearest logger above it, else that of the service.

    Libraries that say too much at info do so only to whoever asks for it.
    """
    logger: logging.Logger | None = logging.getLogger(name)
    while logger and logger is not logging.root:
        if logger.level:
            return logger.level
        logger = logger.parent
    if name.partition(".")[0] in QUIET_LIBRARIES:
        return max(_level, logging.WARNING)
    return _level


def _as_the_standard_library(arguments: tuple[Any, ...]) -> object:
    """A single mapping is what names in the template are looked up in."""
    if len(arguments) == 1 and isinstance(arguments[0], Mapping) and arguments[0]:
        return arguments[0]
    return arguments
