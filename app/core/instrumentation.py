"""The orchestrator's instruments: the layer's, with what the orchestrator calls and does."""

from collections.abc import Mapping
from pathlib import Path

from app import __version__
from app.core.catalogue import NARROWED
from asgi_observability.instruments import Instruments
from asgi_observability.observability import Observability
from asgi_observability.resource import Resource

SERVICE = "orchestrator"


def orchestrator(environment: str = "development") -> Resource:
    """What is observed here."""
    return Resource(SERVICE, __version__, environment)


def orchestrator_instruments() -> Instruments:
    """Instruments without anything that samples or exposes them."""
    return Instruments(NARROWED)


def orchestrator_observability(
    environment: str = "development",
    workers_dir: Path | None = None,
    log_levels: Mapping[str, str] | None = None,
    slow_operation_seconds: Mapping[str, float] | None = None,
) -> Observability:
    """Everything that observes one worker."""
    return Observability(
        orchestrator(environment),
        workers_dir,
        NARROWED,
        log_levels=log_levels,
        slow_operation_seconds=slow_operation_seconds,
    )
