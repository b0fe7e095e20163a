"""Collections Monitor: what a tenant owes."""

from urllib.parse import quote

from pydantic import BaseModel

from app.clients.upstream import Upstream
from app.core.catalogue import Operation


class Tenant(BaseModel):
    """A tenant's rent account."""

    tenant_id: str
    name: str | None = None
    arrears_dollars: float | None = None
    weeks_overdue: int | None = None


class CollectionsMonitor:
    """Client of the Collections Monitor."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        upstream.declare(Operation.GET_TENANT)

    async def tenant(self, tenant_id: str) -> Tenant:
        """The rent account of ``tenant_id``. Raises UpstreamError."""
        return await self._upstream.call(
            Operation.GET_TENANT,
            "GET",
            f"/monitor/tenant/{quote(tenant_id, safe='')}",
            Tenant.model_validate_json,
            recipient=tenant_id,
        )
