"""`GET /orchestrate/metrics/stream` and the live page that reads it."""

from pathlib import Path

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse

from app.api.dependencies import TheOrchestrator
from app.api.routing import GuardedRoute

router = APIRouter(prefix="/orchestrate/metrics", tags=["metrics"], route_class=GuardedRoute)
page_router = APIRouter(prefix="/orchestrate/metrics", tags=["metrics"])

PAGE = (Path(__file__).parent / "live.html").read_bytes()
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def stream(
    orchestrator: TheOrchestrator,
    last_event_id: str | None = Header(None, max_length=100),
) -> StreamingResponse:
    """The overview as it changes, as server-sent events.

    `snapshot` is the whole of it; each `change` is a merge patch (RFC 7386) of what came before. A
    reader that sends `Last-Event-ID` goes on where it was.
    """
    return StreamingResponse(
        orchestrator.broadcast.events(last_event_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@page_router.get("/live", response_class=Response, include_in_schema=False)
async def live() -> Response:
    """A page for a wall screen. It holds no data; the data it reads needs a token."""
    return Response(PAGE, media_type="text/html; charset=utf-8", headers=_PAGE_HEADERS)
