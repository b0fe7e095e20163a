"""The orchestration endpoints (docs/domain.md)."""

from typing import Any

from fastapi import APIRouter

from app.api.dependencies import (
    TheApprovals,
    TheCaller,
    TheEscalations,
    ThePaymentPlans,
    TheRecovery,
    TheWorkflows,
)
from app.api.routing import ActingRoute, ReceivingRoute
from app.core.catalogue import Detection, PlanResult
from app.schemas.error_answers import ErrorAnswer
from app.schemas.orchestrate import (
    ApproveAnswer,
    ApproveResponse,
    Escalate,
    EscalateAnswer,
    Identifier,
    PaymentPlanAnswer,
    PaymentPlanDetected,
    ResolveAnswer,
    ResolveEscalation,
    RetryFailed,
    RetryFailedAnswer,
    RetryWorkflow,
    SMSReceived,
    WorkflowAnswer,
    WorkflowStatusAnswer,
)
from app.services.approvals import Decision
from app.services.workflow import SMS
from app.services.workflow_reports import WorkflowState

_ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": ErrorAnswer} for code in (400, 404, 409, 413, 422, 503)
}
router = APIRouter(
    prefix="/orchestrate", tags=["orchestrate"], route_class=ActingRoute, responses=_ERRORS
)
receiving_router = APIRouter(
    prefix="/orchestrate", tags=["orchestrate"], route_class=ReceivingRoute, responses=_ERRORS
)


@receiving_router.post("/sms-received")
async def sms_received(request: SMSReceived, workflows: TheWorkflows) -> WorkflowAnswer:
    """Run the workflow of one SMS until it waits or ends; a repeated delivery runs nothing."""
    sms = SMS(
        tenant_id=request.tenant_id,
        phone_number=request.phone_number,
        content=request.content,
        conversation_id=request.conversation_id,
        message_id=request.message_id,
    )
    return _answer(await workflows.receive(sms))


@router.post("/approve-response")
async def approve_response(
    request: ApproveResponse, caller: TheCaller, approvals: TheApprovals
) -> ApproveAnswer:
    """Send a queued response, send a changed text instead, or escalate.

    After a time-out the tenant may have the text: then only the same text is accepted again. After
    a refusal by the SMS Agent (409) nothing was sent, and any text is accepted.
    """
    decided = await approvals.decide(
        Decision(
            request.response_queue_id,
            request.action,
            caller.manager_id(request.manager_id),
            request.text,
            request.escalation_reason,
        )
    )
    return ApproveAnswer(
        response_queue_id=request.response_queue_id,
        action=decided.action,
        status=decided.status,
    )


@router.post("/payment-plan-detected")
async def payment_plan_detected(
    request: PaymentPlanDetected, plans: ThePaymentPlans
) -> PaymentPlanAnswer:
    """Extract a payment plan, validate and store it."""
    plan = await plans.detect(
        request.conversation_id,
        request.tenant_id,
        request.message_content,
        request.ai_response,
    )
    if plan is None:
        return PaymentPlanAnswer(detected=False)
    return PaymentPlanAnswer(
        detected=True,
        payment_plan_id=plan.id,
        weekly_dollars=plan.weekly_dollars,
        weeks=plan.weeks,
        result=plan.result,
        auto_approvable=plan.result is PlanResult.VALID,
    )


@router.post("/escalate")
async def escalate(request: Escalate, escalations: TheEscalations) -> EscalateAnswer:
    """Open an escalation."""
    escalation_id = await escalations.open(
        request.conversation_id,
        request.escalation_type,
        request.severity,
        Detection.AUTO if request.auto_detected else Detection.MANUAL,
        request.reason,
    )
    return EscalateAnswer(escalation_id=escalation_id, conversation_id=request.conversation_id)


@router.post("/escalations/{escalation_id}/resolve")
async def resolve_escalation(
    escalation_id: Identifier,
    request: ResolveEscalation,
    caller: TheCaller,
    escalations: TheEscalations,
) -> ResolveAnswer:
    """Close an escalation; the answer says how long it was open."""
    seconds = await escalations.resolve(
        escalation_id, caller.manager_id(request.manager_id), request.note
    )
    return ResolveAnswer(escalation_id=escalation_id, resolution_seconds=seconds)


@router.get("/workflow/{conversation_id}/status")
async def workflow_status(
    conversation_id: Identifier, workflows: TheWorkflows
) -> WorkflowStatusAnswer:
    """The state of the latest workflow of a conversation, with its steps and times."""
    report = await workflows.report(conversation_id)
    return WorkflowStatusAnswer.model_validate(report, from_attributes=True)


@router.post("/retry/{workflow_id}")
async def retry_workflow(
    workflow_id: Identifier,
    workflows: TheWorkflows,
    request: RetryWorkflow | None = None,
) -> WorkflowAnswer:
    """Run a failed workflow again."""
    reason = request.reason if request else None
    return _answer(await workflows.retry(workflow_id, reason))


@router.post("/retry-failed", status_code=202)
async def retry_failed(request: RetryFailed, recovery: TheRecovery) -> RetryFailedAnswer:
    """Run all workflows again that failed since a time; they run one after the other."""
    requested = await recovery.request(request.since, request.reason)
    return RetryFailedAnswer(requested=requested, per_minute=recovery.per_minute)


def _answer(workflow: WorkflowState) -> WorkflowAnswer:
    return WorkflowAnswer.model_validate(workflow, from_attributes=True)
