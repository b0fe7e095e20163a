"""Levels of single loggers, changed while the service runs, by all its workers, for a while.

A change lives in a file that the workers share, where there are several, and in memory otherwise.
It ends by itself: a logger that was turned up at night and forgotten fills disks.
"""

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from asgi_observability.event import FromCode
from asgi_observability.events import LogLevelChanged, LogLevelsUnreadable
from asgi_observability.levels import level_number
from asgi_observability.logger import get_logger, known_loggers, level_of, set_levels
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
        self._version: tuple[int, int, int] | None = None
        self._changes: dict[str, LevelChange] = {}

    def share(self, folder: Path) -> None:
        """From now on, change them for all workers that share ``folder``."""
        self._file = folder / "log-levels.json"

    @property
    def changes(self) -> dict[str, LevelChange]:
        """The changes that are in force, by logger."""
        return dict(self._changes)

    def change(self, logger: str, level: str, seconds: float, by: str) -> LevelChange:
        """Give ``logger``, with those below it, another level.

        Raises UnknownLoggerError, and OSError when the other workers can't be told.
        """
        known = known_loggers()
        if logger not in known:
            hint = did_you_mean(logger, known, otherwise="use a module's name, such as app.clients")
            raise UnknownLoggerError(f"no logger has this name; {hint}")
        change = LevelChange(level, time.time() + seconds, by)
        self._put(logger, change)
        self._say(logger, level, by)
        return change

    def reset(self, logger: str, by: str) -> bool:
        """End a change before its time; False when there is none."""
        if logger not in self._changes:
            return False
        self._put(logger, None)
        self._say(logger, level_of(logger), by)
        return True

    def look(self) -> None:
        """Take up what other workers changed, and end what is over. Done once a second."""
        self._take_up()
        over = [name for name, change in self._changes.items() if change.until <= time.time()]
        if over:
            self._use({name: c for name, c in self._changes.items() if name not in over})
            for name in over:
                self._say(name, level_of(name), "its end")

    def _put(self, logger: str, change: LevelChange | None) -> None:
        """Change one logger, or end its change, for all workers. Raises OSError, changing none."""
        with self._alone():
            # What another worker has changed a moment ago stays.
            self._take_up()
            changes = {name: c for name, c in self._changes.items() if name != logger}
            if change:
                changes[logger] = change
            if self._file:
                new = self._file.with_suffix(f".{os.getpid()}.new")
                new.write_bytes(orjson.dumps(changes))
                try:
                    new.replace(self._file)
                except OSError:
                    new.unlink()
                    raise
                self._version = self._found_version()
            self._use(changes)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other worker changes the file meanwhile."""
        if not self._file:
            yield
            return
        with self._file.with_suffix(".lock").open("w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _take_up(self) -> None:
        """Use what is in the file, if somebody has written it since; said once if it is broken."""
        version = self._found_version()
        if version == self._version:
            return
        self._version = version
        if self._file is None or version is None:
            return
        try:
            self._use(_read(self._file.read_bytes()))
        except Exception as error:
            log.event(LogLevelsUnreadable(error_type=FromCode(type(error).__name__)))

    def _found_version(self) -> tuple[int, int, int] | None:
        """What changes whenever the file is written; None without a file."""
        if not self._file:
            return None
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _use(self, changes: dict[str, LevelChange]) -> None:
        set_levels(self._configured | {name: change.level for name, change in changes.items()})
        self._changes = changes

    def _say(self, logger: str, level: str, by: str) -> None:
        # All three are names of ours: a logger that exists, a level, a token of our file.
        log.event(
            LogLevelChanged(
                changed_logger=FromCode(logger),
                changed_level=FromCode(level),
                changed_by=FromCode(by),
            )
        )


def _read(content: bytes) -> dict[str, LevelChange]:
    """What the file says. Raises ValueError or TypeError for what no worker has written."""
    changes = {name: LevelChange(**change) for name, change in orjson.loads(content).items()}
    for change in changes.values():
        level_number(change.level)
        if not isinstance(change.until, int | float) or not isinstance(change.by, str):
            raise TypeError("until is a Unix time, by is a name")
    return changes
