"""The tables of the orchestrator."""

from datetime import UTC, datetime
from enum import StrEnum
from uuid import uuid4

from sqlalchemy import (
    DateTime,
    Dialect,
    Enum,
    Float,
    ForeignKey,
    Index,
    String,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.core import facts
from app.core.catalogue import (
    ApprovalAction,
    Detection,
    EscalationType,
    PlanResult,
    Route,
    Severity,
    Step,
    StepStatus,
    StepType,
)


class WorkflowStatus(StrEnum):
    """Where one SMS is on its way."""

    RECEIVED = "received"
    PROCESSING = "processing"
    AWAITING_APPROVAL = "awaiting_approval"
    SENT = "sent"
    ESCALATED = "escalated"
    FAILED = "failed"
    COMPLETED = "completed"


class QueueStatus(StrEnum):
    """Where an AI response is."""

    PENDING = "pending"
    SENDING = "sending"
    AUTO_SENT = "auto_sent"
    APPROVED = "approved"
    MODIFIED = "modified"
    ESCALATED = "escalated"


class OutboundState(StrEnum):
    """What is known of a text that was decided on."""

    UNCONFIRMED = "unconfirmed"
    """It may be with the tenant or not: only the same text may be sent, under the same key."""
    NOT_SENT = "not_sent"
    """It is known not to be with the tenant: another text may be sent, under another key."""
    SENT = "sent"
    """The SMS Agent has taken it."""


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC, aware on every database: SQLite alone would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or value.tzinfo:
            return value
        return value.replace(tzinfo=UTC)


def now() -> datetime:
    """The time now, aware, in UTC."""
    return datetime.now(UTC)


def new_id() -> str:
    """A new identifier."""
    return uuid4().hex


class Base(DeclarativeBase):
    """What all tables share."""

    metadata = facts.metadata

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        datetime: UtcDateTime,
        str: String(128),
        # Stored as their values in plain text columns: a new member needs no revision.
        StrEnum: Enum(
            StrEnum, native_enum=False, length=32, values_callable=lambda members: [*members]
        ),
    }


class WorkflowInstance(Base):
    """One SMS on its way."""

    __tablename__ = "workflow_instances"
    __table_args__ = (
        Index("workflow_instances_by_message", "message_key", "created_at"),
        Index("workflow_instances_by_status", "status", "updated_at"),
        Index("workflow_instances_by_conversation", "conversation_id", "created_at"),
        Index(
            "workflow_instances_not_erased",
            "updated_at",
            sqlite_where=text("erased_at IS NULL"),
            postgresql_where=text("erased_at IS NULL"),
        ),
        Index("workflow_instances_by_escalation", "escalation_id"),
        Index("workflow_instances_by_retry", "retried_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    message_key: Mapped[str]
    conversation_id: Mapped[str]
    tenant_id: Mapped[str]
    phone_number: Mapped[str]
    content: Mapped[str] = mapped_column(Text)
    correlation_id: Mapped[str]
    status: Mapped[WorkflowStatus]
    route: Mapped[Route | None] = mapped_column(default=None)
    confidence: Mapped[float | None] = mapped_column(Float, default=None)
    error: Mapped[str | None] = mapped_column(Text, default=None)
    # Which run of the workflow it is in, from 1. A run that was given up can't change it any more.
    attempt: Mapped[int] = mapped_column(default=1, server_default="1")
    # No foreign keys: the rows of escalations and plans refer to this one already.
    escalation_id: Mapped[str | None] = mapped_column(default=None)
    agreed_plan_id: Mapped[str | None] = mapped_column(default=None)
    retry_requested_at: Mapped[datetime | None] = mapped_column(default=None)
    retried_at: Mapped[datetime | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)
    erased_at: Mapped[datetime | None] = mapped_column(default=None)


class WorkflowStep(Base):
    """One step of a workflow, as it ended."""

    __tablename__ = "workflow_steps"

    id: Mapped[int] = mapped_column(primary_key=True)
    workflow_id: Mapped[str] = mapped_column(ForeignKey("workflow_instances.id"), index=True)
    step: Mapped[Step]
    step_type: Mapped[StepType]
    status: Mapped[StepStatus]
    started_at: Mapped[datetime]
    duration_ms: Mapped[float] = mapped_column(Float)


class QueuedResponse(Base):
    """An answer the AI wrote: waiting for a manager, or what became of it."""

    __tablename__ = "ai_response_queue"
    __table_args__ = (Index("ai_response_queue_by_status", "status", "created_at"),)

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    workflow_id: Mapped[str] = mapped_column(ForeignKey("workflow_instances.id"), index=True)
    text: Mapped[str] = mapped_column(Text)
    confidence: Mapped[float] = mapped_column(Float)
    status: Mapped[QueueStatus]
    notified_at: Mapped[datetime | None] = mapped_column(default=None)
    notify_claimed_at: Mapped[datetime | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class OutboundMessage(Base):
    """The one text that answers an SMS, stored before it is sent.

    ``id`` is the idempotency key. A workflow has one such row at most. Key and text change, and
    then together, only while it is known that the text was not sent: so no tenant gets a second
    answer, whatever was lost on the way.
    """

    __tablename__ = "outbound_messages"

    id: Mapped[str] = mapped_column(primary_key=True)
    workflow_id: Mapped[str] = mapped_column(ForeignKey("workflow_instances.id"), unique=True)
    response_queue_id: Mapped[str] = mapped_column(ForeignKey("ai_response_queue.id"), index=True)
    phone_number: Mapped[str]
    text: Mapped[str] = mapped_column(Text)
    state: Mapped[OutboundState] = mapped_column(default=OutboundState.UNCONFIRMED)
    message_id: Mapped[str | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class ApprovalAudit(Base):
    """A manager's decision."""

    __tablename__ = "approval_audit_log"

    id: Mapped[int] = mapped_column(primary_key=True)
    response_queue_id: Mapped[str] = mapped_column(ForeignKey("ai_response_queue.id"), index=True)
    action: Mapped[ApprovalAction]
    manager_id: Mapped[str]
    text: Mapped[str | None] = mapped_column(Text, default=None)
    reason: Mapped[str | None] = mapped_column(Text, default=None)
    created_at: Mapped[datetime] = mapped_column(default=now)


class PaymentPlanAttempt(Base):
    """A payment plan that was proposed, and whether it is acceptable."""

    __tablename__ = "payment_plan_attempts"

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    conversation_id: Mapped[str] = mapped_column(index=True)
    tenant_id: Mapped[str]
    workflow_id: Mapped[str | None] = mapped_column(
        ForeignKey("workflow_instances.id"), index=True, default=None
    )
    weekly_dollars: Mapped[float | None] = mapped_column(Float, default=None)
    weeks: Mapped[int | None] = mapped_column(default=None)
    result: Mapped[PlanResult]
    auto_approved_at: Mapped[datetime | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(default=now)


class EscalationEvent(Base):
    """A conversation that a person must handle."""

    __tablename__ = "escalation_events"
    __table_args__ = (
        Index("escalation_events_by_notification", "notified_at", "created_at"),
        Index("escalation_events_by_type", "type", "created_at"),
        Index(
            "escalation_events_open",
            "severity",
            sqlite_where=text("resolved_at IS NULL"),
            postgresql_where=text("resolved_at IS NULL"),
        ),
        Index(
            "escalation_events_not_erased",
            "resolved_at",
            sqlite_where=text("erased_at IS NULL"),
            postgresql_where=text("erased_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id)
    conversation_id: Mapped[str] = mapped_column(index=True)
    workflow_id: Mapped[str | None] = mapped_column(
        ForeignKey("workflow_instances.id"), default=None
    )
    type: Mapped[EscalationType]
    severity: Mapped[Severity]
    detection: Mapped[Detection]
    reason: Mapped[str | None] = mapped_column(Text, default=None)
    notified_at: Mapped[datetime | None] = mapped_column(default=None)
    notify_claimed_at: Mapped[datetime | None] = mapped_column(default=None)
    resolved_at: Mapped[datetime | None] = mapped_column(default=None)
    resolved_by: Mapped[str | None] = mapped_column(default=None)
    note: Mapped[str | None] = mapped_column(Text, default=None)
    created_at: Mapped[datetime] = mapped_column(default=now)
    erased_at: Mapped[datetime | None] = mapped_column(default=None)
