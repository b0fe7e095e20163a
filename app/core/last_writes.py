"""Writes whose outcome nobody asks for: sent together, at the end of their transaction.

A round trip to PostgreSQL costs more than the write itself, so there they are one statement: each
write but the last is a part of its WITH clause. All parts see the database as it was before, and
foreign keys are checked after all of them; so no two may change the same row. SQLite is no server,
and changes nothing in a WITH clause: there they run one after the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, Insert, Table, Update, func, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to insert. All have the same columns."""

    table: Table
    rows: Sequence[Mapping[str, Any]]


Write = Insert | Update | Rows


async def write(connection: AsyncConnection, writes: Sequence[Write]) -> None:
    """Do all of ``writes``. Raises SQLAlchemyError."""
    if connection.dialect.name == "postgresql" and len(writes) > 1:
        *others, last = [_statement(each) for each in writes]
        # Names of our own: with made-up ones, each statement would be compiled anew.
        parts = [each.cte(f"write_{number}") for number, each in enumerate(others)]
        await connection.execute(last.add_cte(*parts))
        return
    for each in writes:
        if isinstance(each, Rows):
            await connection.execute(insert(each.table).inline(), [*each.rows])
        else:
            await connection.execute(each)


def _statement(each: Write) -> Insert | Update:
    """One statement, which is compiled once whatever the number of its rows."""
    if not isinstance(each, Rows):
        return each
    columns = [each.table.c[name] for name in each.rows[0]]
    arrays = [
        literal([row[column.name] for row in each.rows], ARRAY(column.type)) for column in columns
    ]
    rows = func.unnest(*arrays).table_valued(*each.rows[0], name="rows").render_derived()
    return insert(each.table).inline().from_select(columns, select(*rows.c))
