"""Which tables a database without a version has: none, those of the baseline, or others."""

from collections.abc import Iterable, Iterator
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, inspect


def is_empty(connection: Connection, baseline: MetaData) -> bool:
    """Whether none of the tables is there. Tables of others don't count."""
    return not set(inspect(connection).get_table_names()) & set(baseline.tables)


def differences(connection: Connection, baseline: MetaData) -> list[str]:
    """What is other than in ``baseline``, in words; nothing when the tables are those.

    Tables of others and additional indexes don't count: no revision minds them.
    """

    def is_ours(name: str | None, kind: str, _parents: object) -> bool:
        return kind != "table" or name in baseline.tables

    context = MigrationContext.configure(connection, opts={"include_name": is_ours})
    return sorted(set(_in_words(compare_metadata(context, baseline))))


def _in_words(found: Iterable[Any]) -> Iterator[str]:
    for difference in found:
        if isinstance(difference, list):
            yield from _in_words(difference)
            continue
        what, *details = difference
        verb, _, kind = what.partition("_")
        if what == "remove_index":
            continue
        if verb == "modify":
            _, table, column, *_ = details
            yield f"column {table}.{column} has another {kind}"
        elif kind == "column":
            _, table, column = details
            yield f"column {table}.{column.name} is {_state(verb)}"
        elif kind == "table":
            yield f"table {details[0].name} is {_state(verb)}"
        else:
            table = getattr(details[0], "table", None)
            of = f" of {table.name}" if table is not None else ""
            name = getattr(details[0], "name", None)
            yield f"{kind} {name or 'without a name'}{of} is {_state(verb)}"


def _state(verb: str) -> str:
    # alembic says what it would do to reach the baseline.
    return "missing" if verb == "add" else "unknown"
