"""Managers' decisions on queued responses."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.sms_agent import SMSAgent
from app.clients.upstream import UpstreamError
from app.core.catalogue import ApprovalAction, Detection, ErrorType, EscalationType, Severity
from app.core.database import Database
from app.core.errors import ConflictError, UnavailableError, UnknownIdError
from app.core.events import ResponseApproved, ResponseEscalated, ResponseModified, ResponseNotSent
from app.core.wall_time import WallTime
from app.models import (
    ApprovalAudit,
    EscalationEvent,
    OutboundMessage,
    OutboundState,
    QueuedResponse,
    QueueStatus,
    WorkflowInstance,
    WorkflowStatus,
    new_id,
    now,
)
from app.services.announcements import Announcements
from app.services.conversations import lock_conversation
from app.services.escalations import escalation_opened, open_once, take_over
from app.services.inserts import inserted, table_of
from app.services.outbound import has_been_sent, is_known_not_to_be_sent, replaces
from asgi_observability import correlation
from asgi_observability.event import Identifier
from asgi_observability.logging import get_logger

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


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision came to: a changed text is a modification, whatever it was called."""

    action: ApprovalAction
    status: WorkflowStatus


@dataclass(frozen=True, slots=True)
class _Claim:
    """A response that one decision has for itself, until somebody gives it up.

    ``at`` tells it from a later claim of the same response. ``is_first`` is whether no other call
    has used the key of ``outbound`` before.
    """

    response: QueuedResponse
    workflow: WorkflowInstance
    outbound: OutboundMessage
    at: datetime
    is_first: bool


class Approvals:
    """Carries decisions out, each response once."""

    def __init__(
        self,
        database: Database,
        sms_agent: SMSAgent,
        announcements: Announcements,
        wall_time: WallTime,
    ) -> None:
        self._wall_time = wall_time
        self._database = database
        self._sms_agent = sms_agent
        self._announcements = announcements

    async def decide(self, decision: Decision) -> Decided:
        """Send, send the changed text, or escalate; gives what it came to.

        Raises UnknownIdError; ConflictError when the response was decided before, another text may
        be with the tenant already, or the SMS Agent refuses the text; UnavailableError when it does
        not answer. After the last two the response waits as before: for any text where nothing was
        sent, else for the same one.
        """
        if decision.action is ApprovalAction.ESCALATE:
            return await self._escalate(decision)
        claim = await self._claim(decision)
        # The lines and calls from here on belong to the SMS that is answered.
        with correlation.continuing(claim.workflow.correlation_id):
            _identify(claim.workflow)
            return await self._send(decision, claim)

    async def _escalate(self, decision: Decision) -> Decided:
        async with self._database.writing() as session:
            response, workflow = await self._waiting(session, decision.response_queue_id)
            escalation, is_new = await open_once(
                session,
                EscalationEvent(
                    conversation_id=workflow.conversation_id,
                    workflow_id=workflow.id,
                    type=EscalationType.MANAGER_REQUEST,
                    severity=Severity.MEDIUM,
                    detection=Detection.MANUAL,
                    reason=decision.reason,
                ),
            )
            await take_over(session, workflow.id, escalation.id)
            session.add(_audit(decision, ApprovalAction.ESCALATE, None))
            with correlation.continuing(workflow.correlation_id):
                _identify(workflow)
                if is_new:
                    session.tell(log, escalation_opened(escalation))
                session.tell(log, self._decided(response, ApprovalAction.ESCALATE))
        if is_new:
            with correlation.continuing(workflow.correlation_id):
                _identify(workflow)
                self._announcements.escalated(escalation)
        return Decided(ApprovalAction.ESCALATE, WorkflowStatus.ESCALATED)

    async def _send(self, decision: Decision, claim: _Claim) -> Decided:
        response, workflow, outbound = claim.response, claim.workflow, claim.outbound
        message_id = outbound.message_id
        if outbound.state is not OutboundState.SENT:
            try:
                message_id = await self._sms_agent.send(
                    outbound.phone_number, outbound.text, workflow.conversation_id, outbound.id
                )
            except UpstreamError as error:
                is_not_sent = await self._release(claim, may_be_sent=error.may_be_done)
                log.event(
                    ResponseNotSent(
                        response_queue_id=Identifier(response.id),
                        action=decision.action,
                        error_type=error.error_type,
                    )
                )
                if is_not_sent and error.error_type is ErrorType.CLIENT_ERROR:
                    raise ConflictError(
                        "the SMS Agent refuses this text or number, and nothing was sent; decide "
                        "again with another text (modified_text), or escalate",
                        "response_queue_id",
                    ) from error
                if is_not_sent:
                    raise UnavailableError(
                        f"nothing was sent; decide again, with this text or another: {error}"
                    ) from error
                raise UnavailableError(
                    f"not known to be sent; the same decision can be made again, and the tenant "
                    f"gets the text once: {error}"
                ) from error
        # What the tenant was sent says whether it was changed, not what the caller named it.
        changed = outbound.text != response.text
        action = ApprovalAction.MODIFY if changed else ApprovalAction.APPROVE
        async with self._database.writing() as session:
            await lock_conversation(self._database, session, workflow.conversation_id)
            # The text is with the tenant, whatever has become of the response meanwhile.
            session.write_last(has_been_sent(outbound.id, message_id))
            answered = await session.execute(
                update(QueuedResponse)
                .where(
                    QueuedResponse.id == response.id,
                    QueuedResponse.status == QueueStatus.SENDING,
                )
                .values(status=_QUEUE_STATUS_AFTER[action], updated_at=now())
                .returning(QueuedResponse.id)
                .execution_options(synchronize_session=False)
            )
            is_answered = answered.scalar_one_or_none() is not None
            if is_answered:
                session.write_last(
                    update(table_of(WorkflowInstance))
                    .where(
                        WorkflowInstance.id == workflow.id,
                        WorkflowInstance.status == WorkflowStatus.AWAITING_APPROVAL,
                    )
                    .values(status=WorkflowStatus.SENT, updated_at=now())
                )
                session.write_last(inserted(_audit(decision, action, outbound.text)))
                session.tell(log, self._decided(response, action))
        if not is_answered:
            raise ConflictError(
                "this took so long that somebody else has decided; the text was sent",
                "response_queue_id",
            )
        return Decided(action, WorkflowStatus.SENT)

    def _decided(
        self, response: QueuedResponse, action: ApprovalAction
    ) -> ResponseApproved | ResponseModified | ResponseEscalated:
        waited = self._wall_time.seconds(response.created_at, now())
        return _DECIDED[action](
            response_queue_id=Identifier(response.id), waited_seconds=round(waited, 1)
        )

    async def _claim(self, decision: Decision) -> _Claim:
        """Take the response for this decision, and store the text with its key."""
        claimed_at = now()
        async with self._database.writing() as session:
            response, workflow = await self._waiting(session, decision.response_queue_id)
            before = await session.scalar(
                select(OutboundMessage).where(OutboundMessage.workflow_id == workflow.id)
            )
            text = decision.text or response.text
            if before is not None and before.state is not OutboundState.NOT_SENT:
                if before.text != text:
                    raise ConflictError(
                        "another text was on its way before, and the tenant may have it; send "
                        "exactly that one (outbound_text in the workflow's status), or escalate",
                        "response_queue_id",
                    )
                outbound, is_first = before, False
            else:
                outbound, is_first = _outbound(response, workflow, text), True
                if before is None:
                    session.write_last(inserted(outbound))
                else:
                    outbound.id = new_id()
                    session.write_last(replaces(before.id, outbound))
            session.write_last(
                update(table_of(QueuedResponse))
                .where(
                    QueuedResponse.id == response.id,
                    QueuedResponse.status == QueueStatus.PENDING,
                )
                .values(status=QueueStatus.SENDING, updated_at=claimed_at)
            )
        return _Claim(response, workflow, outbound, claimed_at, is_first)

    async def _waiting(
        self, session: AsyncSession, response_queue_id: str
    ) -> tuple[QueuedResponse, WorkflowInstance]:
        """The response and its workflow, waiting, and kept so by a lock until the commit."""
        conversation_id = await session.scalar(
            select(WorkflowInstance.conversation_id)
            .join(QueuedResponse, QueuedResponse.workflow_id == WorkflowInstance.id)
            .where(QueuedResponse.id == response_queue_id)
        )
        if conversation_id is None:
            raise UnknownIdError(f"no response {response_queue_id}", "response_queue_id")
        await lock_conversation(self._database, session, conversation_id)
        found = await session.execute(
            select(QueuedResponse, WorkflowInstance)
            .join(WorkflowInstance, WorkflowInstance.id == QueuedResponse.workflow_id)
            .where(QueuedResponse.id == response_queue_id)
        )
        response, workflow = found.one()
        if response.status is QueueStatus.SENDING:
            raise ConflictError(
                "this response is being sent; if that fails, it will be listed as waiting again",
                "response_queue_id",
            )
        if response.status is not QueueStatus.PENDING:
            raise ConflictError(
                f"this response is {response.status}, no longer pending", "response_queue_id"
            )
        if workflow.status is not WorkflowStatus.AWAITING_APPROVAL:
            raise ConflictError(
                f"its workflow is {workflow.status}, no longer waiting", "response_queue_id"
            )
        return response, workflow

    async def _release(self, claim: _Claim, *, may_be_sent: bool) -> bool:
        """Let the response be decided again; gives whether the text is known not to be sent."""
        is_not_sent = False
        async with self._database.writing() as session:
            await lock_conversation(self._database, session, claim.workflow.conversation_id)
            released = await session.execute(
                update(QueuedResponse)
                .where(
                    QueuedResponse.id == claim.response.id,
                    QueuedResponse.status == QueueStatus.SENDING,
                    # A later claim is somebody else's, who may be sending.
                    QueuedResponse.updated_at == claim.at,
                )
                .values(status=QueueStatus.PENDING, updated_at=now())
                .returning(QueuedResponse.id)
                .execution_options(synchronize_session=False)
            )
            is_released = released.scalar_one_or_none() is not None
            if is_released and claim.is_first and not may_be_sent:
                session.write_last(is_known_not_to_be_sent(claim.outbound.id))
                is_not_sent = True
        return is_not_sent


def _identify(workflow: WorkflowInstance) -> None:
    correlation.identify(
        tenant_id=workflow.tenant_id,
        conversation_id=workflow.conversation_id,
        workflow_id=workflow.id,
    )


def _outbound(response: QueuedResponse, workflow: WorkflowInstance, text: str) -> OutboundMessage:
    return OutboundMessage(
        id=response.id,
        workflow_id=workflow.id,
        response_queue_id=response.id,
        phone_number=workflow.phone_number,
        text=text,
        state=OutboundState.UNCONFIRMED,
    )


def _audit(decision: Decision, action: ApprovalAction, text: str | None) -> ApprovalAudit:
    """What was done; ``text`` is what was really sent."""
    return ApprovalAudit(
        response_queue_id=decision.response_queue_id,
        action=action,
        manager_id=decision.manager_id,
        text=text,
        reason=decision.reason,
    )
