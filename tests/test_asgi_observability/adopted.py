"""A service of somebody else's that has adopted the layer as docs/adopting.md shows it."""

import os

from fastapi import FastAPI

from asgi_observability.metric import Kind, Label, Metric
from asgi_observability.observability import observability_of, observed

api = FastAPI()
app = observed(api, service="billing", operations={"bank": ["charge"]})
instruments = observability_of(api).instruments

INVOICES = Metric(
    "billing_invoices_total", Kind.COUNTER, "invoices", "Invoices.", (Label("kind", ("paper",)),)
)


@api.post("/invoices/{invoice_id}/payment")
async def pay(invoice_id: int) -> dict[str, int]:
    """Charge one invoice."""
    with instruments.operation("bank", "charge"):
        instruments.counter(INVOICES).series("paper").note()
    return {"invoice": invoice_id}


@api.get("/pid")
async def pid() -> int:
    """Which worker answers."""
    return os.getpid()


@api.get("/broken")
async def broken() -> None:
    """A bug."""
    raise RuntimeError("a bug")
