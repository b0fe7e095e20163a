"""What the routers are given."""

from typing import Annotated

from fastapi import Depends, Request

from app.assembly import Orchestrator
from app.core.instrumentation import Instruments


# Coroutines, though they wait for nothing: FastAPI runs plain functions in a thread each time.
async def _orchestrator(request: Request) -> Orchestrator:
    orchestrator: Orchestrator = request.app.state.orchestrator
    return orchestrator


async def _instruments(request: Request) -> Instruments:
    instruments: Instruments = request.app.state.instruments
    return instruments


TheOrchestrator = Annotated[Orchestrator, Depends(_orchestrator)]
TheInstruments = Annotated[Instruments, Depends(_instruments)]
