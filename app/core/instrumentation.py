"""The orchestrator's instruments: the layer's, with what the orchestrator calls and does."""

from app.core.catalogue import NARROWED
from asgi_observability.instruments import Instruments

SERVICE = "orchestrator"


def orchestrator_instruments() -> Instruments:
    """Instruments without anything that samples or exposes them."""
    return Instruments(NARROWED)
