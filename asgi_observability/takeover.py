"""Making the layer's log the only one of the process: only for whoever asks for it."""

import importlib.util
import logging
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from asgi_observability import logger
from asgi_observability.events import UncaughtException
from asgi_observability.stdlib_logs import ACCESS_LOG, StandardLibrary

_handler = StandardLibrary()
_before: dict[str, Any] = {}
"""Hooks of the host's own, which are called after the layer's."""


def take_over(level: int) -> None:
    """Whoever logs in another way, logs here from now on."""
    # What libraries say to their own developers would bury what this service says.
    logging.basicConfig(handlers=[_handler], level=max(level, logging.INFO), force=True)
    for name in [*logging.root.manager.loggerDict]:
        each = logging.getLogger(name)
        each.handlers.clear()
        each.propagate = True
    for name in logger.QUIET_LIBRARIES:
        if logging.getLogger(name).level == logging.NOTSET:
            logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger(ACCESS_LOG).disabled = True
    logging.captureWarnings(True)
    if sys.excepthook is not _uncaught:
        _before["process"] = sys.excepthook
        sys.excepthook = _uncaught
    if threading.excepthook is not _uncaught_in_thread:
        _before["thread"] = threading.excepthook
        threading.excepthook = _uncaught_in_thread


def is_in_place() -> bool:
    """Whether the root logger still has the layer's handler: the host may configure it later."""
    return _handler in logging.root.handlers


def has_structlog() -> bool:
    """Whether structlog is installed."""
    return importlib.util.find_spec("structlog") is not None


def reopen_on_hangup(reopen: Callable[[], None]) -> None:
    """Call ``reopen`` on SIGHUP, and then what the host had there."""
    if threading.current_thread() is not threading.main_thread():
        return
    former = signal.getsignal(signal.SIGHUP)
    if isinstance(former, _OnHangup):
        former = former.former

    signal.signal(signal.SIGHUP, _OnHangup(reopen, former))


class _OnHangup:
    def __init__(self, reopen: Callable[[], None], former: Any) -> None:
        self._reopen = reopen
        self.former = former

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._reopen()
        if callable(self.former):
            self.former(number, frame)


def _uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    logger.get_logger("root").event(UncaughtException(), error)
    for writer in logger.pipeline().writers:
        writer.flush()
    if _before["process"] is not sys.__excepthook__:
        _before["process"](kind, error, traceback)


def _uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value and not isinstance(arguments.exc_value, SystemExit):
        logger.get_logger("root").event(UncaughtException(), arguments.exc_value)
    if _before["thread"] is not threading.__excepthook__:
        _before["thread"](arguments)
