"""Levels of single loggers, changed while the service runs, by all its workers, for a while.

A change lives in a file that the workers share, where there are several, and in memory otherwise.
It ends by itself: a logger that was turned up at night and forgotten fills disks.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from asgi_observability.event import FromCode
from asgi_observability.events import LogLevelChanged
from asgi_observability.logging import get_logger, known_loggers, level_of, set_levels
from asgi_observability.nearest import did_you_mean

log = get_logger(__name__)


class UnknownLoggerError(ValueError):
    """No logger has this name; the message names one that has."""


@dataclass(frozen=True, slots=True)
class LevelChange:
    """A logger's level until a Unix time, and who wanted it."""

    level: str
    until: float
    by: str


class LogLevels:
    """The levels that differ from the settings for now."""

    def __init__(self, configured: Mapping[str, str], folder: Path | None = None) -> None:
        self._configured = dict(configured)
        self._file = folder / "log-levels.json" if folder else None
        self._version = 0
        self._changes: dict[str, LevelChange] = {}

    def share(self, folder: Path) -> None:
        """From now on, change them for all workers that share ``folder``."""
        self._file = folder / "log-levels.json"

    @property
    def changes(self) -> dict[str, LevelChange]:
        """The changes that are in force, by logger."""
        return dict(self._changes)

    def change(self, logger: str, level: str, seconds: float, by: str) -> LevelChange:
        """Give ``logger``, with those below it, another level. Raises UnknownLoggerError."""
        known = known_loggers()
        if logger not in known:
            hint = did_you_mean(logger, known, otherwise="use a module's name, such as app.clients")
            raise UnknownLoggerError(f"no logger has this name; {hint}")
        change = LevelChange(level, time.time() + seconds, by)
        self._put(self._changes | {logger: change})
        self._say(logger, level, by)
        return change

    def reset(self, logger: str, by: str) -> bool:
        """End a change before its time; False when there is none."""
        if logger not in self._changes:
            return False
        self._put({name: c for name, c in self._changes.items() if name != logger})
        self._say(logger, level_of(logger), by)
        return True

    def look(self) -> None:
        """Take up what other workers changed, and end what is over. Done once a second."""
        if self._file and self._file.exists():
            version = self._file.stat().st_mtime_ns
            if version != self._version:
                self._version = version
                stored = orjson.loads(self._file.read_bytes())
                self._use({name: LevelChange(**change) for name, change in stored.items()})
        over = [name for name, change in self._changes.items() if change.until <= time.time()]
        if over:
            self._use({name: c for name, c in self._changes.items() if name not in over})
            for name in over:
                self._say(name, level_of(name), "its end")

    def _put(self, changes: dict[str, LevelChange]) -> None:
        self._use(changes)
        if self._file:
            new = self._file.with_suffix(".new")
            new.write_bytes(orjson.dumps(changes))
            new.replace(self._file)

    def _use(self, changes: dict[str, LevelChange]) -> None:
        self._changes = changes
        set_levels(self._configured | {name: change.level for name, change in changes.items()})

    def _say(self, logger: str, level: str, by: str) -> None:
        # All three are names of ours: a logger that exists, a level, a token of our file.
        log.event(
            LogLevelChanged(
                changed_logger=FromCode(logger),
                changed_level=FromCode(level),
                changed_by=FromCode(by),
            )
        )
