"""What an error of the database means, in words that may be shown to anybody.

The words are ours. They are chosen by what the driver gives as a number or a class: its own message
may quote a value, which is personal data.
"""

import os
import socket
import sqlite3
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError


class DatabaseSilentError(SQLAlchemyError):
    """The database did not answer in time; a commit may or may not have come through."""

    is_loggable = True


class DatabaseUnreachableError(SQLAlchemyError):
    """No connection could be made; the cause says why."""

    is_loggable = True


class DatabaseLockedError(SQLAlchemyError):
    """The writers before this one took too long."""

    is_loggable = True


class NoServerWritesError(ConnectionError):
    """Of several servers, none can be reached that takes writes: one may be about to."""


@dataclass(frozen=True, slots=True)
class DatabaseTrouble:
    """What is wrong with the database.

    ``state`` goes after "the database"; ``reason`` is a part of it that stands alone, "" where only
    the driver's own words say more. ``advice`` says what whoever asked can do. ``passes`` is
    whether it may be over without a change to the settings; ``stops_writing_only`` is whether what
    is there can still be read.
    """

    state: str
    reason: str
    advice: str = "try again"
    passes: bool = True
    stops_writing_only: bool = False


def database_trouble(error: BaseException) -> DatabaseTrouble | None:
    """What ``error`` says of the database; None when it is no error of the database.

    A value that can't be stored and a statement that is wrong are none: the database is well.
    """
    if isinstance(error, DatabaseUnreachableError) and error.__cause__ is not None:
        return _of_driver(error.__cause__)
    if isinstance(error, DatabaseSilentError):
        return _SILENT
    if isinstance(error, DatabaseLockedError):
        return LOCKED
    if isinstance(error, PoolTimeoutError):
        return _BUSY
    if isinstance(error, DBAPIError):
        found = _of_driver(error.orig) if error.orig else None
        if found is None and error.connection_invalidated:
            return _LOST
        return found or (_UNEXPLAINED if _is_by_class(error) else None)
    return _of_driver(error)


def _is_by_class(error: DBAPIError) -> bool:
    """Whether the driver says only by the error's class that it is the database's."""
    has_number = any(
        isinstance(getattr(error.orig, name, None), str | int)
        for name in ("sqlstate", "sqlite_errorcode")
    )
    return isinstance(error, OperationalError | InterfaceError) and not has_number


def _of_driver(error: BaseException) -> DatabaseTrouble | None:
    sqlstate = getattr(error, "sqlstate", None)
    if isinstance(sqlstate, str):
        return _BY_SQLSTATE.get(sqlstate) or _BY_SQLSTATE_CLASS.get(sqlstate[:2])
    if isinstance(error, sqlite3.Error):
        # The lower byte is the kind, the others say more of it.
        return _BY_SQLITE_CODE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if isinstance(error, TimeoutError):
        return _SILENT
    if isinstance(error, NoServerWritesError):
        return _unreachable("none of its servers takes writes")
    if isinstance(error, socket.gaierror):
        return _unreachable("nobody knows its host's name")
    if isinstance(error, OSError):
        return _unreachable(os.strerror(error.errno) if error.errno else "no connection")
    return None


def _unwritable(reason: str, advice: str) -> DatabaseTrouble:
    return DatabaseTrouble(f"can't be written: {reason}", reason, advice, stops_writing_only=True)


def _unreachable(reason: str) -> DatabaseTrouble:
    return DatabaseTrouble(f"can't be reached: {reason}", reason)


def _refused(reason: str) -> DatabaseTrouble:
    return DatabaseTrouble(
        f"can't be used: {reason}", reason, "tell whoever runs this service", passes=False
    )


_SILENT = DatabaseTrouble("does not answer in time", "no answer in time")
_LOST = _unreachable("the connection was lost")
_UNEXPLAINED = DatabaseTrouble("has failed", "")
_BUSY = DatabaseTrouble(
    "can't be asked: all connections to it are in use", "all connections to it are in use"
)
LOCKED = DatabaseTrouble(
    "is locked by somebody else", "database is locked", stops_writing_only=True
)
_HELD = DatabaseTrouble("holds what this needs for somebody else", "database is locked")
_FULL = _unwritable("database or disk is full", "try again when there is room")
_READ_ONLY = _unwritable("it is read-only", "try again when it can be written")
_IO = _unwritable("disk I/O error", "try again when its disk is well")
_NO_MEMORY = DatabaseTrouble("can't be used: it has no memory left", "out of memory")

_BY_SQLITE_CODE = {
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_IOERR: _IO,
    sqlite3.SQLITE_NOMEM: _NO_MEMORY,
    sqlite3.SQLITE_CANTOPEN: _refused("unable to open database file"),
    sqlite3.SQLITE_PERM: _refused("access to its file is denied"),
    sqlite3.SQLITE_CORRUPT: _refused("database disk image is malformed"),
    sqlite3.SQLITE_NOTADB: _refused("file is not a database"),
}

_BY_SQLSTATE = {
    "25006": _READ_ONLY,
    "3D000": _refused("there is no database of this name"),
    "40001": _HELD,
    "40P01": _HELD,
    "42501": _refused("its user has no right to do this"),
    "53100": _FULL,
    "53200": _NO_MEMORY,
    "53300": _unreachable("it takes no more connections"),
    "55P03": _HELD,
    "57014": _SILENT,
    "58030": _IO,
}

_BY_SQLSTATE_CLASS = {
    "08": _LOST,
    "28": _refused("it refuses this user or password"),
    "53": _unreachable("it has no resources left"),
    "57": _unreachable("it is starting or stopping"),
    "58": _IO,
    "XX": _refused("it reports a fault of its own"),
}
"""The first two characters of an SQLSTATE are its class."""
