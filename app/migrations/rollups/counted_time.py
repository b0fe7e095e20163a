"""The store knows when there was counting, and not only what was counted.

Of earlier releases it is known by the rows: there is one for each bucket in which a worker ran.
"""

from collections.abc import Iterable, Iterator

import sqlalchemy as sa
from alembic.operations import Operations

revision = "counted_time"
down_revision = "consolidated"

_RESOLUTIONS = (60, 300, 3600, 86400)

_rows = sa.table("rollup_rows", sa.column("resolution"), sa.column("bucket_start"))


def upgrade(op: Operations) -> None:
    """The buckets of earlier releases were counted as a whole, as far as can be known."""
    table = op.create_table(
        "rollup_counted",
        sa.Column("writer", sa.String(length=32), nullable=False),
        sa.Column("start", sa.Float(), nullable=False, comment="Unix time"),
        sa.Column("is_repeated", sa.Boolean(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False, comment="Unix time"),
        sa.PrimaryKeyConstraint("writer", "start", "is_repeated"),
    )
    op.add_column(
        "rollup_writers",
        sa.Column("counting_since", sa.Float(), nullable=True, comment="Unix time"),
    )
    values = [
        {"writer": "", "start": start, "is_repeated": False, "until": until}
        for start, until in _joined(_buckets(op.get_bind()))
    ]
    if table is not None and values:
        op.bulk_insert(table, values)


def _buckets(connection: sa.Connection) -> Iterator[tuple[int, int]]:
    """The beginning and end of buckets with rows, the shortest that are left of each time."""
    first = None
    for resolution in _RESOLUTIONS:
        query = sa.select(_rows.c.bucket_start).where(_rows.c.resolution == resolution).distinct()
        if first is not None:
            query = query.where(_rows.c.bucket_start + resolution <= first)
        starts = connection.scalars(query).all()
        yield from ((start, start + resolution) for start in starts)
        first = min([*starts, *([] if first is None else [first])], default=None)


def _joined(buckets: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in sorted(buckets):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found
