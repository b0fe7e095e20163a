"""Escalations: opened by hand or by the sweep, closed by a manager."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import correlation
from app.core.catalogue import Detection, EscalationType, Severity
from app.core.database import Database
from app.core.errors import ConflictError, UnknownIdError
from app.core.events import EscalationOpened, EscalationResolved, Identifier
from app.core.logging import get_logger
from app.models import (
    EscalationEvent,
    QueuedResponse,
    QueueStatus,
    WorkflowInstance,
    WorkflowStatus,
    now,
)
from app.services.announcements import Announcements
from app.services.metrics_service import MetricsService

log = get_logger(__name__)

OPEN_STATUSES = (WorkflowStatus.SENT, WorkflowStatus.AWAITING_APPROVAL, WorkflowStatus.FAILED)
"""Workflows that an escalation of their conversation takes over."""


class Escalations:
    """Opens and closes escalations."""

    def __init__(
        self, database: Database, announcements: Announcements, metrics: MetricsService
    ) -> None:
        self._database = database
        self._announcements = announcements
        self._metrics = metrics

    async def open(
        self,
        conversation_id: str,
        kind: EscalationType,
        severity: Severity,
        detection: Detection,
        reason: str | None = None,
    ) -> EscalationEvent:
        """Escalate a conversation; its latest workflow goes with it, if it is not over."""
        latest = (
            select(WorkflowInstance)
            .where(WorkflowInstance.conversation_id == conversation_id)
            .order_by(WorkflowInstance.created_at.desc())
            .limit(1)
        )
        escalation = EscalationEvent(
            conversation_id=conversation_id,
            type=kind,
            severity=severity,
            detection=detection,
            reason=reason,
        )
        correlation.identify(conversation_id=conversation_id)
        async with self._database.writing() as session:
            workflow = await session.scalar(latest)
            if workflow:
                correlation.identify(tenant_id=workflow.tenant_id, workflow_id=workflow.id)
            if workflow and await take_over(session, workflow):
                escalation.workflow_id = workflow.id
            session.add(escalation)
        # What is announced belongs to the SMS that is escalated.
        with correlation.continuing(workflow.correlation_id if workflow else ""):
            self._opened(escalation)
        return escalation

    async def no_response(self, workflow: WorkflowInstance) -> bool:
        """Escalate a workflow nobody answered in time; False when that has changed meanwhile."""
        escalation = EscalationEvent(
            conversation_id=workflow.conversation_id,
            workflow_id=workflow.id,
            type=EscalationType.NO_RESPONSE,
            severity=Severity.MEDIUM,
            detection=Detection.AUTO,
        )
        async with self._database.writing() as session:
            if not await take_over(session, workflow):
                return False
            session.add(escalation)
        self._opened(escalation)
        return True

    async def resolve(self, escalation_id: str, manager_id: str, note: str | None) -> float:
        """Close an escalation and give the seconds it was open.

        Its workflow is completed. Raises UnknownIdError or ConflictError.
        """
        async with self._database.writing() as session:
            escalation = await session.get(EscalationEvent, escalation_id, with_for_update=True)
            if escalation is None:
                raise UnknownIdError(f"no escalation {escalation_id}", "escalation_id")
            if escalation.resolved_at:
                raise ConflictError("this escalation is resolved already", "escalation_id")
            correlation.identify(
                conversation_id=escalation.conversation_id, workflow_id=escalation.workflow_id
            )
            escalation.resolved_at = now()
            escalation.resolved_by = manager_id
            escalation.note = note
            await session.execute(
                update(WorkflowInstance)
                .where(
                    WorkflowInstance.id == escalation.workflow_id,
                    WorkflowInstance.status == WorkflowStatus.ESCALATED,
                )
                .values(status=WorkflowStatus.COMPLETED, updated_at=now())
            )
            origin = await session.scalar(
                select(WorkflowInstance.correlation_id).where(
                    WorkflowInstance.id == escalation.workflow_id
                )
            )
            seconds = (escalation.resolved_at - escalation.created_at).total_seconds()
        resolved = EscalationResolved(
            escalation_id=Identifier(escalation.id),
            type=escalation.type,
            open_seconds=round(seconds, 1),
        )
        with correlation.continuing(origin or ""):
            log.event(resolved)
        self._metrics.escalation_resolved(escalation.type, escalation.severity, seconds)
        return seconds

    def _opened(self, escalation: EscalationEvent) -> None:
        log.event(escalation_opened(escalation))
        self._metrics.escalation_opened(escalation.type, escalation.severity, escalation.detection)
        self._announcements.escalated(escalation)


def escalation_opened(escalation: EscalationEvent) -> EscalationOpened:
    """The event of the log that says so."""
    return EscalationOpened(
        escalation_id=Identifier(escalation.id),
        type=escalation.type,
        severity=escalation.severity,
        detection=escalation.detection,
    )


async def take_over(session: AsyncSession, workflow: WorkflowInstance) -> bool:
    """Mark the workflow escalated and its pending response with it.

    False, and nothing changed, when it is over, or a manager is deciding on it just now.
    """
    deciding = (
        select(QueuedResponse.id)
        .where(
            QueuedResponse.workflow_id == workflow.id,
            QueuedResponse.status == QueueStatus.SENDING,
        )
        .exists()
    )
    moved = await session.execute(
        update(WorkflowInstance)
        .where(
            WorkflowInstance.id == workflow.id,
            WorkflowInstance.status.in_(OPEN_STATUSES),
            ~deciding,
        )
        .values(status=WorkflowStatus.ESCALATED, updated_at=now())
        .returning(WorkflowInstance.id)
        .execution_options(synchronize_session=False)
    )
    if moved.scalar_one_or_none() is None:
        return False
    await session.execute(
        update(QueuedResponse)
        .where(
            QueuedResponse.workflow_id == workflow.id,
            QueuedResponse.status == QueueStatus.PENDING,
        )
        .values(status=QueueStatus.ESCALATED, updated_at=now())
        .execution_options(synchronize_session=False)
    )
    return True
