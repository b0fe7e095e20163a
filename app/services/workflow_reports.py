"""Where a workflow is, as the services tell it: no row of a table leaves them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from app.core.catalogue import Route, Step, StepStatus, StepType
from app.models import (
    OutboundMessage,
    OutboundState,
    QueuedResponse,
    WorkflowInstance,
    WorkflowStatus,
    WorkflowStep,
)


@dataclass(frozen=True, slots=True)
class WorkflowState:
    """Where a workflow is now."""

    workflow_id: str
    conversation_id: str
    status: WorkflowStatus

    @classmethod
    def of(cls, workflow: WorkflowInstance) -> Self:
        """The state of a stored workflow."""
        return cls(workflow.id, workflow.conversation_id, workflow.status)


@dataclass(frozen=True, slots=True)
class EndedStep:
    """A step as it ended; ``duration_ms`` is in milliseconds."""

    step: Step
    step_type: StepType
    status: StepStatus
    started_at: datetime
    duration_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowReport:
    """A workflow with its steps, oldest first, the AI's latest answer and what is sent."""

    workflow_id: str
    conversation_id: str
    status: WorkflowStatus
    route: Route | None
    confidence: float | None
    error: str | None
    correlation_id: str
    created_at: datetime
    updated_at: datetime
    response_queue_id: str | None
    response: str | None
    outbound_text: str | None
    outbound_state: OutboundState | None
    steps: tuple[EndedStep, ...]

    @classmethod
    def of(
        cls,
        workflow: WorkflowInstance,
        steps: Iterable[WorkflowStep],
        response: QueuedResponse | None,
        outbound: OutboundMessage | None,
    ) -> Self:
        """What is stored about a workflow."""
        return cls(
            workflow_id=workflow.id,
            conversation_id=workflow.conversation_id,
            status=workflow.status,
            route=workflow.route,
            confidence=workflow.confidence,
            error=workflow.error,
            correlation_id=workflow.correlation_id,
            created_at=workflow.created_at,
            updated_at=workflow.updated_at,
            response_queue_id=response.id if response else None,
            response=response.text if response else None,
            outbound_text=outbound.text if outbound else None,
            outbound_state=outbound.state if outbound else None,
            steps=tuple(
                EndedStep(
                    step=step.step,
                    step_type=step.step_type,
                    status=step.status,
                    started_at=step.started_at,
                    duration_ms=step.duration_ms,
                )
                for step in steps
            ),
        )
