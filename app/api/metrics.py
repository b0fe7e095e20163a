"""`GET /metrics` for Prometheus, `GET /orchestrate/metrics` for everybody else."""

import asyncio

from fastapi import APIRouter, Request, Response

from app.api.dependencies import TheInstruments, TheOrchestrator
from app.core.exposition import exposition
from app.schemas.errors import ErrorAnswer
from app.schemas.metrics import MetricsAnswer

router = APIRouter(tags=["metrics"])


@router.get("/metrics", response_class=Response)
async def metrics(request: Request, instruments: TheInstruments) -> Response:
    """Prometheus exposition; OpenMetrics where the scraper asks for it."""
    accept = request.headers.get("accept", "")
    body, content_type = await asyncio.to_thread(exposition, instruments, accept)
    return Response(body, headers={"Content-Type": content_type})


@router.get("/orchestrate/metrics", responses={503: {"model": ErrorAnswer}})
async def orchestrate_metrics(orchestrator: TheOrchestrator) -> MetricsAnswer:
    """The business at a glance: the last hour and today, counted exactly, over all workers."""
    return await orchestrator.metrics.answer()
