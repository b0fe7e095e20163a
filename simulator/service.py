"""What the simulated services have in common: their FastAPI application and their faults."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from asgi_observability import correlation
from asgi_observability.event import FromCode
from asgi_observability.logging import get_logger
from simulator.events import UpstreamCalled
from simulator.faults import ADDED_LATENCY_SECONDS, ERROR_SHARE, ActiveFaults, Effect, Upstream
from simulator.latency import Latency

log = get_logger(__name__)

POLL_SECONDS = 0.05
MAX_BODY_BYTES = 1024 * 1024
CLIENT_CLOSED_REQUEST = 499


def create_service(title: str) -> FastAPI:
    """An application that answers ``GET /health`` and explains what was wrong with a request."""
    app = FastAPI(
        title=title,
        docs_url=None,
        redoc_url=None,
        max_body_size=MAX_BODY_BYTES,
        # Typed by hand into curl, JSON comes as a form.
        strict_content_type=False,
    )

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        # Without the input: it may be a tenant's message, or nothing that JSON can hold.
        problems = [
            {
                "field": ".".join(str(part) for part in problem["loc"]) or "body",
                "problem": problem["msg"],
            }
            for problem in error.errors()
        ]
        return JSONResponse({"detail": problems}, 422)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    return app


def behaviour(
    upstream: Upstream, latency: Latency, faults: ActiveFaults, rng: Random
) -> Callable[[Request], Awaitable[None]]:
    """A dependency that delays a call as ``upstream`` would, and imposes the faults that are on."""

    async def behave(request: Request) -> None:
        offered, trace = correlation_id(request), request.headers.get("traceparent", "")
        correlation.bind(
            offered if offered and correlation.is_well_formed(offered) else "",
            trace if correlation.is_traceparent(trace) else "",
        )
        # The template: the path itself may hold a phone number.
        route = FromCode(request.scope["route"].path)
        log.event(UpstreamCalled(upstream=FromCode(upstream), route=route))
        while faults.hit(upstream, Effect.TIMEOUTS):
            await asyncio.sleep(POLL_SECONDS)
            if await request.is_disconnected():
                raise HTTPException(CLIENT_CLOSED_REQUEST)
        seconds = latency.draw(rng)
        if faults.hit(upstream, Effect.LATENCY):
            seconds += ADDED_LATENCY_SECONDS
        await asyncio.sleep(seconds)
        if faults.hit(upstream, Effect.ERRORS) and rng.random() < ERROR_SHARE[upstream]:
            raise HTTPException(rng.choice((500, 503)), f"simulated fault: {upstream}_errors")

    return behave


def correlation_id(request: Request) -> str | None:
    """The caller's ``X-Correlation-ID``, cut to a length that a log can bear."""
    offered = request.headers.get("X-Correlation-ID")
    return offered[:64] if offered else None
