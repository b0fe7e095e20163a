"""`GET /orchestrate/metrics/stream` and the live page that reads it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

from app.api.dependencies import TheBroadcast
from app.api.overview_answer import overview_answer
from app.api.routing import GuardedRoute, access_of
from app.core.config import MetricsAccess
from app.core.stopping import called_on_stop
from app.services.broadcast import Broadcast
from app.services.metrics_report import MetricsReport
from asgi_observability.instruments import Instruments

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


@contextmanager
def broadcasting(
    report: MetricsReport, access: MetricsAccess, instruments: Instruments
) -> Iterator[Broadcast]:
    """The broadcast of the overview; its streams end as soon as the server is told to stop."""

    async def snapshot() -> bytes:
        answer = await overview_answer(report)
        return answer.model_dump_json(exclude_unset=True).encode()

    broadcast = Broadcast(
        snapshot, instruments, access.stream_interval_seconds, access.stream_heartbeat_seconds
    )
    try:
        with called_on_stop(broadcast.close):
            yield broadcast
    finally:
        broadcast.close()


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream(
    request: Request,
    broadcast: TheBroadcast,
    last_event_id: Annotated[
        str | None, Header(max_length=100, description="`id` of the last snapshot that was read")
    ] = None,
) -> StreamingResponse:
    """The overview as it changes, as server-sent events.

    Each `snapshot` is the whole of it. A `heartbeat` says whether the last snapshot still holds
    (`is_current`), when it was computed, and within how many seconds the next one comes. A token
    that is taken out of the file ends its streams within 4 seconds.
    """
    return StreamingResponse(
        broadcast.events(last_event_id, lambda: access_of(request).may_read(request)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@page_router.get("/live", response_class=Response, include_in_schema=False)
async def live() -> Response:
    """A page for a wall screen. It holds no data; the data it reads needs a token."""
    return Response(PAGE, media_type="text/html; charset=utf-8", headers=_PAGE_HEADERS)
