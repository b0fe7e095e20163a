"""A line that nobody has declared, as whoever logged it has given it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any


@dataclass(slots=True)
class Undeclared:
    """A message with what belongs to it; anything in it may be personal.

    ``template`` is what the code says and ``arguments`` are what it is filled in with: a tuple, or
    a mapping. ``caller`` is the frame that logged it, when it is known; ``with_stack`` writes how
    the program got there. ``is_ours`` is a message that is known to hold nothing of a client's.
    """

    logger: str
    level: int
    template: object
    arguments: object = ()
    fields: Mapping[Any, object] = field(default_factory=dict)
    error: BaseException | None = None
    caller: FrameType | None = None
    with_stack: bool = False
    is_ours: bool = False


def exception_of(exc_info: Any) -> BaseException | None:
    """The exception that one of the standard library's ways to give it means.

    It has to be asked for where the exception is being handled.
    """
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        given = exc_info[1] if len(exc_info) > 1 else None
        return given if isinstance(given, BaseException) else None
    return sys.exception() if exc_info else None
