"""The workflow of one SMS: context, answer, plan, routing, and carrying the routing out."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningUpdate

from app.clients.ai_provider import AIProvider, Answer
from app.clients.collections_monitor import CollectionsMonitor
from app.clients.sms_agent import SMSAgent
from app.clients.upstream import UpstreamError
from app.core.catalogue import (
    Component,
    Detection,
    EscalationType,
    Operation,
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
    PaymentPlanAutoApproved,
    PaymentPlanDetected,
    PaymentPlanNotFound,
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
from app.core.facts import Transaction
from app.models import (
    EscalationEvent,
    OutboundMessage,
    OutboundState,
    PaymentPlanAttempt,
    QueuedResponse,
    QueueStatus,
    WorkflowInstance,
    WorkflowStatus,
    WorkflowStep,
    new_id,
    now,
)
from app.services.announcements import Announcements
from app.services.conversations import conversation_key, lock_conversation
from app.services.escalation_triggers import Trigger, find_trigger
from app.services.escalations import escalation_opened, open_once
from app.services.inserts import insert_unless, inserted, table_of
from app.services.metrics_service import MetricsService
from app.services.outbound import has_been_sent, is_known_not_to_be_sent, replaces
from app.services.payment_plans import store_once
from app.services.plan_extraction import PaymentPlan, named_in, proposed, validate
from app.services.routing import route_answer
from app.services.step_record import StepRecord
from app.services.workflow_reports import WorkflowReport, WorkflowState
from asgi_observability import correlation
from asgi_observability.event import FromCode, Identifier
from asgi_observability.logging import get_logger

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
    message_id: str | None = None

    @property
    def key(self) -> str:
        """The same for the same message, delivered again.

        The provider's ID decides where there is one; else the same words are the same message.
        """
        if self.message_id is not None:
            parts: tuple[str, ...] = ("message_id", self.phone_number, self.message_id)
        else:
            parts = (self.tenant_id, self.phone_number, self.conversation_id, self.content)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


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

    async def receive(self, sms: SMS) -> WorkflowState:
        """Take a text in and run its workflow to where it waits or ends.

        The same message is run once, however often it is delivered: its workflow is given back as
        it is.
        """
        correlation.identify(tenant_id=sms.tenant_id, conversation_id=sms.conversation_id)
        workflow, is_new = await self._open(sms)
        correlation.identify(workflow_id=workflow.id)
        if not is_new:
            log.event(SMSRepeated())
            return WorkflowState.of(workflow)
        return WorkflowState.of(await self._run(workflow))

    async def retry(self, workflow_id: str, reason: str | None) -> WorkflowState:
        """Run a failed workflow again. Raises UnknownIdError or ConflictError.

        A text that it had decided on is sent as it was, under the same key: the tenant may have it
        already.
        """
        async with self._database.writing() as session:
            claimed = (await session.execute(_claim_to_retry(workflow_id))).scalar_one_or_none()
            workflow = await session.get(WorkflowInstance, workflow_id)
            if workflow is None:
                raise UnknownIdError(f"no workflow {workflow_id}", "workflow_id")
            if workflow.erased_at:
                raise ConflictError(
                    "its text and number were erased when their retention was over; "
                    "the tenant has to write again",
                    "workflow_id",
                )
            if claimed is None:
                raise ConflictError(
                    f"only a failed workflow can be retried; this one is {workflow.status}",
                    "workflow_id",
                )
        return WorkflowState.of(await self.run_again(workflow, reason))

    async def run_again(self, workflow: WorkflowInstance, reason: str | None) -> WorkflowInstance:
        """Run a workflow that was claimed for it; gives it as it is afterwards."""
        # The lines and calls from here on belong to the SMS that is run again.
        with correlation.continuing(workflow.correlation_id):
            correlation.identify(
                tenant_id=workflow.tenant_id,
                conversation_id=workflow.conversation_id,
                workflow_id=workflow.id,
            )
            return await self._run(workflow, reason_given=reason is not None)

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
            outbound = await session.scalar(
                select(OutboundMessage).where(OutboundMessage.workflow_id == workflow.id)
            )
            return WorkflowReport.of(workflow, steps, response, outbound)

    async def _open(self, sms: SMS) -> tuple[WorkflowInstance, bool]:
        same_message = [WorkflowInstance.message_key == sms.key]
        if sms.message_id is None:
            since = now() - timedelta(seconds=self._settings.duplicate_window_seconds)
            same_message.append(WorkflowInstance.created_at > since)
        workflow = WorkflowInstance(
            message_key=sms.key,
            conversation_id=sms.conversation_id,
            tenant_id=sms.tenant_id,
            phone_number=sms.phone_number,
            content=sms.content,
            correlation_id=correlation.current(),
            status=WorkflowStatus.PROCESSING,
            attempt=1,
        )
        async with self._database.writing() as session:
            await self._database.lock(session, sms.key, conversation_key(sms.conversation_id))
            is_known = select(WorkflowInstance.id).where(*same_message).exists()
            if not await insert_unless(session, workflow, is_known):
                known = select(WorkflowInstance).where(*same_message).limit(1)
                return (await session.scalars(known)).one(), False
            # The tenant has answered: what was sent before has done its work.
            session.write_last(
                update(table_of(WorkflowInstance))
                .where(
                    WorkflowInstance.conversation_id == sms.conversation_id,
                    WorkflowInstance.status == WorkflowStatus.SENT,
                )
                .values(status=WorkflowStatus.COMPLETED, updated_at=now())
            )
            correlation.identify(workflow_id=workflow.id)
            session.tell(log, SMSReceived())
        return workflow, True

    async def _run(
        self, workflow: WorkflowInstance, *, reason_given: bool = False
    ) -> WorkflowInstance:
        run = _Run(workflow, StepRecord(workflow.id, self._metrics), reason_given)
        try:
            with self._metrics.sms_in_flight():
                await self._process(run)
        except _GivenUpError:
            # Who gave it up has counted it; somebody else may be running it by now.
            async with self._database.reading() as session:
                return await session.get_one(WorkflowInstance, workflow.id)
        except UpstreamError as error:
            await self._fail(
                run,
                str(error),
                WorkflowFailed(
                    attempt=workflow.attempt,
                    error_type=error.error_type,
                    component=error.component,
                    duration_ms=run.milliseconds,
                ),
                stays_requested=error.held_back,
            )
        except Exception as error:
            # Where the database itself fails, this fails too: the sweep will find the workflow,
            # and count it.
            name = type(error).__name__
            await self._fail(
                run,
                name,
                WorkflowBroken(
                    attempt=workflow.attempt,
                    error_type=FromCode(name),
                    duration_ms=run.milliseconds,
                ),
            )
            raise
        return workflow

    async def _process(self, run: "_Run") -> None:
        decided = await self._text_decided_on(run.workflow) if run.workflow.attempt > 1 else None
        if decided is not None:
            await self._take_up(run, *decided)
        elif (text := await self._decide(run)) is not None:
            await self._send(run, *text)

    async def _take_up(self, run: "_Run", outbound: OutboundMessage, confidence: float) -> None:
        """Send what an earlier run was about to send, as it was."""
        if outbound.state is not OutboundState.SENT and await self._is_overtaken(run.workflow):
            await self._leave_to_a_manager(run, outbound, confidence)
            return
        if outbound.state is OutboundState.NOT_SENT:
            refused_key = outbound.id
            outbound.id = run.new_key = new_id()
            outbound.state = OutboundState.UNCONFIRMED
            async with self._database.writing() as session:
                await self._still_running(session, run.workflow)
                session.write_last(replaces(refused_key, outbound))
        await self._send(run, outbound, confidence)

    async def _text_decided_on(
        self, workflow: WorkflowInstance
    ) -> tuple[OutboundMessage, float] | None:
        """What an earlier run was about to send, and the AI's confidence in it."""
        decided = (
            select(OutboundMessage, QueuedResponse.confidence)
            .join(QueuedResponse, QueuedResponse.id == OutboundMessage.response_queue_id)
            .where(OutboundMessage.workflow_id == workflow.id)
        )
        async with self._database.reading() as session:
            row = (await session.execute(decided)).one_or_none()
        return (row[0], row[1]) if row else None

    async def _decide(self, run: "_Run") -> tuple[OutboundMessage, float] | None:
        """Ask the AI and store where its answer goes; gives the text that is to be sent, if any."""
        workflow, steps = run.workflow, run.steps
        with steps.running(Step.TENANT_CONTEXT):
            tenant = await self._tenants.tenant(workflow.tenant_id)
        with steps.running(Step.MESSAGE_HISTORY):
            history = await self._sms_agent.conversation(workflow.phone_number)
        with steps.running(Step.AI_RESPONSE):
            answer = await self._ai.answer(workflow.content, tenant, history)
        self._metrics.ai_answered(answer.tokens)
        log.event(AIAnswered(confidence=round(answer.confidence, 3)))
        limits, arrears = self._settings.payment_plans, tenant.arrears_dollars
        plan = proposed(workflow.content, answer.text)
        result = validate(plan, limits, arrears) if plan else None
        trigger = find_trigger(workflow.content, result)
        # What the AI offers of its own is no tenant's plan, but goes out within the limits only.
        offer = plan or named_in(answer.text)
        route = route_answer(
            answer.confidence,
            trigger,
            validate(offer, limits, arrears) if offer else None,
            self._settings.routing,
        )
        if route is Route.AUTO_SENT and (
            _may_have_been_sent(workflow) or await self._is_overtaken(workflow)
        ):
            route = Route.QUEUED
        if plan is None:
            steps.skipped(Step.PAYMENT_PLAN)
        for other in _STEP_OF.keys() - {route}:
            steps.skipped(_STEP_OF[other])
        decision = _Decision(answer, route, plan, result, trigger)
        if route is Route.AUTO_SENT:
            return await self._decide_to_send(run, decision)
        await self._hand_over(run, decision)
        return None

    async def _is_overtaken(self, workflow: WorkflowInstance) -> bool:
        """Whether a later text of the tenant has been answered since this one failed.

        An answer to the earlier one may say the opposite by now: a manager looks at it.
        """
        if workflow.attempt == 1:
            return False
        later = (
            select(WorkflowInstance.id)
            .where(
                WorkflowInstance.conversation_id == workflow.conversation_id,
                WorkflowInstance.created_at > workflow.created_at,
                WorkflowInstance.status.not_in((WorkflowStatus.PROCESSING, WorkflowStatus.FAILED)),
            )
            .limit(1)
        )
        async with self._database.reading() as session:
            return await session.scalar(later) is not None

    async def _decide_to_send(
        self, run: "_Run", decision: "_Decision"
    ) -> tuple[OutboundMessage, float]:
        """Store the text and its key before it is sent, so that it can only be sent as it is."""
        workflow, answer = run.workflow, decision.answer
        response = QueuedResponse(
            id=new_id(),
            workflow_id=workflow.id,
            text=answer.text,
            confidence=answer.confidence,
            status=QueueStatus.SENDING,
        )
        outbound = OutboundMessage(
            id=workflow.id,
            workflow_id=workflow.id,
            response_queue_id=response.id,
            phone_number=workflow.phone_number,
            text=answer.text,
            state=OutboundState.UNCONFIRMED,
        )
        async with self._database.writing() as session:
            await self._lock_what_is_shared(session, workflow, decision)
            plan, is_new_plan = await self._store_plan(session, run, decision)
            if plan and decision.plan_result is PlanResult.VALID:
                workflow.agreed_plan_id = plan.id
            await self._still_running(session, workflow)
            session.write_last(inserted(response))
            session.write_last(inserted(outbound))
            run.new_key = outbound.id
            _tell_of_plan(session, plan, is_new=is_new_plan)
        return outbound, answer.confidence

    async def _send(self, run: "_Run", outbound: OutboundMessage, confidence: float) -> None:
        workflow, steps = run.workflow, run.steps
        message_id = outbound.message_id
        if outbound.state is not OutboundState.SENT:
            try:
                with steps.running(Step.SEND_SMS):
                    message_id = await self._sms_agent.send(
                        outbound.phone_number, outbound.text, workflow.conversation_id, outbound.id
                    )
            except UpstreamError as error:
                run.is_refused = outbound.id == run.new_key and not error.may_be_done
                raise
        async with self._database.writing() as session:
            # The text is with the tenant, whatever has become of the workflow meanwhile.
            session.write_last(has_been_sent(outbound.id, message_id))
            sent = await self._move(
                session,
                workflow,
                WorkflowStatus.SENT,
                route=Route.AUTO_SENT,
                confidence=confidence,
                error=None,
            )
            if sent:
                session.write_last(
                    update(table_of(QueuedResponse))
                    .where(
                        QueuedResponse.id == outbound.response_queue_id,
                        QueuedResponse.status == QueueStatus.SENDING,
                    )
                    .values(status=QueueStatus.AUTO_SENT, updated_at=now())
                )
                if await _agree(session, workflow.agreed_plan_id):
                    session.tell(log, PaymentPlanAutoApproved())
                steps.store(session)
                session.tell(log, ResponseAutoSent(confidence=round(confidence, 3)))
                _tell_of_end(session, run, Route.AUTO_SENT, confidence)
        if not sent:
            raise _GivenUpError

    async def _leave_to_a_manager(
        self, run: "_Run", outbound: OutboundMessage, confidence: float
    ) -> None:
        """Have a manager decide on a text that may be too late by now."""
        workflow = run.workflow
        async with self._database.writing() as session:
            with run.steps.running(Step.QUEUE_FOR_APPROVAL):
                moved = await self._move(
                    session,
                    workflow,
                    WorkflowStatus.AWAITING_APPROVAL,
                    route=Route.QUEUED,
                    confidence=confidence,
                    error=None,
                )
                if not moved:
                    raise _GivenUpError
                response = (
                    await session.scalars(
                        update(QueuedResponse)
                        .where(
                            QueuedResponse.id == outbound.response_queue_id,
                            QueuedResponse.status == QueueStatus.SENDING,
                        )
                        .values(
                            status=QueueStatus.PENDING,
                            updated_at=now(),
                            # This worker announces it in a moment.
                            notify_claimed_at=now(),
                        )
                        .returning(QueuedResponse)
                    )
                ).one()
            run.steps.store(session)
            session.tell(
                log,
                ResponseQueued(
                    response_queue_id=Identifier(response.id), confidence=round(confidence, 3)
                ),
            )
            _tell_of_end(session, run, Route.QUEUED, confidence)
        self._announcements.response_queued(response, workflow.conversation_id)

    async def _hand_over(self, run: "_Run", decision: "_Decision") -> None:
        """Store the answer that a person must look at, then tell the managers."""
        workflow, answer, route = run.workflow, decision.answer, decision.route
        response = QueuedResponse(
            id=new_id(),
            workflow_id=workflow.id,
            text=answer.text,
            confidence=answer.confidence,
            status=_QUEUE_STATUS_AFTER[route],
            # This worker announces it in a moment.
            notify_claimed_at=now() if route is Route.QUEUED else None,
        )
        escalation: EscalationEvent | None = None
        is_new = False
        async with self._database.writing() as session:
            await self._lock_what_is_shared(session, workflow, decision)
            if route is Route.ESCALATED:
                escalation, is_new = await open_once(
                    session, _escalation(workflow, decision.trigger)
                )
            with run.steps.running(_STEP_OF[route]):
                moved = await self._move(
                    session,
                    workflow,
                    _STATUS_AFTER[route],
                    route=route,
                    confidence=answer.confidence,
                    error=None,
                    escalation_id=escalation.id if escalation else None,
                )
                if not moved:
                    raise _GivenUpError
                session.write_last(inserted(response))
            plan, is_new_plan = await self._store_plan(session, run, decision)
            run.steps.store(session)
            _tell_of_plan(session, plan, is_new=is_new_plan)
            if escalation and is_new:
                session.tell(log, escalation_opened(escalation))
            elif route is Route.QUEUED:
                session.tell(
                    log,
                    ResponseQueued(
                        response_queue_id=Identifier(response.id),
                        confidence=round(answer.confidence, 3),
                    ),
                )
            _tell_of_end(session, run, route, answer.confidence)
        if escalation and is_new:
            self._announcements.escalated(escalation)
        elif route is Route.QUEUED:
            self._announcements.response_queued(response, workflow.conversation_id)

    async def _lock_what_is_shared(
        self, session: AsyncSession, workflow: WorkflowInstance, decision: "_Decision"
    ) -> None:
        """Lock the conversation where its plans or escalations are looked at.

        What only this run changes is kept by the conditions of its updates.
        """
        if decision.plan is not None or decision.route is Route.ESCALATED:
            await lock_conversation(self._database, session, workflow.conversation_id)

    async def _store_plan(
        self, session: AsyncSession, run: "_Run", decision: "_Decision"
    ) -> tuple[PaymentPlanAttempt | None, bool]:
        """The plan as it is stored, and whether it is a new one."""
        if decision.plan is None or decision.plan_result is None:
            return None, False
        proposal = PaymentPlanAttempt(
            conversation_id=run.workflow.conversation_id,
            tenant_id=run.workflow.tenant_id,
            workflow_id=run.workflow.id,
            weekly_dollars=decision.plan.weekly_dollars,
            weeks=decision.plan.weeks,
            result=decision.plan_result,
        )
        with run.steps.running(Step.PAYMENT_PLAN):
            stored = await store_once(session, proposal)
        return stored, stored is proposal

    async def _fail(
        self,
        run: "_Run",
        error: str,
        failure: WorkflowFailed | WorkflowBroken,
        *,
        stays_requested: bool = False,
    ) -> None:
        """Mark the run failed and tell it, unless it was given up before.

        A stored request to run it again may stay: where this run was no try.
        """
        kept = {"retry_requested_at": run.workflow.retry_requested_at} if stays_requested else {}
        async with self._database.writing() as session:
            failed = await self._move(
                session,
                run.workflow,
                WorkflowStatus.FAILED,
                route=Route.FAILED,
                error=error,
                **kept,
            )
            if failed:
                run.steps.store(session)
                if run.is_refused and run.new_key:
                    session.write_last(is_known_not_to_be_sent(run.new_key))
                session.tell(log, failure)
                _tell_of_retry(session, run, Route.FAILED)

    @staticmethod
    async def _still_running(session: AsyncSession, workflow: WorkflowInstance) -> None:
        """Keep others from giving this run up until the commit. Raises _GivenUpError."""
        running = await session.execute(
            update(WorkflowInstance)
            .where(
                WorkflowInstance.id == workflow.id,
                WorkflowInstance.status == WorkflowStatus.PROCESSING,
                WorkflowInstance.attempt == workflow.attempt,
            )
            .values(updated_at=now(), agreed_plan_id=workflow.agreed_plan_id)
            .returning(WorkflowInstance.id)
            .execution_options(synchronize_session=False)
        )
        if running.scalar_one_or_none() is None:
            raise _GivenUpError

    @staticmethod
    async def _move(
        session: AsyncSession, workflow: WorkflowInstance, after: WorkflowStatus, **values: object
    ) -> bool:
        """End this run with the status ``after``; False when it was given up meanwhile.

        A request to run it again has been carried out by this.
        """
        changes = {
            "status": after,
            "updated_at": now(),
            "retry_requested_at": None,
            **values,
        }
        moved = await session.execute(
            update(WorkflowInstance)
            .where(
                WorkflowInstance.id == workflow.id,
                WorkflowInstance.status == WorkflowStatus.PROCESSING,
                WorkflowInstance.attempt == workflow.attempt,
            )
            .values(changes)
            .returning(WorkflowInstance.id)
            .execution_options(synchronize_session=False)
        )
        if moved.scalar_one_or_none() is None:
            return False
        for name, value in changes.items():
            setattr(workflow, name, value)
        return True


class _GivenUpError(Exception):
    """The run took so long that it counts as interrupted; it must change nothing any more."""


@dataclass(frozen=True, slots=True)
class _Decision:
    """Where an answer goes, and the plan that the tenant proposed."""

    answer: Answer
    route: Route
    plan: PaymentPlan | None
    plan_result: PlanResult | None
    trigger: Trigger | None


class _Run:
    """One run of a workflow, and how long it has taken.

    ``new_key`` is that of a text which no earlier run has tried to send, ``is_refused`` whether
    that is known not to be sent.
    """

    def __init__(self, workflow: WorkflowInstance, steps: StepRecord, reason_given: bool) -> None:
        self.workflow = workflow
        self.reason_given = reason_given
        self.steps = steps
        self.new_key: str | None = None
        self.is_refused = False
        self._started = perf_counter()

    @property
    def seconds(self) -> float:
        return perf_counter() - self._started

    @property
    def milliseconds(self) -> float:
        return round(self.seconds * 1000, 1)


def _tell_of_plan(session: Transaction, plan: PaymentPlanAttempt | None, *, is_new: bool) -> None:
    """Tell that a message was looked through, and the plan that is new."""
    session.tell(log, PaymentPlanNotFound() if plan is None else PaymentPlanDetected())
    if plan is not None and is_new:
        session.tell(log, PaymentPlanValidated(result=plan.result))


def _tell_of_end(session: Transaction, run: _Run, route: Route, confidence: float) -> None:
    session.tell(
        log,
        SMSRouted(
            attempt=run.workflow.attempt,
            route=route,
            duration_ms=run.milliseconds,
            confidence=round(confidence, 3),
        ),
    )
    _tell_of_retry(session, run, route)


def _tell_of_retry(session: Transaction, run: _Run, route: Route) -> None:
    if run.workflow.attempt > 1:
        session.tell(log, WorkflowRetried(route=route, reason_given=run.reason_given))


def _may_have_been_sent(workflow: WorkflowInstance) -> bool:
    """Whether an earlier release failed as it sent a text, which it did not store: nobody knows it.

    This one stores it before, and has it taken up again.
    """
    sending = f"{Component.SMS_AGENT}: {Operation.SEND_SMS} "
    return workflow.attempt > 1 and (workflow.error or "").startswith(sending)


def _claim_to_retry(workflow_id: str) -> ReturningUpdate[str]:
    return (
        update(WorkflowInstance)
        .where(
            WorkflowInstance.id == workflow_id,
            WorkflowInstance.status == WorkflowStatus.FAILED,
            # What is erased is sent to nobody.
            WorkflowInstance.erased_at.is_(None),
        )
        .values(**run_again_values())
        .returning(WorkflowInstance.id)
        .execution_options(synchronize_session=False)
    )


def run_again_values() -> dict[str, Any]:
    """What a failed workflow changes to when it is claimed to be run again.

    A stored request for it stays until the run has ended: the worker may be stopped before.
    """
    return {
        "status": WorkflowStatus.PROCESSING,
        "attempt": WorkflowInstance.attempt + 1,
        "retried_at": now(),
        "updated_at": now(),
    }


async def _agree(session: AsyncSession, plan_id: str | None) -> bool:
    """Whether the plan is agreed to by this, and was not before."""
    if plan_id is None:
        return False
    agreed = await session.execute(
        update(PaymentPlanAttempt)
        .where(PaymentPlanAttempt.id == plan_id, PaymentPlanAttempt.auto_approved_at.is_(None))
        .values(auto_approved_at=now())
        .returning(PaymentPlanAttempt.id)
        .execution_options(synchronize_session=False)
    )
    return agreed.scalar_one_or_none() is not None


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
