"""Requests and answers of the orchestration endpoints."""

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    model_validator,
)
from pydantic_core import PydanticCustomError

from app.core.catalogue import (
    ApprovalAction,
    EscalationType,
    PlanResult,
    Route,
    Severity,
    Step,
    StepStatus,
    StepType,
)
from app.core.sms_text import LONGEST, is_blank
from app.models import OutboundState, WorkflowStatus
from app.schemas.forms import IDENTIFIER, PHONE_NUMBER


def _storable(value: str) -> str:
    # PostgreSQL stores any character but this one.
    if "\0" in value:
        raise ValueError("must not contain NUL characters")
    return value


def _said(value: str) -> str:
    if is_blank(value):
        raise ValueError("must not be blank")
    return _storable(value)


def _written(value: object) -> object:
    # A bare number would be taken for seconds or milliseconds, by its size.
    if not isinstance(value, str):
        raise ValueError("must be a text such as 2026-03-01T09:30:00Z")
    return value


def _of_this_century(value: datetime) -> datetime:
    # What lies further away has no time in UTC, or none that a database can hold.
    if not 2000 <= value.year <= datetime.now(UTC).year + 1:
        raise ValueError("use a time from the year 2000 to a year from now")
    return value.astimezone(UTC)


Identifier = Annotated[
    str,
    Field(min_length=1, max_length=128, pattern=IDENTIFIER),
]
Text = Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(_said)]
Note = Annotated[str, Field(max_length=2000), AfterValidator(_storable)]
PhoneNumber = Annotated[
    str, Field(pattern=PHONE_NUMBER, description="digits, with or without a leading +")
]

ManagerId = Annotated[
    Identifier | None,
    Field(
        description="needed unless the token is a manager's: then it is the manager of the token",
        examples=["manager-3"],
    ),
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SMSReceived(_Request):
    """A text from a tenant."""

    tenant_id: Identifier = Field(examples=["tenant-17"])
    phone_number: PhoneNumber = Field(examples=["+15550100017"])
    content: Text = Field(examples=["Can I pay 200 a week for 8 weeks?"])
    conversation_id: Identifier = Field(examples=["conversation-17"])
    message_id: Identifier | None = Field(
        None,
        description="the provider's ID of this message: with it, only a delivery with the same ID "
        "is the same message; without it, the same words within ten minutes are",
        examples=["SM-17"],
    )


class WorkflowAnswer(BaseModel):
    """Where a workflow is now."""

    status: WorkflowStatus
    conversation_id: str
    workflow_id: str


class ApproveResponse(_Request):
    """A manager's decision on a queued response."""

    response_queue_id: Identifier
    action: ApprovalAction
    approved_text: Text | None = Field(
        None, description="for approve; without it the AI's answer is sent"
    )
    modified_text: Text | None = Field(None, description="for modify, where it is required")
    escalation_reason: Note | None = Field(None, description="for escalate")
    manager_id: ManagerId = None

    @model_validator(mode="after")
    def _text_fits_action(self) -> Self:
        given = {
            ApprovalAction.APPROVE: self.approved_text,
            ApprovalAction.MODIFY: self.modified_text,
            ApprovalAction.ESCALATE: self.escalation_reason,
        }
        if self.action is ApprovalAction.MODIFY and self.modified_text is None:
            raise _field_error("modified_text", "is required with action modify")
        for action, value in given.items():
            if action is not self.action and value is not None:
                raise _field_error(_TEXT_FIELD[action], f"goes with action {action} only")
        return self

    @property
    def text(self) -> str | None:
        """What to send in place of the AI's answer."""
        return self.approved_text or self.modified_text


def _field_error(field: str, rule: str) -> PydanticCustomError:
    return PydanticCustomError("text_fits_action", "{rule}", {"field": field, "rule": rule})


_TEXT_FIELD = {
    ApprovalAction.APPROVE: "approved_text",
    ApprovalAction.MODIFY: "modified_text",
    ApprovalAction.ESCALATE: "escalation_reason",
}


class ApproveAnswer(BaseModel):
    """What became of a decision."""

    response_queue_id: str
    action: ApprovalAction = Field(
        description="what was done: a text that differs from the AI's answer is a modification"
    )
    status: WorkflowStatus


class PaymentPlanDetected(_Request):
    """A message that may propose a payment plan."""

    conversation_id: Identifier
    tenant_id: Identifier
    message_content: Text = Field(examples=["I can do 50 a week for 10 weeks"])
    ai_response: Text | None = None


class PaymentPlanAnswer(BaseModel):
    """The plan that was found, if any."""

    detected: bool
    payment_plan_id: str | None = None
    weekly_dollars: float | None = None
    weeks: int | None = None
    result: PlanResult | None = None
    auto_approvable: bool = False


class Escalate(_Request):
    """A conversation that a person must handle."""

    conversation_id: Identifier
    escalation_type: EscalationType
    severity: Severity
    reason: Note | None = None
    auto_detected: StrictBool = False


class EscalateAnswer(BaseModel):
    """The escalation that was opened."""

    escalation_id: str
    conversation_id: str
    status: str = "open"


class ResolveEscalation(_Request):
    """A manager closes an escalation."""

    manager_id: ManagerId = None
    note: Note | None = None


class ResolveAnswer(BaseModel):
    """How long the escalation was open."""

    escalation_id: str
    status: str = "resolved"
    resolution_seconds: float


class RetryWorkflow(_Request):
    """Why a failed workflow is run again."""

    reason: Note | None = None


class RetryFailed(_Request):
    """Which failed workflows are run again, and why."""

    since: Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_of_this_century)] = (
        Field(
            description="those that failed at this time or later; with a time zone",
            examples=["2026-03-01T09:30:00Z"],
        )
    )
    reason: Note | None = None


class RetryFailedAnswer(BaseModel):
    """How many failed workflows will be run again, paced below the AI's quota."""

    requested: int
    per_minute: int


class StepAnswer(BaseModel):
    """One step as it ended."""

    step: Step
    step_type: StepType
    status: StepStatus
    started_at: datetime
    duration_ms: float


class WorkflowStatusAnswer(WorkflowAnswer):
    """The latest workflow of a conversation, with its times."""

    route: Route | None
    confidence: float | None
    error: str | None
    correlation_id: str
    created_at: datetime
    updated_at: datetime
    response_queue_id: str | None
    response: str | None = Field(description="the AI's answer; [erased] when its retention is over")
    outbound_text: str | None = Field(
        description="the text that was decided on; another one is sent for this message only where "
        "outbound_state is not_sent"
    )
    outbound_state: OutboundState | None = Field(
        description="unconfirmed: it may be with the tenant or not; not_sent: it is known not to be"
    )
    steps: list[StepAnswer]
