"""Managers' decisions on queued responses."""

from dataclasses import dataclass

from sqlalchemy import select, update

from app.clients.sms_agent import SMSAgent
from app.clients.upstream import UpstreamError
from app.core import correlation
from app.core.catalogue import ApprovalAction, Detection, EscalationType, Severity
from app.core.database import Database
from app.core.errors import ConflictError, UnavailableError, UnknownIdError
from app.core.events import (
    Identifier,
    ResponseApproved,
    ResponseEscalated,
    ResponseModified,
    ResponseNotSent,
)
from app.core.logging import get_logger
from app.models import (
    ApprovalAudit,
    EscalationEvent,
    QueuedResponse,
    QueueStatus,
    WorkflowInstance,
    WorkflowStatus,
    now,
)
from app.services.announcements import Announcements
from app.services.escalations import escalation_opened
from app.services.metrics_service import MetricsService

log = get_logger(__name__)

_QUEUE_STATUS_AFTER = {
    ApprovalAction.APPROVE: QueueStatus.APPROVED,
    ApprovalAction.MODIFY: QueueStatus.MODIFIED,
    ApprovalAction.ESCALATE: QueueStatus.ESCALATED,
}
_DECIDED: dict[ApprovalAction, type[ResponseApproved | ResponseModified | ResponseEscalated]] = {
    ApprovalAction.APPROVE: ResponseApproved,
    ApprovalAction.MODIFY: ResponseModified,
    ApprovalAction.ESCALATE: ResponseEscalated,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What a manager decided.

    ``text`` is what to send in place of the AI's answer, ``reason`` why it is escalated.
    """

    response_queue_id: str
    action: ApprovalAction
    manager_id: str
    text: str | None = None
    reason: str | None = None


class Approvals:
    """Carries decisions out, each response once."""

    def __init__(
        self,
        database: Database,
        sms_agent: SMSAgent,
        announcements: Announcements,
        metrics: MetricsService,
    ) -> None:
        self._database = database
        self._sms_agent = sms_agent
        self._announcements = announcements
        self._metrics = metrics

    async def decide(self, decision: Decision) -> WorkflowStatus:
        """Send, send the changed text, or escalate; gives the workflow's new status.

        Raises UnknownIdError, ConflictError when the response was decided before, and
        UnavailableError when the text could not be sent: the response then waits as before.
        """
        response, workflow = await self._claim(decision.response_queue_id)
        # The lines and calls from here on belong to the SMS that is answered.
        with correlation.continuing(workflow.correlation_id):
            return await self._carry_out(decision, response, workflow)

    async def _carry_out(
        self, decision: Decision, response: QueuedResponse, workflow: WorkflowInstance
    ) -> WorkflowStatus:
        correlation.identify(
            tenant_id=workflow.tenant_id,
            conversation_id=workflow.conversation_id,
            workflow_id=workflow.id,
        )
        reference = Identifier(response.id)
        if decision.action is ApprovalAction.ESCALATE:
            status = await self._escalate(decision, workflow)
        else:
            text = decision.text or response.text
            try:
                await self._sms_agent.send(
                    workflow.phone_number, text, workflow.conversation_id, response.id
                )
            except UpstreamError as error:
                await self._release(response.id)
                log.event(
                    ResponseNotSent(
                        response_queue_id=reference,
                        action=decision.action,
                        error_type=error.error_type,
                    )
                )
                raise UnavailableError(f"not sent, try again: {error}") from error
            status = await self._store(decision, workflow, WorkflowStatus.SENT, text)
        waited = (response.updated_at - response.created_at).total_seconds()
        self._metrics.response_decided(decision.action, waited)
        decided = _DECIDED[decision.action]
        log.event(decided(response_queue_id=reference, waited_seconds=round(waited, 1)))
        return status

    async def _claim(self, response_queue_id: str) -> tuple[QueuedResponse, WorkflowInstance]:
        """Take the response for this decision, so that no second one is carried out."""
        claim = (
            update(QueuedResponse)
            .where(
                QueuedResponse.id == response_queue_id,
                QueuedResponse.status == QueueStatus.PENDING,
            )
            .values(status=QueueStatus.SENDING, updated_at=now())
            .returning(QueuedResponse.id)
            .execution_options(synchronize_session=False)
        )
        found = (
            select(QueuedResponse, WorkflowInstance)
            .join(WorkflowInstance, WorkflowInstance.id == QueuedResponse.workflow_id)
            .where(QueuedResponse.id == response_queue_id)
        )
        async with self._database.writing() as session:
            claimed = (await session.execute(claim)).scalar_one_or_none()
            row = (await session.execute(found)).one_or_none()
            if row is None:
                raise UnknownIdError(f"no response {response_queue_id}", "response_queue_id")
            response, workflow = row
            if claimed is None:
                raise ConflictError(
                    f"this response is {response.status}, no longer pending", "response_queue_id"
                )
            return response, workflow

    async def _release(self, response_queue_id: str) -> None:
        async with self._database.writing() as session:
            await session.execute(
                update(QueuedResponse)
                .where(QueuedResponse.id == response_queue_id)
                .values(status=QueueStatus.PENDING, updated_at=now())
            )

    async def _escalate(self, decision: Decision, workflow: WorkflowInstance) -> WorkflowStatus:
        escalation = EscalationEvent(
            conversation_id=workflow.conversation_id,
            workflow_id=workflow.id,
            type=EscalationType.MANAGER_REQUEST,
            severity=Severity.MEDIUM,
            detection=Detection.MANUAL,
            reason=decision.reason,
        )
        status = await self._store(decision, workflow, WorkflowStatus.ESCALATED, None, escalation)
        log.event(escalation_opened(escalation))
        self._metrics.escalation_opened(escalation.type, escalation.severity, escalation.detection)
        self._announcements.escalated(escalation)
        return status

    async def _store(
        self,
        decision: Decision,
        workflow: WorkflowInstance,
        status: WorkflowStatus,
        text: str | None,
        escalation: EscalationEvent | None = None,
    ) -> WorkflowStatus:
        async with self._database.writing() as session:
            await session.execute(
                update(QueuedResponse)
                .where(QueuedResponse.id == decision.response_queue_id)
                .values(status=_QUEUE_STATUS_AFTER[decision.action], updated_at=now())
            )
            await session.execute(
                update(WorkflowInstance)
                .where(WorkflowInstance.id == workflow.id)
                .values(status=status, updated_at=now())
            )
            session.add(
                ApprovalAudit(
                    response_queue_id=decision.response_queue_id,
                    action=decision.action,
                    manager_id=decision.manager_id,
                    text=text,
                    reason=decision.reason,
                )
            )
            if escalation:
                session.add(escalation)
        return status
