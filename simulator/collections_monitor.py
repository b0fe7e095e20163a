"""The Collections Monitor: what a tenant owes."""

from dataclasses import asdict
from random import Random

from fastapi import APIRouter, Depends, FastAPI, HTTPException

from simulator.faults import ActiveFaults, Upstream
from simulator.latency import Latency
from simulator.service import behaviour, create_service
from simulator.tenants import Tenant

LATENCY = Latency(median=0.050)


def create_collections_monitor(faults: ActiveFaults, rng: Random) -> FastAPI:
    """Knows every tenant whose id does not begin with "unknown"."""
    behave = behaviour(Upstream.COLLECTIONS_MONITOR, LATENCY, faults, rng)
    router = APIRouter(dependencies=[Depends(behave)])

    @router.get("/monitor/tenant/{tenant_id}")
    async def tenant(tenant_id: str) -> dict[str, str | int]:
        if tenant_id.startswith("unknown"):
            raise HTTPException(404, "no such tenant")
        return asdict(Tenant.called(tenant_id))

    app = create_service("Collections Monitor (simulated)")
    app.include_router(router)
    return app
