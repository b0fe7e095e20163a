"""Liveness, and what the service depends on."""

from fastapi import APIRouter, Request, Response

from app.api.dependencies import TheDependencyProbe
from app.core.catalogue import Component
from app.schemas.health import DependenciesHealth, DependencyHealth, Health

PROBE_SECONDS = 2.0
"""How long a dependency may take to answer."""

router = APIRouter(prefix="/health", tags=["health"])


@router.get("", responses={503: {"model": Health}})
async def health(request: Request, response: Response) -> Health:
    """Whether the process answers. 503 once it was told to stop: balancers send to others then."""
    if request.app.state.stopping.is_set():
        response.status_code = 503
        return Health(status="stopping")
    return Health()


@router.get("/dependencies", responses={503: {"model": DependenciesHealth}})
async def dependencies(probe: TheDependencyProbe, response: Response) -> DependenciesHealth:
    """Whether each dependency is up. 503 only if the database is down: then nothing works.

    The answer comes within PROBE_SECONDS and a moment, whatever hangs, and says what did.
    """
    found = await probe.states(PROBE_SECONDS)
    if not found[Component.DATABASE].up:
        response.status_code = 503
    return DependenciesHealth(
        status="ok" if all(state.up for state in found.values()) else "degraded",
        dependencies={
            name.value: DependencyHealth.model_validate(state, from_attributes=True)
            for name, state in found.items()
        },
    )
