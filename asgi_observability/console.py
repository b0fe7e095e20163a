"""Lines for people: the time, the level, what happened, and the fields."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

_COLOURS = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_PLAIN, _BOLD, _DIM = "\x1b[0m", "\x1b[1m", "\x1b[2m"
EVENT_WIDTH = 30


def is_terminal() -> bool:
    """Whether somebody looks at the standard output, which may be missing or replaced."""
    try:
        return sys.stdout.isatty()
    except Exception:
        return False


class Console:
    """Makes lines for people of JSON ones, without the fields that never change."""

    def __init__(self, constants: Mapping[str, str], *, colours: bool) -> None:
        self._constants = frozenset(constants)
        self._colours = colours

    def shown(self, line: bytes) -> bytes:
        """The same line for people; an exception has a line for each of its frames."""
        return ("\n".join(self._lines(orjson.loads(line))) + "\n").encode()

    def _lines(self, fields: dict[str, Any]) -> Iterator[str]:
        level, event = fields.pop("level", ""), fields.pop("event", "")
        logger, time = fields.pop("logger", ""), fields.pop("timestamp", "")[11:23]
        exceptions = fields.pop("exception", [])
        said = [
            f"{name}={_text(value)}"
            for name, value in fields.items()
            if name not in self._constants
        ]
        yield " ".join(
            [
                self._in(_DIM, time),
                self._in(_COLOURS.get(level, ""), f"{level:<8}"),
                self._in(_BOLD, f"{_text(event):<{EVENT_WIDTH}}"),
                self._in(_DIM, f"[{logger}]"),
                *said,
            ]
        )
        if not isinstance(exceptions, list):
            return
        for error in exceptions:
            yield f"  {error['type']}: {_text(error['message'])}"
            for frame in error["frames"]:
                yield f"    {frame['file']}:{frame['line']} in {frame['function']}"

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._colours and colour else text


def _text(value: object) -> str:
    """Texts as they are, unless they would break the line."""
    if isinstance(value, str):
        return value if value.isprintable() else repr(value)
    return orjson.dumps(value).decode()
