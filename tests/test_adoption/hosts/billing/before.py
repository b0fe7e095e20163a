"""Invoices and reminders; run by uvicorn, with one worker or several."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

app = FastAPI(title="billing", version="1.4.0")


@app.get("/")
async def home() -> str:
    """Is it up?"""
    return "billing"


@app.get("/invoices/{number}")
async def invoice(number: int, request: Request) -> dict[str, object]:
    """One invoice, with the ID under which people ask about it."""
    return {"invoice": number, "id": request.headers.get("X-Correlation-ID")}


@app.post("/customers/{telephone}/reminders")
def remind(telephone: str) -> dict[str, bool]:
    """Remind a customer; in a thread, for it may take long."""
    return {"reminded": bool(telephone)}


@app.get("/broken")
async def broken(telephone: str = "+4915550100001") -> None:
    """A bug."""
    raise LookupError(f"no rate for {telephone}")


@app.exception_handler(ZeroDivisionError)
async def divided(request: Request, error: Exception) -> JSONResponse:
    """An error that the service knows."""
    return JSONResponse({"id": request.headers.get("X-Correlation-ID")}, 503)


@app.get("/shares")
async def shares() -> float:
    """Nobody to share with."""
    return 1 / len([])
