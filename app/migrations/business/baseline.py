"""The tables as releases made them before there were migrations. Never changed."""

from alembic.operations import Operations
from sqlalchemy import (
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

revision = "baseline"
down_revision = None

metadata = MetaData()

_TIME = DateTime(timezone=True)

Table(
    "workflow_instances",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("message_key", String(128), nullable=False),
    Column("conversation_id", String(128), nullable=False),
    Column("tenant_id", String(128), nullable=False),
    Column("phone_number", String(128), nullable=False),
    Column("content", Text, nullable=False),
    Column("correlation_id", String(128), nullable=False),
    Column("status", String(32), nullable=False),
    Column("route", String(32)),
    Column("confidence", Float),
    Column("error", Text),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    Index("workflow_instances_by_message", "message_key", "created_at"),
    Index("workflow_instances_by_status", "status", "updated_at"),
    Index("workflow_instances_by_conversation", "conversation_id", "created_at"),
)

Table(
    "workflow_steps",
    metadata,
    Column("id", Integer, primary_key=True),
    Column(
        "workflow_id", String(128), ForeignKey("workflow_instances.id"), index=True, nullable=False
    ),
    Column("step", String(32), nullable=False),
    Column("step_type", String(32), nullable=False),
    Column("status", String(32), nullable=False),
    Column("started_at", _TIME, nullable=False),
    Column("duration_ms", Float, nullable=False),
)

Table(
    "ai_response_queue",
    metadata,
    Column("id", String(128), primary_key=True),
    Column(
        "workflow_id", String(128), ForeignKey("workflow_instances.id"), index=True, nullable=False
    ),
    Column("text", Text, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("status", String(32), nullable=False),
    Column("notified_at", _TIME),
    Column("created_at", _TIME, nullable=False),
    Column("updated_at", _TIME, nullable=False),
    Index("ai_response_queue_by_status", "status", "created_at"),
)

Table(
    "approval_audit_log",
    metadata,
    Column("id", Integer, primary_key=True),
    Column(
        "response_queue_id",
        String(128),
        ForeignKey("ai_response_queue.id"),
        index=True,
        nullable=False,
    ),
    Column("action", String(32), nullable=False),
    Column("manager_id", String(128), nullable=False),
    Column("text", Text),
    Column("reason", Text),
    Column("created_at", _TIME, nullable=False),
)

Table(
    "payment_plan_attempts",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("conversation_id", String(128), index=True, nullable=False),
    Column("tenant_id", String(128), nullable=False),
    Column("workflow_id", String(128), ForeignKey("workflow_instances.id"), index=True),
    Column("weekly_dollars", Float),
    Column("weeks", Integer),
    Column("result", String(32), nullable=False),
    Column("created_at", _TIME, nullable=False),
)

Table(
    "escalation_events",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("conversation_id", String(128), index=True, nullable=False),
    Column("workflow_id", String(128), ForeignKey("workflow_instances.id")),
    Column("type", String(32), nullable=False),
    Column("severity", String(32), nullable=False),
    Column("detection", String(32), nullable=False),
    Column("reason", Text),
    Column("notified_at", _TIME),
    Column("resolved_at", _TIME),
    Column("resolved_by", String(128)),
    Column("note", Text),
    Column("created_at", _TIME, nullable=False),
    Index("escalation_events_by_notification", "notified_at", "created_at"),
    Index(
        "escalation_events_open",
        "severity",
        sqlite_where=text("resolved_at IS NULL"),
        postgresql_where=text("resolved_at IS NULL"),
    ),
)


def upgrade(op: Operations) -> None:
    """Create them."""
    metadata.create_all(op.get_bind())
