"""What the routers are given."""

from typing import Annotated

from fastapi import Depends, Request

from app.api.access import Caller
from app.assembly import Orchestrator
from app.core.observability import Observability


# Coroutines, though they wait for nothing: FastAPI runs plain functions in a thread each time.
async def _orchestrator(request: Request) -> Orchestrator:
    orchestrator: Orchestrator = request.app.state.orchestrator
    return orchestrator


async def _observability(request: Request) -> Observability:
    observability: Observability = request.app.state.observability
    return observability


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


TheOrchestrator = Annotated[Orchestrator, Depends(_orchestrator)]
TheObservability = Annotated[Observability, Depends(_observability)]
TheCaller = Annotated[Caller, Depends(_caller)]
