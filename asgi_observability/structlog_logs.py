"""What is logged with structlog goes down the same pipe, with everything that structlog can do.

Only imported where a host asks for it. structlog stays what it is: the layer is the last processor
of its chain, in place of the one that renders. So a host's own processors, its wrapper class with
its level, `bind_contextvars`, `capture_logs` and what else there is work as its documentation says.
"""

import logging
from collections.abc import Mapping, MutableMapping
from types import FrameType
from typing import Any, NoReturn

import structlog
from structlog.contextvars import merge_contextvars

from asgi_observability import callers, logger
from asgi_observability.levels import level_name, level_number, standard_name
from asgi_observability.undeclared import Undeclared, exception_of

# Each would make a text of what the layer writes as structure, or fill in a template with data.
_REPLACED = frozenset(
    {
        *("ExceptionRenderer", "ExceptionPrettyPrinter", "StackInfoRenderer"),
        *("PositionalArgumentsFormatter", "EventRenamer", "UnicodeEncoder"),
    }
)
_INTERNAL = frozenset({"_record", "_from_structlog"})
_CALLING_STACK = "_ASYNC_CALLING_STACK"


def take_in() -> None:
    """Have structlog's lines written by the layer, whoever has configured it, or nobody."""
    if not structlog.is_configured():
        structlog.configure(
            processors=[merge_contextvars, write],
            wrapper_class=keeping_arguments(structlog.stdlib.BoundLogger, 0),
            logger_factory=_logger,
            cache_logger_on_first_use=False,
        )
        return
    config = structlog.get_config()
    processors = config["processors"]
    if write not in processors:
        kept = [each for each in processors[:-1] if type(each).__name__ not in _REPLACED]
        if isinstance(processors, list):
            processors[:] = [*kept, write]  # the list that loggers have, which are bound already
        else:
            processors = [*kept, write]
    wrapper = config["wrapper_class"]
    structlog.configure(processors=processors, wrapper_class=_wrappers().get(wrapper) or wrapper)


def is_taken_in() -> bool:
    """Whether structlog's lines still end here: the host may configure it later."""
    # A test that captures what is logged puts everything back by itself.
    return any(
        each is write or isinstance(each, structlog.testing.LogCapture)
        for each in structlog.get_config()["processors"]
    )


def write(wrapped: Any, method: str, event: MutableMapping[str, Any]) -> NoReturn:
    """The last processor: writes the line, and ends the chain. Raises DropEvent, always."""
    try:
        name = _name(wrapped, event)
        level = _level(method, event)
        if level >= logger.named(name).threshold:
            logger.pipeline().undeclared(_undeclared(name, level, event))
    except Exception:
        logger.pipeline().counts.broken += 1
    raise structlog.DropEvent


def _undeclared(name: str, level: int, event: Mapping[str, Any]) -> Undeclared:
    fields = {key: value for key, value in event.items() if key not in _INTERNAL}
    exc_info = fields.pop("exc_info", None)
    arguments = fields.pop("positional_args", ())
    if isinstance(arguments, tuple) and len(arguments) == 1 and isinstance(arguments[0], Mapping):
        arguments = arguments[0] or arguments
    return Undeclared(
        name,
        level,
        fields.pop("event", ""),
        arguments,
        error=exception_of(exc_info),
        caller=_caller(),
        with_stack=bool(fields.pop("stack_info", False)),
        fields=fields,
    )


def _name(wrapped: Any, event: Mapping[str, Any]) -> str:
    for given in (getattr(wrapped, "name", None), event.get("logger")):
        if isinstance(given, str) and given:
            return given
    return callers.module_of(_caller())


def _level(method: str, event: Mapping[str, Any]) -> int:
    try:
        return level_number(level_name("error" if method == "exception" else method))
    except ValueError:
        pass
    try:
        return level_number(str(event.get("level", "info")))
    except ValueError:
        return logging.INFO


def _caller() -> FrameType | None:
    """The frame that logged; the asynchronous methods of structlog log in another thread."""
    calling = getattr(structlog.contextvars, _CALLING_STACK, None)
    begin = calling.get(None) if calling else None
    return callers.caller(begin)


def _logger(*names: Any) -> logging.Logger:
    name = names[0] if names and isinstance(names[0], str) else callers.module_of(_caller())
    return logging.getLogger(name)


def _wrappers() -> dict[type, type]:
    """For structlog's own wrapper classes: the same with templates kept apart from their data."""
    standard = structlog.stdlib.BoundLogger
    found: dict[type, type] = {standard: keeping_arguments(standard, 0)}
    for level in (0, *range(10, 60, 10)):
        native = structlog.make_filtering_bound_logger(level)
        found[native] = keeping_arguments(native, level)
    return found


def keeping_arguments(wrapper: type, min_level: int) -> type:
    """``wrapper`` for lines from ``min_level`` on, which hands templates on as they are.

    Filled in, a template can't be told from data, and would have to be withheld. The asynchronous
    methods log at once: nothing here waits for anything.
    """
    methods: dict[str, Any] = {"log": _log(min_level), "alog": _asynchronous(_log(min_level))}
    for level, names in _METHODS.items():
        method = _method(names[0], level >= min_level)
        for name in names:
            methods[name], methods[f"a{name}"] = method, _asynchronous(method)
    methods["exception"] = _exception(min_level <= logging.ERROR)
    methods["aexception"] = _asynchronous(methods["exception"])
    return type(wrapper.__name__, (wrapper,), methods)


_METHODS = {
    logging.DEBUG: ("debug",),
    logging.INFO: ("info", "msg"),
    logging.WARNING: ("warning", "warn"),
    logging.ERROR: ("error", "err"),
    logging.CRITICAL: ("critical", "fatal"),
}


def _say(bound: Any, name: str, event: Any, arguments: tuple[Any, ...], fields: Any) -> Any:
    if arguments:
        fields["positional_args"] = arguments
    return bound._proxy_to_logger(name, event, **fields)


def _method(name: str, is_enabled: bool) -> Any:
    def method(self: Any, event: Any = None, *arguments: Any, **fields: Any) -> Any:
        return _say(self, name, event, arguments, fields) if is_enabled else None

    method.__name__ = name
    return method


def _exception(is_enabled: bool) -> Any:
    def exception(self: Any, event: Any = None, *arguments: Any, **fields: Any) -> Any:
        fields.setdefault("exc_info", True)
        return _say(self, "error", event, arguments, fields) if is_enabled else None

    return exception


def _log(min_level: int) -> Any:
    def log(self: Any, level: Any, event: Any = None, *arguments: Any, **fields: Any) -> Any:
        number = level if isinstance(level, int) else level_number(str(level))
        if number < min_level:
            return None
        return _say(self, standard_name(number), event, arguments, fields)

    return log


def _asynchronous(method: Any) -> Any:
    async def asynchronous(self: Any, *arguments: Any, **fields: Any) -> Any:
        return method(self, *arguments, **fields)

    return asynchronous
