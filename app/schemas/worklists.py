"""Answers that say what waits for people."""

from datetime import datetime

from pydantic import BaseModel, Field

from app.core.catalogue import Detection, EscalationType, Severity


class WaitingResponse(BaseModel):
    """An answer of the AI that waits for a manager."""

    response_queue_id: str
    workflow_id: str
    conversation_id: str
    tenant_id: str
    response: str = Field(description="the AI's answer")
    confidence: float
    waiting_since: datetime


class OpenEscalation(BaseModel):
    """A conversation that a person must handle."""

    escalation_id: str
    workflow_id: str | None
    conversation_id: str
    escalation_type: EscalationType
    severity: Severity
    detection: Detection
    reason: str | None
    open_since: datetime


class FailedWorkflow(BaseModel):
    """A workflow that failed and that nobody has run again yet."""

    workflow_id: str
    conversation_id: str
    tenant_id: str
    error: str | None
    attempts: int
    received_at: datetime
    failed_at: datetime
    retry_requested_at: datetime | None
