"""Texts and numbers can be erased: rows say since when theirs are."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "erased_at"
down_revision = "baseline"


def upgrade(op: Operations) -> None:
    """Nothing is erased yet."""
    _add(op, "workflow_instances", "updated_at")
    _add(op, "escalation_events", "resolved_at")


def _add(op: Operations, table: str, last_change: str) -> None:
    op.add_column(table, sa.Column("erased_at", sa.DateTime(timezone=True)))
    not_yet = sa.text("erased_at IS NULL")
    op.create_index(
        f"{table}_not_erased",
        table,
        [last_change],
        sqlite_where=not_yet,
        postgresql_where=not_yet,
    )
