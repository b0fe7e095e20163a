"""The two histories, and at which revision of them a database is.

Alembic is imported where there is something to upgrade: to ask whether there is takes a tenth of
each start without it, of each worker too.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

_HERE = Path(__file__).parent

BASELINE = "baseline"
"""The first revision: the tables as releases made them before there were migrations."""

_NAMES = re.compile(r'^(revision|down_revision) = "([^"]+)"$', re.MULTILINE)

LONGEST_NAME = 32
"""Characters of a revision's name: the width of alembic's column."""


@dataclass(frozen=True)
class History:
    """The revisions of some tables: one file each in ``folder``, each with the one before it.

    ``version_table`` is where a database says at which of them it is.
    """

    folder: Path
    version_table: str

    @cached_property
    def scripts(self) -> "ScriptDirectory":
        """The revisions as alembic reads them."""
        from alembic.script import ScriptDirectory

        return ScriptDirectory(
            str(_HERE), file_template="%(rev)s", version_locations=[str(self.folder)]
        )

    @cached_property
    def newest(self) -> str:
        """The revision that the code of this release works with: the one that none comes after."""
        named: dict[str, set[str]] = {"revision": set(), "down_revision": set()}
        for file in self.folder.glob("*.py"):
            for kind, name in _NAMES.findall(file.read_text(encoding="utf-8")):
                named[kind].add(name)
        (head,) = named["revision"] - named["down_revision"]
        return head

    def knows(self, revision: str) -> bool:
        """Whether this release has the revision."""
        return any(script.revision == revision for script in self.scripts.walk_revisions())

    def revision_of(self, connection: Connection) -> str | None:
        """At which revision the database says it is; None when it says nothing."""
        if not inspect(connection).has_table(self.version_table):
            return None
        said = Table(self.version_table, MetaData(), Column("version_num", String(LONGEST_NAME)))
        return connection.scalar(select(said.c.version_num))


BUSINESS = History(_HERE / "business", "business_schema_version")
"""Of the tables in app/models.py."""

ROLLUPS = History(_HERE / "rollups", "rollup_schema_version")
"""Of the tables in app/services/rollups/tables.py."""
