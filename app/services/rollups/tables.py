"""The tables of the rollup store.

A row holds every series of one writer in one bucket, column by column: arrays in little-endian
order, so that a range is read by joining the arrays of its rows. A row per series would be readable
by hand and fifty times as many rows to fetch.
"""

from enum import StrEnum
from typing import Any

import numpy as np
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    text,
)

from app.core import facts
from asgi_observability.metric import Kind

RESOLUTIONS = (86400, 3600, 300, 60)
"""Bucket lengths in seconds, the longest first; all divide by the next."""

MINUTE = RESOLUTIONS[-1]


class RowKind(StrEnum):
    """What a row holds; each kind has a retention of its own."""

    COUNTS = "counts"
    DURATIONS = "durations"
    SAMPLES = "samples"


KIND_OF = {
    Kind.COUNTER: RowKind.COUNTS,
    Kind.HISTOGRAM: RowKind.DURATIONS,
    Kind.GAUGE: RowKind.SAMPLES,
}

ARRAYS: dict[str, np.dtype[Any]] = {
    "series": np.dtype("<i4"),
    "counts": np.dtype("<i8"),
    "sums": np.dtype("<f8"),
    "minimums": np.dtype("<f8"),
    "maximums": np.dtype("<f8"),
    # Of the sketches: the place of the series in the row, the bin and how many are in it.
    "bin_places": np.dtype("<i4"),
    "bin_keys": np.dtype("<i2"),
    "bin_counts": np.dtype("<u4"),
}
"""The columns that are arrays, with the type of their elements."""

metadata = MetaData()

# For releases from before migrations, which don't write to a store of another version; see
# app/migrations/rollups/version_row_ends.py.
schema_versions = Table(
    "rollup_schema",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
)


def _series(name: str, of: MetaData) -> Table:
    return Table(
        name,
        of,
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("name", String(400), nullable=False, unique=True, comment='metric{label="value"}'),
    )


def _bucket() -> tuple[Column[Any], ...]:
    # The order of the key is that of the question: a resolution, a kind, a range of time.
    return (
        Column("resolution", Integer, primary_key=True, autoincrement=False, comment="seconds"),
        Column("kind", String(10), primary_key=True),
        Column(
            "bucket_start", BigInteger, primary_key=True, autoincrement=False, comment="Unix time"
        ),
    )


def _arrays() -> tuple[Column[Any], ...]:
    return tuple(Column(name, LargeBinary, nullable=False) for name in ARRAYS)


def _rows(name: str, of: MetaData) -> Table:
    writer = Column("writer", String(32), primary_key=True)
    return Table(name, of, *_bucket(), writer, *_arrays(), sqlite_with_rowid=False)


series_names = _series("rollup_series", metadata)
rows = _rows("rollup_rows", metadata)

# Triggers of the database keep `is_current` true to its name, see
# app/migrations/rollups/consolidated.py.
consolidated = Table(
    "rollup_consolidated",
    metadata,
    *_bucket(),
    Column(
        "is_current",
        Boolean,
        nullable=False,
        comment="false once a row of the bucket was written after it",
    ),
    *_arrays(),
    Index(
        "ix_rollup_consolidated_out_of_date",
        "resolution",
        "kind",
        "bucket_start",
        sqlite_where=text("NOT is_current"),
        postgresql_where=text("NOT is_current"),
    ),
)
"""The rows of all writers in a bucket that has ended, added up. They are still there."""

fact_series = _series("fact_series", facts.metadata)
fact_rows = _rows("fact_rows", facts.metadata)
"""What facts have counted: in the business database, so that a fact is folded with its deletion."""

writers = Table(
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
    Column("running_minute", BigInteger, comment="Unix time"),
    Column("running", LargeBinary, comment="what it has counted in it"),
    Column("counting_since", Float, comment="Unix time"),
)
"""A minute is in `running` while it runs, and in a row once it has ended: never in both."""

counted = Table(
    "rollup_counted",
    metadata,
    Column("writer", String(32), primary_key=True),
    Column("start", Float, primary_key=True, autoincrement=False, comment="Unix time"),
    Column("is_repeated", Boolean, primary_key=True),
    Column("until", Float, nullable=False, comment="Unix time"),
)
"""Stretches of counting that have ended, see `app.services.rollups.counted_time`. Those that go on
are in `rollup_writers`, from `counting_since` to `last_seen`; one that is in both is told once."""

leases = Table(
    "rollup_leases",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("holder", String(32), nullable=False),
    Column("until", Float, nullable=False, comment="Unix time"),
)
