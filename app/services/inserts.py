"""Rows stored by statements of their own, so that one can do what else takes two."""

from typing import Any

from sqlalchemy import Exists, Insert, Table, insert, inspect, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Base


def table_of(entity: type[Base]) -> Table:
    """The table of ``entity``, for statements that are no business of the ORM."""
    table = inspect(entity).local_table
    assert isinstance(table, Table)
    return table


def inserted(row: Base) -> Insert:
    """The statement that stores ``row``."""
    return insert(table_of(type(row))).inline().values(_values(row))


async def insert_unless(session: AsyncSession, row: Base, known: Exists) -> bool:
    """Store ``row`` where there is none as ``known`` describes; False when there is.

    One statement looks and stores. What keeps others from storing the same at the same moment is a
    lock that the transaction has taken before.
    """
    values, table = _values(row), table_of(type(row))
    new = select(*(literal(value, table.c[name].type) for name, value in values.items()))
    stored = await (await session.connection()).execute(
        insert(table).from_select([*values], new.where(~known)).returning(table.c.id)
    )
    return stored.scalar_one_or_none() is not None


def _values(row: Base) -> dict[str, Any]:
    """What is stored of ``row``, which gets its defaults."""
    values: dict[str, Any] = {}
    for column in table_of(type(row)).columns:
        value = getattr(row, column.key)
        if value is None and column.default is not None:
            default: Any = column.default
            value = default.arg(None) if default.is_callable else default.arg
            setattr(row, column.key, value)
        # A number that the database gives.
        if value is not None or not column.primary_key:
            values[column.key] = value
    return values
