"""Escalations: opened by hand or by the sweep, closed by a manager."""

from datetime import datetime, timedelta

from sqlalchemy import Exists, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app.core.catalogue import Detection, EscalationType, Severity
from app.core.database import Database
from app.core.errors import ConflictError, UnknownIdError
from app.core.events import EscalationOpened, EscalationResolved
from app.core.wall_time import WallTime
from app.models import (
    EscalationEvent,
    QueuedResponse,
    QueueStatus,
    WorkflowInstance,
    WorkflowStatus,
    now,
)
from app.services.announcements import Announcements
from app.services.conversations import conversation_key, lock_conversation
from app.services.inserts import insert_unless, table_of
from asgi_observability import correlation
from asgi_observability.event import Identifier
from asgi_observability.logging import get_logger

log = get_logger(__name__)

OPEN_STATUSES = (WorkflowStatus.SENT, WorkflowStatus.AWAITING_APPROVAL, WorkflowStatus.FAILED)
"""Workflows that an escalation of their conversation takes over."""


class Escalations:
    """Opens and closes escalations."""

    def __init__(
        self,
        database: Database,
        announcements: Announcements,
        wall_time: WallTime,
        no_response_per_minute: int,
    ) -> None:
        self._wall_time = wall_time
        self._per_minute = no_response_per_minute
        self._database = database
        self._announcements = announcements

    async def open(
        self,
        conversation_id: str,
        kind: EscalationType,
        severity: Severity,
        detection: Detection,
        reason: str | None = None,
    ) -> str:
        """Escalate a conversation; its latest workflow goes with it, if it is not over.

        Gives the ID of the escalation. The same trouble opened again is the one that is open
        already. Raises ConflictError
        while a manager's answer to the conversation is on its way to the tenant.
        """
        latest = (
            select(WorkflowInstance.id, WorkflowInstance.tenant_id, WorkflowInstance.correlation_id)
            .where(WorkflowInstance.conversation_id == conversation_id)
            .order_by(WorkflowInstance.created_at.desc())
            .limit(1)
        )
        wanted = EscalationEvent(
            conversation_id=conversation_id,
            type=kind,
            severity=severity,
            detection=detection,
            reason=reason,
        )
        correlation.identify(conversation_id=conversation_id)
        async with self._database.writing() as session:
            await lock_conversation(self._database, session, conversation_id)
            workflow = (await session.execute(latest)).one_or_none()
            if workflow:
                correlation.identify(tenant_id=workflow.tenant_id, workflow_id=workflow.id)
                if await is_being_answered(session, workflow.id):
                    raise ConflictError(
                        "a manager's answer to this conversation is being sent; "
                        "escalate again when it is sent",
                        "conversation_id",
                    )
            escalation, is_new = await open_once(session, wanted)
            if workflow and await take_over(session, workflow.id, escalation.id) and is_new:
                escalation.workflow_id = workflow.id
                session.write_last(
                    update(table_of(EscalationEvent))
                    .where(EscalationEvent.id == escalation.id)
                    .values(workflow_id=workflow.id)
                )
            origin = workflow.correlation_id if workflow else ""
            if is_new:
                with correlation.continuing(origin):
                    session.tell(log, escalation_opened(escalation))
        if is_new:
            # What is announced belongs to the SMS that is escalated.
            with correlation.continuing(origin):
                self._announcements.escalated(escalation)
        return escalation.id

    async def no_response(self, older_than: datetime, limit: int) -> int:
        """Escalate up to ``limit`` workflows that nobody answered since ``older_than``.

        Gives how many. Each call takes its own: rows that another one has just now are passed over,
        and the age is looked at again in the transaction that escalates. Over all workers there are
        not more than the settings allow a minute.
        """
        opened: list[tuple[EscalationEvent, str]] = []
        async with self._database.writing() as session:
            # One after the other, because the ceiling is for all of them.
            await self._database.lock(session, "no_response")
            recent = await session.scalar(
                select(func.count()).where(
                    EscalationEvent.type == EscalationType.NO_RESPONSE,
                    EscalationEvent.created_at > now() - timedelta(minutes=1),
                )
            )
            limit = min(limit, self._per_minute - (recent or 0))
            if limit <= 0:
                return 0
            overdue = (
                select(
                    WorkflowInstance.id,
                    WorkflowInstance.conversation_id,
                    WorkflowInstance.correlation_id,
                )
                .where(
                    WorkflowInstance.status.in_(
                        (WorkflowStatus.AWAITING_APPROVAL, WorkflowStatus.SENT)
                    ),
                    WorkflowInstance.updated_at < older_than,
                    ~_is_being_answered(WorkflowInstance.id),
                )
                .order_by(WorkflowInstance.updated_at)
                .limit(limit)
                .with_for_update(skip_locked=True, of=WorkflowInstance)
            )
            found = (await session.execute(overdue)).all()
            taken = 0
            for workflow_id, conversation_id, correlation_id in found:
                # Whoever changes the conversation now makes it younger; it is not waited for.
                key = conversation_key(conversation_id)
                if not await self._database.try_lock(session, key):
                    continue
                if await is_being_answered(session, workflow_id):
                    continue
                escalation, is_new = await open_once(
                    session,
                    EscalationEvent(
                        conversation_id=conversation_id,
                        workflow_id=workflow_id,
                        type=EscalationType.NO_RESPONSE,
                        severity=Severity.MEDIUM,
                        detection=Detection.AUTO,
                    ),
                )
                if not await take_over(session, workflow_id, escalation.id, older_than):
                    if is_new:
                        await session.execute(
                            delete(EscalationEvent).where(EscalationEvent.id == escalation.id)
                        )
                    continue
                taken += 1
                if is_new:
                    opened.append((escalation, correlation_id))
                    with correlation.continuing(correlation_id):
                        session.tell(log, escalation_opened(escalation))
        for escalation, correlation_id in opened:
            with correlation.continuing(correlation_id):
                self._announcements.escalated(escalation)
        return taken

    async def resolve(self, escalation_id: str, manager_id: str, note: str | None) -> float:
        """Close an escalation and give the seconds it was open.

        Its workflows are completed. Raises UnknownIdError or ConflictError.
        """
        async with self._database.writing() as session:
            conversation_id = await session.scalar(
                select(EscalationEvent.conversation_id).where(EscalationEvent.id == escalation_id)
            )
            if conversation_id is None:
                raise UnknownIdError(f"no escalation {escalation_id}", "escalation_id")
            await lock_conversation(self._database, session, conversation_id)
            resolved_at = now()
            closed = await session.execute(
                update(EscalationEvent)
                .where(EscalationEvent.id == escalation_id, EscalationEvent.resolved_at.is_(None))
                .values(resolved_at=resolved_at, resolved_by=manager_id, note=note)
                .returning(
                    EscalationEvent.workflow_id,
                    EscalationEvent.type,
                    EscalationEvent.severity,
                    EscalationEvent.created_at,
                )
                .execution_options(synchronize_session=False)
            )
            row = closed.one_or_none()
            if row is None:
                raise ConflictError("this escalation is resolved already", "escalation_id")
            workflow_id, kind, severity, created_at = row
            correlation.identify(conversation_id=conversation_id, workflow_id=workflow_id)
            await session.execute(
                update(WorkflowInstance)
                .where(
                    or_(
                        WorkflowInstance.escalation_id == escalation_id,
                        WorkflowInstance.id == workflow_id,
                    ),
                    WorkflowInstance.status == WorkflowStatus.ESCALATED,
                )
                .values(status=WorkflowStatus.COMPLETED, updated_at=resolved_at)
                .execution_options(synchronize_session=False)
            )
            origin = await session.scalar(
                select(WorkflowInstance.correlation_id).where(WorkflowInstance.id == workflow_id)
            )
            seconds = self._wall_time.seconds(created_at, resolved_at)
            resolved = EscalationResolved(
                escalation_id=Identifier(escalation_id),
                type=kind,
                severity=severity,
                open_seconds=round(seconds, 1),
            )
            with correlation.continuing(origin or ""):
                session.tell(log, resolved)
        return seconds


def escalation_opened(escalation: EscalationEvent) -> EscalationOpened:
    """The event of the log that says so."""
    return EscalationOpened(
        escalation_id=Identifier(escalation.id),
        type=escalation.type,
        severity=escalation.severity,
        detection=escalation.detection,
    )


async def open_once(session: AsyncSession, wanted: EscalationEvent) -> tuple[EscalationEvent, bool]:
    """``wanted``, stored, and True; or the one that is open for the same, and False.

    The same is: of the same conversation and type, and not less severe. The transaction has locked
    the conversation.
    """
    severities = list(Severity)
    same = (
        EscalationEvent.conversation_id == wanted.conversation_id,
        EscalationEvent.type == wanted.type,
        EscalationEvent.severity.in_(severities[severities.index(wanted.severity) :]),
        EscalationEvent.resolved_at.is_(None),
    )
    # The worker that opens it announces it in a moment.
    wanted.notify_claimed_at = now()
    if await insert_unless(session, wanted, select(EscalationEvent.id).where(*same).exists()):
        return wanted, True
    known = await session.scalars(
        select(EscalationEvent).where(*same).order_by(EscalationEvent.created_at).limit(1)
    )
    return known.one(), False


async def is_being_answered(session: AsyncSession, workflow_id: str) -> bool:
    """Whether a manager's decision on the workflow is carried out just now."""
    return bool(await session.scalar(select(_is_being_answered(workflow_id))))


def _is_being_answered(workflow_id: str | InstrumentedAttribute[str]) -> Exists:
    waiting = aliased(WorkflowInstance)
    return (
        select(QueuedResponse.id)
        .join(waiting, waiting.id == QueuedResponse.workflow_id)
        .where(
            QueuedResponse.workflow_id == workflow_id,
            QueuedResponse.status == QueueStatus.SENDING,
            waiting.status == WorkflowStatus.AWAITING_APPROVAL,
        )
        .exists()
    )


async def take_over(
    session: AsyncSession,
    workflow_id: str,
    escalation_id: str,
    older_than: datetime | None = None,
) -> bool:
    """Mark the workflow escalated, and the response of it that waits.

    False, and nothing changed, when it is over, or not ``older_than`` that any more. The
    transaction has locked the conversation and knows that no manager is deciding.
    """
    open_workflow = update(WorkflowInstance).where(
        WorkflowInstance.id == workflow_id, WorkflowInstance.status.in_(OPEN_STATUSES)
    )
    if older_than is not None:
        open_workflow = open_workflow.where(WorkflowInstance.updated_at < older_than)
    moved = await session.execute(
        open_workflow.values(
            status=WorkflowStatus.ESCALATED, escalation_id=escalation_id, updated_at=now()
        )
        .returning(WorkflowInstance.id)
        .execution_options(synchronize_session=False)
    )
    if moved.scalar_one_or_none() is None:
        return False
    await session.execute(
        update(QueuedResponse)
        .where(
            QueuedResponse.workflow_id == workflow_id,
            QueuedResponse.status.in_((QueueStatus.PENDING, QueueStatus.SENDING)),
        )
        .values(status=QueueStatus.ESCALATED, updated_at=now())
        .execution_options(synchronize_session=False)
    )
    return True
