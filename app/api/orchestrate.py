"""The orchestration endpoints (docs/domain.md)."""

from typing import Any

from fastapi import APIRouter

from app.api.dependencies import TheCaller, TheOrchestrator
from app.api.routing import ActingRoute, ReceivingRoute
from app.core.catalogue import Detection, PlanResult
from app.models import WorkflowInstance
from app.schemas.errors import ErrorAnswer
from app.schemas.orchestrate import (
    ApproveAnswer,
    ApproveResponse,
    Escalate,
    EscalateAnswer,
    FailedWorkflowAnswer,
    Identifier,
    PaymentPlanAnswer,
    PaymentPlanDetected,
    ResolveAnswer,
    ResolveEscalation,
    RetryFailed,
    RetryFailedAnswer,
    RetryWorkflow,
    SMSReceived,
    StepAnswer,
    WorkflowAnswer,
    WorkflowStatusAnswer,
)
from app.schemas.pages import After, Limit, Page
from app.services.approvals import Decision
from app.services.workflow import SMS

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
async def sms_received(request: SMSReceived, orchestrator: TheOrchestrator) -> WorkflowAnswer:
    """Run the workflow of one SMS until it waits or ends; a repeated delivery runs nothing."""
    sms = SMS(
        tenant_id=request.tenant_id,
        phone_number=request.phone_number,
        content=request.content,
        conversation_id=request.conversation_id,
        message_id=request.message_id,
    )
    return _answer(await orchestrator.workflows.receive(sms))


@router.post("/approve-response")
async def approve_response(
    request: ApproveResponse, caller: TheCaller, orchestrator: TheOrchestrator
) -> ApproveAnswer:
    """Send a queued response, send a changed text instead, or escalate.

    After a time-out the tenant may have the text: then only the same text is accepted again. After
    a refusal by the SMS Agent (409) nothing was sent, and any text is accepted.
    """
    decided = await orchestrator.approvals.decide(
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
    request: PaymentPlanDetected, orchestrator: TheOrchestrator
) -> PaymentPlanAnswer:
    """Extract a payment plan, validate and store it."""
    plan = await orchestrator.plans.detect(
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
async def escalate(request: Escalate, orchestrator: TheOrchestrator) -> EscalateAnswer:
    """Open an escalation."""
    escalation = await orchestrator.escalations.open(
        request.conversation_id,
        request.escalation_type,
        request.severity,
        Detection.AUTO if request.auto_detected else Detection.MANUAL,
        request.reason,
    )
    return EscalateAnswer(escalation_id=escalation.id, conversation_id=escalation.conversation_id)


@router.post("/escalations/{escalation_id}/resolve")
async def resolve_escalation(
    escalation_id: Identifier,
    request: ResolveEscalation,
    caller: TheCaller,
    orchestrator: TheOrchestrator,
) -> ResolveAnswer:
    """Close an escalation; the answer says how long it was open."""
    seconds = await orchestrator.escalations.resolve(
        escalation_id, caller.manager_id(request.manager_id), request.note
    )
    return ResolveAnswer(escalation_id=escalation_id, resolution_seconds=seconds)


@router.get("/workflow/{conversation_id}/status")
async def workflow_status(
    conversation_id: Identifier, orchestrator: TheOrchestrator
) -> WorkflowStatusAnswer:
    """The state of the latest workflow of a conversation, with its steps and times."""
    report = await orchestrator.workflows.report(conversation_id)
    workflow, response = report.workflow, report.response
    return WorkflowStatusAnswer(
        **_answer(workflow).model_dump(),
        route=workflow.route,
        confidence=workflow.confidence,
        error=workflow.error,
        correlation_id=workflow.correlation_id,
        created_at=workflow.created_at,
        updated_at=workflow.updated_at,
        response_queue_id=response.id if response else None,
        response=response.text if response else None,
        outbound_text=report.outbound.text if report.outbound else None,
        outbound_state=report.outbound.state if report.outbound else None,
        steps=[StepAnswer.model_validate(step) for step in report.steps],
    )


@router.post("/retry/{workflow_id}")
async def retry_workflow(
    workflow_id: Identifier,
    orchestrator: TheOrchestrator,
    request: RetryWorkflow | None = None,
) -> WorkflowAnswer:
    """Run a failed workflow again."""
    reason = request.reason if request else None
    return _answer(await orchestrator.workflows.retry(workflow_id, reason))


@router.get("/workflows/failed")
async def failed_workflows(
    orchestrator: TheOrchestrator,
    limit: Limit = 100,
    after: After = None,
) -> Page[FailedWorkflowAnswer]:
    """Workflows that failed and that nobody has run again yet, the oldest failure first."""
    page = await orchestrator.recovery.failed(limit, after)
    items = [FailedWorkflowAnswer.model_validate(workflow) for workflow in page.workflows]
    return Page(total=page.total, items=items, after=page.after)


@router.post("/retry-failed", status_code=202)
async def retry_failed(request: RetryFailed, orchestrator: TheOrchestrator) -> RetryFailedAnswer:
    """Run all workflows again that failed since a time; they run one after the other."""
    requested = await orchestrator.recovery.request(request.since, request.reason)
    return RetryFailedAnswer(requested=requested, per_minute=orchestrator.recovery.per_minute)


def _answer(workflow: WorkflowInstance) -> WorkflowAnswer:
    return WorkflowAnswer(
        status=workflow.status,
        conversation_id=workflow.conversation_id,
        workflow_id=workflow.id,
    )
