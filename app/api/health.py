"""Liveness, and what the service depends on."""

import asyncio

from fastapi import APIRouter, Response
from sqlalchemy.exc import SQLAlchemyError

from app.api.dependencies import TheOrchestrator
from app.assembly import Orchestrator
from app.core.catalogue import Component
from app.schemas.health import DependenciesHealth, DependencyHealth, Health

router = APIRouter(prefix="/health", tags=["health"])


@router.get("")
async def health() -> Health:
    """Whether the process answers."""
    return Health()


@router.get("/dependencies", responses={503: {"model": DependenciesHealth}})
async def dependencies(orchestrator: TheOrchestrator, response: Response) -> DependenciesHealth:
    """Whether each dependency is up. 503 only if the database is down: then nothing works."""
    components = list(orchestrator.upstreams)
    database_up, *upstreams_up = await asyncio.gather(
        _database_up(orchestrator),
        *(orchestrator.upstreams[component].is_up() for component in components),
    )
    found = {Component.DATABASE.value: DependencyHealth(up=database_up)}
    for component, up in zip(components, upstreams_up, strict=True):
        breaker = orchestrator.breakers.state(component)
        found[component.value] = DependencyHealth(up=up, breaker=breaker)
    if not database_up:
        response.status_code = 503
    all_up = all(dependency.up for dependency in found.values())
    return DependenciesHealth(status="ok" if all_up else "degraded", dependencies=found)


async def _database_up(orchestrator: Orchestrator) -> bool:
    try:
        await orchestrator.database.ping()
    except (SQLAlchemyError, OSError):
        return False
    return True
