"""What the routers are given: each route names the one service that it needs."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from fastapi import Depends, Request

from app.api.tokens import Caller
from app.assembly import Orchestrator
from app.core.errors import UnavailableError
from app.services.approvals import Approvals
from app.services.broadcast import Broadcast
from app.services.dependency_probe import DependencyProbe
from app.services.escalations import Escalations
from app.services.metrics_report import MetricsReport
from app.services.payment_plans import PaymentPlans
from app.services.range_figures import RangeFigures
from app.services.range_queries import RangePlanner
from app.services.recovery import Recovery
from app.services.workflow import Workflows
from app.services.worklists import Worklists
from asgi_observability.observability import Observability

S = TypeVar("S")


def _part(of: Callable[[Orchestrator], S]) -> Callable[[Request], Coroutine[Any, Any, S]]:
    # A coroutine, though it waits for nothing: FastAPI runs plain functions in a thread each time.
    async def part(request: Request) -> S:
        return of(request.app.state.orchestrator)

    return part


def _working(of: Callable[[Orchestrator], S]) -> Callable[[Request], Coroutine[Any, Any, S]]:
    """A part that is of no use before the worker has begun its work: until then it is 503."""

    async def part(request: Request) -> S:
        orchestrator: Orchestrator = request.app.state.orchestrator
        if reason := orchestrator.start.waits_for:
            raise UnavailableError(f"the database {reason}; try again")
        return of(orchestrator)

    return part


async def _observability(request: Request) -> Observability:
    observability: Observability = request.app.state.observability
    return observability


async def _broadcast(request: Request) -> Broadcast:
    broadcast: Broadcast = request.app.state.broadcast
    return broadcast


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


TheApprovals = Annotated[Approvals, Depends(_working(lambda parts: parts.approvals))]
TheBroadcast = Annotated[Broadcast, Depends(_broadcast)]
TheCaller = Annotated[Caller, Depends(_caller)]
TheDependencyProbe = Annotated[DependencyProbe, Depends(_part(lambda parts: parts.dependencies))]
TheEscalations = Annotated[Escalations, Depends(_working(lambda parts: parts.escalations))]
TheObservability = Annotated[Observability, Depends(_observability)]
ThePaymentPlans = Annotated[PaymentPlans, Depends(_working(lambda parts: parts.plans))]
TheRangeFigures = Annotated[RangeFigures, Depends(_part(lambda parts: parts.range_figures))]
TheRangePlanner = Annotated[RangePlanner, Depends(_part(lambda parts: parts.range_planner))]
TheRecovery = Annotated[Recovery, Depends(_working(lambda parts: parts.recovery))]
TheReport = Annotated[MetricsReport, Depends(_part(lambda parts: parts.report))]
TheWorkflows = Annotated[Workflows, Depends(_working(lambda parts: parts.workflows))]
TheWorklists = Annotated[Worklists, Depends(_working(lambda parts: parts.worklists))]
TheZone = Annotated[ZoneInfo, Depends(_part(lambda parts: parts.zone))]
