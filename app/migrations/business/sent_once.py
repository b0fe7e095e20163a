"""A text is stored with its key before it is sent, and every run, claim and retry is told apart.

Rows of before are in their first run. Their keys were the identifiers of workflow and response, as
they are now: a text whose reply was lost during the upgrade is still sent once.
"""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "sent_once"
down_revision = "erased_at"


def upgrade(op: Operations) -> None:
    """Nothing is on its way yet."""
    op.create_table(
        "outbound_messages",
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("workflow_id", sa.String(length=128), nullable=False),
        sa.Column("response_queue_id", sa.String(length=128), nullable=False),
        sa.Column("phone_number", sa.String(length=128), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("message_id", sa.String(length=128), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["response_queue_id"],
            ["ai_response_queue.id"],
        ),
        sa.ForeignKeyConstraint(
            ["workflow_id"],
            ["workflow_instances.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("workflow_id"),
    )
    with op.batch_alter_table("outbound_messages", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_outbound_messages_response_queue_id"),
            ["response_queue_id"],
            unique=False,
        )

    with op.batch_alter_table("ai_response_queue", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("notify_claimed_at", sa.DateTime(timezone=True), nullable=True)
        )

    with op.batch_alter_table("escalation_events", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("notify_claimed_at", sa.DateTime(timezone=True), nullable=True)
        )
        batch_op.create_index("escalation_events_by_type", ["type", "created_at"], unique=False)

    with op.batch_alter_table("payment_plan_attempts", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("auto_approved_at", sa.DateTime(timezone=True), nullable=True)
        )

    with op.batch_alter_table("workflow_instances", schema=None) as batch_op:
        batch_op.add_column(sa.Column("attempt", sa.Integer(), server_default="1", nullable=False))
        batch_op.add_column(sa.Column("escalation_id", sa.String(length=128), nullable=True))
        batch_op.add_column(sa.Column("agreed_plan_id", sa.String(length=128), nullable=True))
        batch_op.add_column(
            sa.Column("retry_requested_at", sa.DateTime(timezone=True), nullable=True)
        )
        batch_op.add_column(sa.Column("retried_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index("workflow_instances_by_escalation", ["escalation_id"], unique=False)
        batch_op.create_index("workflow_instances_by_retry", ["retried_at"], unique=False)
