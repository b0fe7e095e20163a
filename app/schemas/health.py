"""Answers of the health endpoints."""

from typing import Literal

from pydantic import BaseModel, Field

from app.core.catalogue import BreakerState


class Health(BaseModel):
    """The process answers; `stopping` when it is to end soon."""

    status: Literal["ok", "stopping"] = "ok"


class DependencyHealth(BaseModel):
    """One dependency; the database has no breaker."""

    up: bool
    reason: str | None = Field(None, description="what is wrong if it is not up")
    breaker: BreakerState | None = None


class DependenciesHealth(BaseModel):
    """`degraded` when any dependency is down."""

    status: Literal["ok", "degraded"]
    dependencies: dict[str, DependencyHealth]
