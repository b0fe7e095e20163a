"""`GET` lists of what waits for people."""

from fastapi import APIRouter

from app.api.dependencies import TheOrchestrator
from app.api.routing import ActingRoute
from app.schemas.errors import ErrorAnswer
from app.schemas.pages import After, Limit, Order, Page
from app.schemas.worklists import OpenEscalation, WaitingResponse

router = APIRouter(
    prefix="/orchestrate",
    tags=["orchestrate"],
    route_class=ActingRoute,
    responses={code: {"model": ErrorAnswer} for code in (404, 422, 503)},
)


@router.get("/responses/waiting")
async def waiting_responses(
    orchestrator: TheOrchestrator,
    limit: Limit = 100,
    after: After = None,
    order: Order = "oldest",
) -> Page[WaitingResponse]:
    """Responses that wait for a manager, by default the one that waits longest first."""
    part = await orchestrator.worklists.waiting_responses(
        limit, after, newest_first=order == "newest"
    )
    items = [WaitingResponse.model_validate(item) for item in part.items]
    return Page(total=part.total, items=items, after=part.after)


@router.get("/escalations/open")
async def open_escalations(
    orchestrator: TheOrchestrator,
    limit: Limit = 100,
    after: After = None,
    order: Order = "oldest",
) -> Page[OpenEscalation]:
    """Escalations that nobody has closed, by default the one that is open longest first."""
    part = await orchestrator.worklists.open_escalations(
        limit, after, newest_first=order == "newest"
    )
    items = [OpenEscalation.model_validate(item) for item in part.items]
    return Page(total=part.total, items=items, after=part.after)
