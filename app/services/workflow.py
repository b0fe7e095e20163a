"""The workflow of one SMS: context, answer, plan, routing, and carrying the routing out."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.clients.ai_provider import AIProvider, Answer
from app.clients.collections_monitor import CollectionsMonitor
from app.clients.sms_agent import SMSAgent
from app.clients.upstream import UpstreamError
from app.core import correlation
from app.core.catalogue import (
    Detection,
    EscalationType,
    PlanResult,
    Route,
    Severity,
    Step,
)
from app.core.config import Settings
from app.core.database import Database
from app.core.errors import ConflictError, UnknownIdError
from app.core.events import (
    AIAnswered,
    FromCode,
    Identifier,
    PaymentPlanAutoApproved,
    PaymentPlanDetected,
    PaymentPlanValidated,
    ResponseAutoSent,
    ResponseQueued,
    SMSReceived,
    SMSRepeated,
    SMSRouted,
    WorkflowBroken,
    WorkflowFailed,
    WorkflowRetried,
)
from app.core.logging import get_logger
from app.models import (
    EscalationEvent,
    PaymentPlanAttempt,
    QueuedResponse,
    QueueStatus,
    WorkflowInstance,
    WorkflowStatus,
    WorkflowStep,
    now,
)
from app.services.announcements import Announcements
from app.services.escalation_triggers import Trigger, find_trigger
from app.services.escalations import escalation_opened
from app.services.metrics_service import MetricsService
from app.services.payment_plans import proposed, validate
from app.services.routing import route_answer
from app.services.step_record import StepRecord

log = get_logger(__name__)

_STATUS_AFTER = {
    Route.AUTO_SENT: WorkflowStatus.SENT,
    Route.QUEUED: WorkflowStatus.AWAITING_APPROVAL,
    Route.ESCALATED: WorkflowStatus.ESCALATED,
}
_QUEUE_STATUS_AFTER = {
    Route.AUTO_SENT: QueueStatus.AUTO_SENT,
    Route.QUEUED: QueueStatus.PENDING,
    Route.ESCALATED: QueueStatus.ESCALATED,
}
_STEP_OF = {
    Route.AUTO_SENT: Step.SEND_SMS,
    Route.QUEUED: Step.QUEUE_FOR_APPROVAL,
    Route.ESCALATED: Step.OPEN_ESCALATION,
}


@dataclass(frozen=True, slots=True)
class SMS:
    """A text from a tenant."""

    tenant_id: str
    phone_number: str
    content: str
    conversation_id: str

    @property
    def key(self) -> str:
        """The same for the same message, delivered again."""
        parts = (self.tenant_id, self.phone_number, self.conversation_id, self.content)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class WorkflowReport:
    """A workflow with its steps, oldest first, and the AI's latest answer."""

    workflow: WorkflowInstance
    steps: list[WorkflowStep]
    response: QueuedResponse | None


class Workflows:
    """Runs workflows and tells where they are."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        tenants: CollectionsMonitor,
        sms_agent: SMSAgent,
        ai: AIProvider,
        announcements: Announcements,
        metrics: MetricsService,
    ) -> None:
        self._settings = settings
        self._database = database
        self._tenants = tenants
        self._sms_agent = sms_agent
        self._ai = ai
        self._announcements = announcements
        self._metrics = metrics

    async def receive(self, sms: SMS) -> WorkflowInstance:
        """Take a text in and run its workflow to where it waits or ends.

        The same text of the same conversation within the duplicate window is the same message: its
        workflow is given back as it is, and nothing runs twice.
        """
        correlation.identify(tenant_id=sms.tenant_id, conversation_id=sms.conversation_id)
        workflow, is_new = await self._open(sms)
        correlation.identify(workflow_id=workflow.id)
        if not is_new:
            log.event(SMSRepeated())
            return workflow
        log.event(SMSReceived())
        self._metrics.sms_received()
        await self._run(workflow)
        return workflow

    async def retry(self, workflow_id: str, reason: str | None) -> WorkflowInstance:
        """Run a failed workflow again. Raises UnknownIdError or ConflictError."""
        async with self._database.writing() as session:
            # Locked: what is erased just now is not sent to anybody.
            workflow = await session.get(WorkflowInstance, workflow_id, with_for_update=True)
            if workflow is None:
                raise UnknownIdError(f"no workflow {workflow_id}", "workflow_id")
            if workflow.erased_at:
                raise ConflictError(
                    "its text and number were erased when their retention was over; "
                    "the tenant has to write again",
                    "workflow_id",
                )
            claimed = await self._move(
                session, workflow, WorkflowStatus.FAILED, WorkflowStatus.PROCESSING
            )
            if not claimed:
                raise ConflictError(
                    f"only a failed workflow can be retried; this one is {workflow.status}",
                    "workflow_id",
                )
        # The lines and calls from here on belong to the SMS that is run again.
        with correlation.continuing(workflow.correlation_id):
            correlation.identify(
                tenant_id=workflow.tenant_id,
                conversation_id=workflow.conversation_id,
                workflow_id=workflow.id,
            )
            route = await self._run(workflow)
            log.event(WorkflowRetried(route=route, reason_given=reason is not None))
        self._metrics.workflow_retried(recovered=workflow.status is not WorkflowStatus.FAILED)
        return workflow

    async def report(self, conversation_id: str) -> WorkflowReport:
        """The latest workflow of a conversation. Raises UnknownIdError."""
        latest = (
            select(WorkflowInstance)
            .where(WorkflowInstance.conversation_id == conversation_id)
            .order_by(WorkflowInstance.created_at.desc())
            .limit(1)
        )
        async with self._database.reading() as session:
            workflow = await session.scalar(latest)
            if workflow is None:
                raise UnknownIdError(f"no conversation {conversation_id}", "conversation_id")
            steps = await session.scalars(
                select(WorkflowStep)
                .where(WorkflowStep.workflow_id == workflow.id)
                .order_by(WorkflowStep.id)
            )
            response = await session.scalar(
                select(QueuedResponse)
                .where(QueuedResponse.workflow_id == workflow.id)
                .order_by(QueuedResponse.created_at.desc())
                .limit(1)
            )
            return WorkflowReport(workflow, list(steps), response)

    async def _open(self, sms: SMS) -> tuple[WorkflowInstance, bool]:
        since = now() - timedelta(seconds=self._settings.duplicate_window_seconds)
        async with self._database.writing() as session:
            await self._database.lock(session, sms.key)
            known = await session.scalar(
                select(WorkflowInstance)
                .where(WorkflowInstance.message_key == sms.key, WorkflowInstance.created_at > since)
                .limit(1)
            )
            if known:
                return known, False
            # The tenant has answered: what was sent before has done its work.
            await session.execute(
                update(WorkflowInstance)
                .where(
                    WorkflowInstance.conversation_id == sms.conversation_id,
                    WorkflowInstance.status == WorkflowStatus.SENT,
                )
                .values(status=WorkflowStatus.COMPLETED, updated_at=now())
            )
            workflow = WorkflowInstance(
                message_key=sms.key,
                conversation_id=sms.conversation_id,
                tenant_id=sms.tenant_id,
                phone_number=sms.phone_number,
                content=sms.content,
                correlation_id=correlation.current(),
                status=WorkflowStatus.PROCESSING,
            )
            session.add(workflow)
        return workflow, True

    async def _run(self, workflow: WorkflowInstance) -> Route:
        started = perf_counter()
        steps = StepRecord(workflow.id, self._metrics)
        try:
            with self._metrics.sms_in_flight():
                route = await self._process(workflow, steps)
        except UpstreamError as error:
            route = Route.FAILED
            await self._fail(workflow, str(error))
            log.event(
                WorkflowFailed(
                    error_type=error.error_type,
                    component=error.component,
                    duration_ms=_milliseconds_since(started),
                )
            )
        except Exception as error:
            await self._fail(workflow, type(error).__name__)
            log.event(
                WorkflowBroken(
                    error_type=FromCode(type(error).__name__),
                    duration_ms=_milliseconds_since(started),
                )
            )
            self._metrics.sms_processed(Route.FAILED, perf_counter() - started)
            raise
        self._metrics.sms_processed(route, perf_counter() - started)
        async with self._database.writing() as session:
            session.add_all(steps.rows)
        if route is not Route.FAILED:
            log.event(SMSRouted(route=route, duration_ms=_milliseconds_since(started)))
        return route

    async def _process(self, workflow: WorkflowInstance, steps: StepRecord) -> Route:
        with steps.running(Step.TENANT_CONTEXT):
            tenant = await self._tenants.tenant(workflow.tenant_id)
        with steps.running(Step.MESSAGE_HISTORY):
            history = await self._sms_agent.conversation(workflow.phone_number)
        with steps.running(Step.AI_RESPONSE):
            answer = await self._ai.answer(workflow.content, tenant, history)
        confidence = round(answer.confidence, 3)
        log.event(AIAnswered(confidence=confidence))
        plan = await self._plan(workflow, answer, tenant.arrears_dollars, steps)
        trigger = find_trigger(workflow.content, plan)
        route = route_answer(answer.confidence, trigger, plan, self._settings.routing)
        for other in _STEP_OF.keys() - {route}:
            steps.skipped(_STEP_OF[other])
        with steps.running(_STEP_OF[route]):
            if route is Route.AUTO_SENT:
                await self._sms_agent.send(
                    workflow.phone_number, answer.text, workflow.conversation_id, workflow.id
                )
                log.event(ResponseAutoSent(confidence=confidence))
            escalation = _escalation(workflow, trigger) if route is Route.ESCALATED else None
            await self._conclude(workflow, answer, route, escalation)
        self._metrics.ai_responded(route, answer.confidence)
        if plan is PlanResult.VALID and route is Route.AUTO_SENT:
            log.event(PaymentPlanAutoApproved())
            self._metrics.payment_plan_auto_approved()
        return route

    async def _plan(
        self,
        workflow: WorkflowInstance,
        answer: Answer,
        arrears_dollars: float | None,
        steps: StepRecord,
    ) -> PlanResult | None:
        plan = proposed(workflow.content, answer.text)
        self._metrics.payment_plan_looked_for(found=plan is not None)
        if plan is None:
            steps.skipped(Step.PAYMENT_PLAN)
            return None
        log.event(PaymentPlanDetected())
        result = validate(plan, self._settings.payment_plans, arrears_dollars)
        with steps.running(Step.PAYMENT_PLAN):
            async with self._database.writing() as session:
                known = await session.scalar(
                    select(PaymentPlanAttempt.id).where(
                        PaymentPlanAttempt.workflow_id == workflow.id
                    )
                )
                if known is None:
                    session.add(
                        PaymentPlanAttempt(
                            conversation_id=workflow.conversation_id,
                            tenant_id=workflow.tenant_id,
                            workflow_id=workflow.id,
                            weekly_dollars=plan.weekly_dollars,
                            weeks=plan.weeks,
                            result=result,
                        )
                    )
        if known is None:
            log.event(PaymentPlanValidated(result=result))
            self._metrics.payment_plan_validated(result)
        return result

    async def _conclude(
        self,
        workflow: WorkflowInstance,
        answer: Answer,
        route: Route,
        escalation: EscalationEvent | None,
    ) -> None:
        """Store answer, routing and escalation at once, then tell the managers."""
        response = QueuedResponse(
            workflow_id=workflow.id,
            text=answer.text,
            confidence=answer.confidence,
            status=_QUEUE_STATUS_AFTER[route],
        )
        async with self._database.writing() as session:
            session.add(response)
            if escalation:
                session.add(escalation)
            concluded = await self._move(
                session,
                workflow,
                WorkflowStatus.PROCESSING,
                _STATUS_AFTER[route],
                route=route,
                confidence=answer.confidence,
                error=None,
            )
            if not concluded:
                raise ConflictError("the workflow was given up while it ran", "workflow_id")
        if escalation:
            log.event(escalation_opened(escalation))
            self._metrics.escalation_opened(
                escalation.type, escalation.severity, escalation.detection
            )
            self._announcements.escalated(escalation)
        elif route is Route.QUEUED:
            log.event(
                ResponseQueued(
                    response_queue_id=Identifier(response.id),
                    confidence=round(answer.confidence, 3),
                )
            )
            self._announcements.response_queued(response, workflow.conversation_id)

    async def _fail(self, workflow: WorkflowInstance, error: str) -> None:
        async with self._database.writing() as session:
            await self._move(
                session,
                workflow,
                WorkflowStatus.PROCESSING,
                WorkflowStatus.FAILED,
                route=Route.FAILED,
                error=error,
            )

    @staticmethod
    async def _move(
        session: AsyncSession,
        workflow: WorkflowInstance,
        before: WorkflowStatus,
        after: WorkflowStatus,
        **values: object,
    ) -> bool:
        """Change the status if it is still ``before``; False when somebody else was faster."""
        changes = {"status": after, "updated_at": now(), **values}
        moved = await session.execute(
            update(WorkflowInstance)
            .where(WorkflowInstance.id == workflow.id, WorkflowInstance.status == before)
            .values(changes)
            .returning(WorkflowInstance.id)
            .execution_options(synchronize_session=False)
        )
        if moved.scalar_one_or_none() is None:
            return False
        for name, value in changes.items():
            setattr(workflow, name, value)
        return True


def _milliseconds_since(started: float) -> float:
    return round((perf_counter() - started) * 1000, 1)


def _escalation(workflow: WorkflowInstance, trigger: Trigger | None) -> EscalationEvent:
    # Without a trigger it was the low confidence that brought it here.
    trigger = trigger or Trigger(EscalationType.LOW_CONFIDENCE, Severity.LOW)
    return EscalationEvent(
        conversation_id=workflow.conversation_id,
        workflow_id=workflow.id,
        type=trigger.type,
        severity=trigger.severity,
        detection=Detection.AUTO,
    )
