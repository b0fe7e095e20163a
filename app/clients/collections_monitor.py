"""Collections Monitor: what a tenant owes."""

from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, Field

from app.clients.upstream import Answered, Upstream
from app.core.catalogue import Operation


def _known(number: Any) -> Any:
    """None for less than nothing: whether that is a credit or a defect, nobody says."""
    return None if number is not None and number < 0 else number


class Tenant(BaseModel):
    """A tenant's rent account; None is what is not known."""

    tenant_id: str
    name: str | None = None
    arrears_dollars: Annotated[
        float | None, Field(strict=True, allow_inf_nan=False, le=1e9), AfterValidator(_known)
    ] = None
    weeks_overdue: Annotated[int | None, Field(le=10_000), AfterValidator(_known)] = None


class CollectionsMonitor:
    """Client of the Collections Monitor."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        upstream.declare(Operation.GET_TENANT)

    async def tenant(self, tenant_id: str) -> Tenant:
        """The rent account of ``tenant_id``. Raises UpstreamError."""

        def account(answered: Answered) -> Tenant:
            found = Tenant.model_validate_json(answered.body)
            if found.tenant_id != tenant_id:
                raise ValueError("this is the account of another tenant")
            return found

        return await self._upstream.call(
            Operation.GET_TENANT,
            "GET",
            f"/monitor/tenant/{quote(tenant_id, safe='')}",
            account,
            recipient=tenant_id,
        )
