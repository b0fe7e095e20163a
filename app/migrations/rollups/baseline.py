"""The tables as releases made them before there were migrations. Never changed."""

from alembic.operations import Operations
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

revision = "baseline"
down_revision = None

metadata = MetaData()

Table(
    "rollup_schema",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
)

Table(
    "rollup_series",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(400), nullable=False, unique=True, comment='metric{label="value"}'),
)

Table(
    "rollup_rows",
    metadata,
    Column("resolution", Integer, primary_key=True, autoincrement=False, comment="seconds"),
    Column("kind", String(10), primary_key=True),
    Column("bucket_start", BigInteger, primary_key=True, autoincrement=False, comment="Unix time"),
    Column("writer", String(32), primary_key=True),
    Column("series", LargeBinary, nullable=False),
    Column("counts", LargeBinary, nullable=False),
    Column("sums", LargeBinary, nullable=False),
    Column("minimums", LargeBinary, nullable=False),
    Column("maximums", LargeBinary, nullable=False),
    Column("bin_places", LargeBinary, nullable=False),
    Column("bin_keys", LargeBinary, nullable=False),
    Column("bin_counts", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

Table(
    "rollup_writers",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", Float, nullable=False, comment="Unix time"),
    Column("last_seen", Float, nullable=False, comment="Unix time"),
    Column(
        "settled_until",
        BigInteger,
        nullable=False,
        comment="minutes before this are in the writer's rows of every resolution",
    ),
    Column("state", JSON, nullable=False),
)

Table(
    "rollup_leases",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("holder", String(32), nullable=False),
    Column("until", Float, nullable=False, comment="Unix time"),
)


def upgrade(op: Operations) -> None:
    """Create them."""
    metadata.create_all(op.get_bind())
