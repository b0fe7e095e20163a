"""Liveness, and what the service depends on."""

import asyncio

from fastapi import APIRouter, Response

from app.api.dependencies import TheOrchestrator
from app.core.catalogue import Component
from app.schemas.health import DependenciesHealth, DependencyHealth, Health

PROBE_SECONDS = 2.0
"""How long a dependency may take to answer."""

router = APIRouter(prefix="/health", tags=["health"])


@router.get("")
async def health() -> Health:
    """Whether the process answers."""
    return Health()


@router.get("/dependencies", responses={503: {"model": DependenciesHealth}})
async def dependencies(orchestrator: TheOrchestrator, response: Response) -> DependenciesHealth:
    """Whether each dependency is up. 503 only if the database is down: then nothing works.

    The answer comes within PROBE_SECONDS and a moment, whatever hangs, and says what did.
    """
    components = list(orchestrator.upstreams)
    database, *upstreams = await asyncio.gather(
        orchestrator.database.health(PROBE_SECONDS),
        *(orchestrator.upstreams[component].health(PROBE_SECONDS) for component in components),
    )
    found = {Component.DATABASE.value: DependencyHealth(up=database is None, reason=database)}
    for component, reason in zip(components, upstreams, strict=True):
        breaker = orchestrator.breakers.state(component)
        found[component.value] = DependencyHealth(up=reason is None, reason=reason, breaker=breaker)
    if database is not None:
        response.status_code = 503
    all_up = all(dependency.up for dependency in found.values())
    return DependenciesHealth(status="ok" if all_up else "degraded", dependencies=found)
