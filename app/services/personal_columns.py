"""Which columns hold personal data: the one list, which a test compares with the tables.

A column that holds text is either erased when its conversation's retention is over, or it is kept
and stands below with the reason.
"""

from sqlalchemy import Table
from sqlalchemy.orm import InstrumentedAttribute

from app.core.facts import outbox
from app.models import (
    ApprovalAudit,
    EscalationEvent,
    OutboundMessage,
    PaymentPlanAttempt,
    QueuedResponse,
    WorkflowInstance,
    WorkflowStep,
)
from app.services.rollups.tables import fact_rows, fact_series

TEXTS: tuple[InstrumentedAttribute[str] | InstrumentedAttribute[str | None], ...] = (
    WorkflowInstance.phone_number,
    WorkflowInstance.content,
    QueuedResponse.text,
    OutboundMessage.phone_number,
    OutboundMessage.text,
    ApprovalAudit.text,
    ApprovalAudit.reason,
    EscalationEvent.reason,
    EscalationEvent.note,
)
"""Numbers of tenants, and texts that people or the AI wrote."""

KEYS: tuple[InstrumentedAttribute[str], ...] = (
    # A hash, without a secret, of a number and a text: whoever has the table finds the number by
    # trying all numbers with a text such as "yes". So it is personal data as well.
    WorkflowInstance.message_key,
)
"""What is made from these and has to differ from row to row."""

KEPT: tuple[InstrumentedAttribute[str] | InstrumentedAttribute[str | None], ...] = (
    # Identifiers that other systems gave: they name a person to those systems alone, and without
    # them no count could be checked.
    WorkflowInstance.conversation_id,
    WorkflowInstance.tenant_id,
    PaymentPlanAttempt.conversation_id,
    PaymentPlanAttempt.tenant_id,
    EscalationEvent.conversation_id,
    # Who decided: an audit without it proves nothing.
    ApprovalAudit.manager_id,
    EscalationEvent.resolved_by,
    # Our own identifiers.
    WorkflowInstance.id,
    WorkflowInstance.correlation_id,
    WorkflowStep.workflow_id,
    QueuedResponse.id,
    QueuedResponse.workflow_id,
    ApprovalAudit.response_queue_id,
    PaymentPlanAttempt.id,
    PaymentPlanAttempt.workflow_id,
    EscalationEvent.id,
    EscalationEvent.workflow_id,
    WorkflowInstance.escalation_id,
    WorkflowInstance.agreed_plan_id,
    OutboundMessage.id,
    OutboundMessage.workflow_id,
    OutboundMessage.response_queue_id,
    # The SMS Agent's own identifier of a text.
    OutboundMessage.message_id,
    # Words of the program: the operation and the kind of its failure.
    WorkflowInstance.error,
)
"""Text that isn't erased."""

COUNTED: tuple[Table, ...] = (outbox, fact_rows, fact_series)
"""Tables of counts: their text is names of metrics and label values, from closed sets."""
