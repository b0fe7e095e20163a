"""Waiting until a database can be used, where waiting can help."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from app.core.database_errors import database_trouble
from app.migrations.upgrade import SchemaError, SchemaLockedError

TRY_SECONDS = 1.0
"""How long after a failed try the next one begins."""

TELL_SECONDS = 10.0
"""How often it is said that the database is still waited for."""

T = TypeVar("T")

Wait = Callable[[str, float], None]
"""Is told why the database can't be used yet, and for how many seconds it has been waited for."""


async def waiting(
    work: Callable[[], Awaitable[T]], tell: Wait, *, at_most: float | None = None
) -> T:
    """What ``work`` gives once the database can be used; it is tried again and again until then.

    The first failure is told, then one every TELL_SECONDS. Raises what ``work`` raises when time
    would not mend it, or after ``at_most`` seconds; None waits without end.
    """
    started, tell_at = monotonic(), 0.0
    while True:
        try:
            return await work()
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            reason = passing_reason(error)
            waited = monotonic() - started
            if reason is None or (at_most is not None and waited >= at_most):
                raise
        if monotonic() >= tell_at:
            tell_at = monotonic() + TELL_SECONDS
            tell(reason, waited)
        await asyncio.sleep(TRY_SECONDS)


def passing_reason(error: Exception) -> str | None:
    """Why the database can't be used now, in words; None when time would not mend it."""
    if isinstance(error, SchemaLockedError):
        return "is being upgraded or held locked by another process"
    if isinstance(error, SchemaError):
        return None
    trouble = database_trouble(error)
    return trouble.state if trouble and trouble.passes else None
