"""Facts of the business are counted in the transaction that makes them true.

What was counted before stays in the rollup store; readers add both.
"""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "facts"
down_revision = "sent_once"


def upgrade(op: Operations) -> None:
    """No fact is told yet."""
    op.create_table(
        "fact_rows",
        sa.Column(
            "resolution", sa.Integer(), autoincrement=False, nullable=False, comment="seconds"
        ),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column(
            "bucket_start",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Unix time",
        ),
        sa.Column("writer", sa.String(length=32), nullable=False),
        sa.Column("series", sa.LargeBinary(), nullable=False),
        sa.Column("counts", sa.LargeBinary(), nullable=False),
        sa.Column("sums", sa.LargeBinary(), nullable=False),
        sa.Column("minimums", sa.LargeBinary(), nullable=False),
        sa.Column("maximums", sa.LargeBinary(), nullable=False),
        sa.Column("bin_places", sa.LargeBinary(), nullable=False),
        sa.Column("bin_keys", sa.LargeBinary(), nullable=False),
        sa.Column("bin_counts", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("resolution", "kind", "bucket_start", "writer"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "fact_series",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=400), nullable=False, comment='metric{label="value"}'),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "facts",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("told_at", sa.BigInteger(), nullable=False, comment="Unix time"),
        sa.Column(
            "counts",
            sa.Text(),
            nullable=False,
            comment='JSON: [["metric{label=\\"value\\"}", 1.0]]',
        ),
        sa.PrimaryKeyConstraint("id"),
    )
