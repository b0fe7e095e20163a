"""The control API and webhook receiver."""

import re
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulator import page
from simulator.faults import FAULTS, ActiveFaults, Fault, UnknownFaultError
from simulator.listener import CannotListenError
from simulator.preview import add_preview
from simulator.receiver import Receiver, Webhook
from simulator.service import create_service
from simulator.settings import MAX_MESSAGES_PER_MINUTE
from simulator.switchboard import Switchboard
from simulator.traffic import Traffic


class TrafficRate(BaseModel):
    """The mean rate of SMS."""

    model_config = ConfigDict(extra="forbid")

    messages_per_minute: Annotated[
        float, Field(ge=0, le=MAX_MESSAGES_PER_MINUTE, allow_inf_nan=False)
    ]


def create_control(
    faults: ActiveFaults,
    switchboard: Switchboard,
    traffic: Traffic,
    receiver: Receiver,
    runbooks_dir: Path,
    preview_dir: Path,
) -> FastAPI:
    """The API that people, scripts and Alertmanager use."""
    app = create_service("Simulator control and webhook receiver")

    def shown(fault: Fault) -> dict[str, Any]:
        return {
            "name": fault.name,
            "description": fault.description,
            "active": fault.name in faults,
        }

    def shown_traffic() -> dict[str, int | float]:
        return {
            "messages_per_minute": traffic.messages_per_minute,
            "current_rate_per_minute": round(traffic.rate_per_minute(), 1),
            "sent": traffic.sent,
            "failed": traffic.failed,
            "skipped": traffic.skipped,
        }

    @app.exception_handler(UnknownFaultError)
    async def unknown_fault(_: Request, error: UnknownFaultError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 404)

    @app.exception_handler(CannotListenError)
    async def cannot_listen(_: Request, error: CannotListenError) -> JSONResponse:
        return JSONResponse({"detail": f"the fault stays on: {error}"}, 409)

    @app.get("/faults")
    async def list_faults() -> dict[str, list[dict[str, Any]]]:
        return {"faults": [shown(fault) for fault in FAULTS.values()]}

    @app.put("/faults/{name}")
    async def switch_on(name: str) -> dict[str, Any]:
        await switchboard.switch_on(name)
        return shown(FAULTS[name])

    @app.delete("/faults/{name}")
    async def switch_off(name: str) -> dict[str, Any]:
        await switchboard.switch_off(name)
        return shown(FAULTS[name])

    @app.delete("/faults")
    async def all_off() -> dict[str, list[dict[str, Any]]]:
        await switchboard.all_off()
        return await list_faults()

    @app.get("/traffic")
    async def show_traffic() -> dict[str, int | float]:
        return shown_traffic()

    @app.put("/traffic")
    async def set_traffic(rate: TrafficRate) -> dict[str, int | float]:
        traffic.messages_per_minute = rate.messages_per_minute
        return shown_traffic()

    @app.post("/alerts")
    async def receive(request: Request) -> dict[str, str]:
        # Parsed by pydantic: it refuses text that is no UTF-8 and nesting without end.
        try:
            receiver.keep(Webhook.model_validate_json(await request.body()))
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from None
        return {"status": "ok"}

    @app.get("/alerts")
    async def list_notifications() -> Response:
        # By pydantic: an infinite number, which JSON does not know, becomes null.
        received = ",".join(n.model_dump_json() for n in receiver.notifications())
        return Response(f'{{"notifications":[{received}]}}', media_type="application/json")

    @app.delete("/alerts", status_code=204)
    async def forget_notifications() -> None:
        receiver.clear()

    @app.get("/runbooks/{alert}", response_class=PlainTextResponse)
    async def runbook(alert: str) -> str:
        # The pages link to each other as files.
        name = alert.removesuffix(".md")
        file = runbooks_dir / f"{name}.md"
        if not re.fullmatch(r"\w{1,100}", name) or not file.is_file():
            raise HTTPException(404, "no runbook of that name")
        return file.read_text(encoding="utf-8")

    @app.get("/", response_class=HTMLResponse)
    async def show_page() -> HTMLResponse:
        html = page.rendered(receiver.notifications(), faults, traffic)
        return HTMLResponse(html, headers=page.HEADERS)

    add_preview(app, preview_dir)
    return app
