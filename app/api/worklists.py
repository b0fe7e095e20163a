"""`GET` lists of what waits for people."""

from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from app.api.dependencies import TheWorklists
from app.api.routing import ActingRoute
from app.schemas.error_answers import ErrorAnswer
from app.schemas.pages import After, Limit, Order, Page
from app.schemas.worklists import FailedWorkflow, OpenEscalation, WaitingResponse
from app.services.worklists import Part

A = TypeVar("A", bound=BaseModel)

router = APIRouter(
    prefix="/orchestrate",
    tags=["orchestrate"],
    route_class=ActingRoute,
    responses={code: {"model": ErrorAnswer} for code in (404, 422, 503)},
)


class PageParameters:
    """Which part of a list is asked for, and in which order."""

    def __init__(self, limit: Limit = 100, after: After = None, order: Order = "oldest") -> None:
        self.limit = limit
        self.after = after
        self.newest_first = order == "newest"


ThePage = Annotated[PageParameters, Depends()]


@router.get("/responses/waiting")
async def waiting_responses(worklists: TheWorklists, page: ThePage) -> Page[WaitingResponse]:
    """Responses that wait for a manager, by default the one that waits longest first."""
    part = await worklists.waiting_responses(page.limit, page.after, newest_first=page.newest_first)
    return _page(part, WaitingResponse)


@router.get("/escalations/open")
async def open_escalations(worklists: TheWorklists, page: ThePage) -> Page[OpenEscalation]:
    """Escalations that nobody has closed, by default the one that is open longest first."""
    part = await worklists.open_escalations(page.limit, page.after, newest_first=page.newest_first)
    return _page(part, OpenEscalation)


@router.get("/workflows/failed")
async def failed_workflows(worklists: TheWorklists, page: ThePage) -> Page[FailedWorkflow]:
    """Workflows that failed and that nobody has run again yet, by default the oldest first."""
    part = await worklists.failed_workflows(page.limit, page.after, newest_first=page.newest_first)
    return _page(part, FailedWorkflow)


def _page(part: Part[Any], entry: type[A]) -> Page[A]:
    items = [entry.model_validate(item, from_attributes=True) for item in part.items]
    return Page[A](total=part.total, items=items, after=part.after)
