"""${message}."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "${up_revision}"
down_revision = "${down_revision}"


def upgrade(op: Operations) -> None:
    """Change the tables of the revision before."""
    ${upgrades}
