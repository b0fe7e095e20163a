"""Buckets that have ended get a row of all writers; the minute that runs is kept small.

What is in `rollup_rows` stays there: a consolidated row can be made from it at any time. The
database itself says that one is out of date when a row of its bucket is written, whoever writes
it: also a worker that stood still for hours, or one of an earlier release.
"""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "consolidated"
down_revision = "version_row_ends"

# Shared by transactions that write rows, taken alone by the one that consolidates: it never reads
# less than what the trigger has seen. The key is that of `Database.lock`.
_POSTGRESQL = (
    """
    CREATE OR REPLACE FUNCTION rollup_rows_are_written() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock_shared(hashtextextended('consolidate rollups', 0));
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER rollup_rows_are_written BEFORE INSERT OR UPDATE ON rollup_rows
    FOR EACH STATEMENT EXECUTE FUNCTION rollup_rows_are_written()
    """,
    """
    CREATE OR REPLACE FUNCTION rollup_rows_were_written() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE rollup_consolidated SET is_current = false
        WHERE resolution = NEW.resolution AND kind = NEW.kind
        AND bucket_start = NEW.bucket_start AND is_current;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER rollup_rows_were_written AFTER INSERT OR UPDATE ON rollup_rows
    FOR EACH ROW EXECUTE FUNCTION rollup_rows_were_written()
    """,
    """
    CREATE OR REPLACE FUNCTION rollup_writers_still_count() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RETURN NULL;
    END $$
    """,
    # An earlier release deletes dead writers without knowing of the minute that ran.
    """
    CREATE TRIGGER rollup_writers_still_count BEFORE DELETE ON rollup_writers
    FOR EACH ROW WHEN (OLD.running IS NOT NULL) EXECUTE FUNCTION rollup_writers_still_count()
    """,
    # Updated once a second: within its page, without a new entry in the index, in one piece.
    "ALTER TABLE rollup_writers SET (fillfactor = 30)",
    "ALTER TABLE rollup_writers ALTER COLUMN running SET STORAGE MAIN",
)

_SQLITE = (
    *(
        f"""
        CREATE TRIGGER rollup_rows_were_{past} AFTER {event} ON rollup_rows
        BEGIN
            UPDATE rollup_consolidated SET is_current = 0
            WHERE resolution = NEW.resolution AND kind = NEW.kind
            AND bucket_start = NEW.bucket_start AND is_current;
        END
        """
        for event, past in (("INSERT", "inserted"), ("UPDATE", "updated"))
    ),
    """
    CREATE TRIGGER rollup_writers_still_count BEFORE DELETE ON rollup_writers
    WHEN OLD.running IS NOT NULL
    BEGIN
        SELECT RAISE(IGNORE);
    END
    """,
)


def upgrade(op: Operations) -> None:
    """Nothing is consolidated yet, and no minute of this kind runs."""
    op.create_table(
        "rollup_consolidated",
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
        sa.Column(
            "is_current",
            sa.Boolean(),
            nullable=False,
            comment="false once a row of the bucket was written after it",
        ),
        sa.Column("series", sa.LargeBinary(), nullable=False),
        sa.Column("counts", sa.LargeBinary(), nullable=False),
        sa.Column("sums", sa.LargeBinary(), nullable=False),
        sa.Column("minimums", sa.LargeBinary(), nullable=False),
        sa.Column("maximums", sa.LargeBinary(), nullable=False),
        sa.Column("bin_places", sa.LargeBinary(), nullable=False),
        sa.Column("bin_keys", sa.LargeBinary(), nullable=False),
        sa.Column("bin_counts", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("resolution", "kind", "bucket_start"),
    )
    op.create_index(
        "ix_rollup_consolidated_out_of_date",
        "rollup_consolidated",
        ["resolution", "kind", "bucket_start"],
        sqlite_where=sa.text("NOT is_current"),
        postgresql_where=sa.text("NOT is_current"),
    )
    op.add_column(
        "rollup_writers",
        sa.Column("running_minute", sa.BigInteger(), nullable=True, comment="Unix time"),
    )
    op.add_column(
        "rollup_writers",
        sa.Column("running", sa.LargeBinary(), nullable=True, comment="what it has counted in it"),
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _SQLITE if is_sqlite else _POSTGRESQL:
        op.execute(statement)
