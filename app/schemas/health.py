"""Answers of the health endpoints."""

from typing import Literal

from pydantic import BaseModel

from app.core.catalogue import BreakerState


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class DependencyHealth(BaseModel):
    """One dependency; the database has no breaker."""

    up: bool
    breaker: BreakerState | None = None


class DependenciesHealth(BaseModel):
    """`degraded` when any dependency is down."""

    status: Literal["ok", "degraded"]
    dependencies: dict[str, DependencyHealth]
