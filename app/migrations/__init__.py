"""Migrations: how the tables came to be, revision by revision, and how a database catches up.

There are two histories, because the tables of the business and those of the rollups may be in one
database or in two: each has a table of its own that says at which revision it is. The folders
`business/` and `rollups/` hold one file a revision; docs/extending.md says how to add one. A
revision that has been released is never changed: databases have run it.

May be imported by everything above the models; imports `app.core` only, because a revision must
still make the old tables when the models have new ones.
"""

from app.migrations.history import BUSINESS, ROLLUPS, History
from app.migrations.upgrade import NOTHING, SchemaError, SchemaLockedError, reason_of, upgrade
from app.migrations.waiting import passing_reason, waiting

__all__ = [
    "BUSINESS",
    "NOTHING",
    "ROLLUPS",
    "History",
    "SchemaError",
    "SchemaLockedError",
    "passing_reason",
    "reason_of",
    "upgrade",
    "waiting",
]
