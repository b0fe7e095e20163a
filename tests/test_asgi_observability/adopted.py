"""A service of somebody else's that has adopted the layer as docs/adopting.md shows it."""

import os

from fastapi import FastAPI

import asgi_observability as obs

app = FastAPI()
watched = obs.observe(app, service="billing", version="1.2.3")
invoices = watched.counter("billing_invoices_total", "Invoices sent", kind=["paper", "mail"])


@app.post("/invoices/{invoice_id}/payment")
async def pay(invoice_id: int) -> dict[str, int]:
    """Charge one invoice."""
    with watched.time("bank", "charge"):
        invoices.inc(kind="paper")
    return {"invoice": invoice_id}


@app.get("/pid")
async def pid() -> int:
    """Which worker answers."""
    return os.getpid()


@app.get("/broken")
async def broken() -> None:
    """A bug."""
    raise RuntimeError("a bug")
