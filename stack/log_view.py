"""Log lines of all components as one stream that people can read, filtered."""

import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.25
"""How often files are looked at for more: several components write them, some of them new."""

TAIL_BYTES = 256 * 1024
LEVELS = ("debug", "info", "warning", "error", "critical")
_ALIASES = {"warn": "warning", "fatal": "critical", "crit": "critical", "dbug": "debug"}
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[T ](\d\d:\d\d:\d\d(?:\.\d{1,3})?)")
_LEVEL = re.compile(r"\b(?:level|lvl)=\"?(\w+)")
_COLOURS = {"warning": "33", "error": "31", "critical": "31;1", "debug": "2"}
_IDS = frozenset(
    {"correlation_id", "request_id", "trace_id", "tenant_id", "conversation_id", "workflow_id"}
)
_LEFT_OUT = frozenset(
    {"timestamp", "level", "event", "logger", "service", "version", "environment"}
)


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What is shown: lines of this level and worse, that hold this text."""

    level: str | None = None
    text: str | None = None

    def admits(self, line: str) -> bool:
        """Whether ``line`` is shown. With a level, lines that tell none are not."""
        if self.text and self.text not in line:
            return False
        if self.level is None:
            return True
        level = _level_of(line)
        return level in LEVELS and LEVELS.index(level) >= LEVELS.index(self.level)


Sources = Callable[[], dict[Path, str]]
"""The files there are now, each with its component."""


def last_lines(
    sources: Sources, wanted: LogFilter, number: int, sizes: Mapping[Path, int] | None = None
) -> list[tuple[str, str]]:
    """The last ``number`` lines of each component, as component and line, by their time.

    With ``sizes``, only what the files held when they had these.
    """
    sizes = file_sizes(sources) if sizes is None else sizes
    kept: dict[str, list[tuple[str, str]]] = {}
    for path, component in sources().items():
        lines = kept.setdefault(component, [])
        tail = _tail(path, sizes.get(path, 0))
        lines.extend((_time_of(line), line) for line in tail if wanted.admits(line))
    shown = [
        (at, component, line)
        for component, lines in kept.items()
        for at, line in sorted(lines, key=lambda pair: pair[0])[-number:]
    ]
    return [(component, line) for _, component, line in sorted(shown, key=lambda each: each[0])]


def file_sizes(sources: Sources) -> dict[Path, int]:
    """How long each file is now."""
    return {path: path.stat().st_size for path in sources() if path.exists()}


def new_lines(
    sources: Sources, wanted: LogFilter, sizes: Mapping[Path, int]
) -> Iterator[tuple[str, str]]:
    """Lines that come after ``sizes``; it ends with a KeyboardInterrupt only."""
    offsets = dict(sizes)
    while True:
        for path, component in sources().items():
            try:
                size = path.stat().st_size
                # A file that has shrunk is another one: it was rotated.
                start = offsets.get(path, 0) if offsets.get(path, 0) <= size else 0
                with path.open("rb") as file:
                    file.seek(start)
                    whole, newline, _ = file.read().rpartition(b"\n")
            except FileNotFoundError:
                offsets.pop(path, None)
                continue
            offsets[path] = start + len(whole) + len(newline)
            for line in whole.decode(errors="replace").splitlines():
                if wanted.admits(line):
                    yield component, line
        time.sleep(POLL_SECONDS)


def shown(lines: Iterable[tuple[str, str]], width: int) -> Iterator[str]:
    """Each line with its component before it; JSON without its braces, cut at ``width``."""
    for component, line in lines:
        text = f"{component[:13]:<13} {_readable(line)}"
        text = text if len(text) < width else text[: width - 1]
        colour = _COLOURS.get(_level_of(line)) if sys.stdout.isatty() else None
        yield f"\x1b[{colour}m{text}\x1b[0m" if colour else text


def _tail(path: Path, end: int) -> list[str]:
    start = max(0, end - TAIL_BYTES)
    try:
        with path.open("rb") as file:
            file.seek(start)
            lines = file.read(end - start).decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    # The first one may have begun before.
    return lines[1:] if start else lines


def _readable(line: str) -> str:
    fields = _json(line)
    if fields is None:
        return line
    names = sorted((name for name in fields if name not in _LEFT_OUT), key=_IDS.__contains__)
    details = " ".join(f"{name}={fields[name]}" for name in names)
    at = str(fields.get("timestamp", ""))[11:23]
    return f"{at} {fields.get('level', '')!s:<8} {fields.get('event', '')}  {details}"


def _json(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) and "event" in fields else None


def _level_of(line: str) -> str:
    fields = _json(line)
    match = None if fields else _LEVEL.search(line)
    level = str(fields.get("level", "")) if fields else (match[1] if match else "")
    return _ALIASES.get(level.lower(), level.lower())


def _time_of(line: str) -> str:
    match = _TIMESTAMP.search(line)
    return match[0].replace(" ", "T") if match else ""
