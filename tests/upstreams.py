"""Scripted upstreams for tests: real HTTP on loopback, with answers that the test sets."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from tests import personal_data


@dataclass
class ScriptedUpstreams:
    """What the upstreams say, and what they were asked."""

    url: str = ""
    confidence: float | None = 0.95
    answer: str = "Thanks, we have noted that."
    arrears_dollars: float = 1000
    statuses: dict[str, list[int]] = field(default_factory=dict)
    """HTTP statuses that the next calls of a path's first segment get, in order."""
    bodies: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, Callable[[Request], Response]] = field(default_factory=dict)
    """What a path's first segment answers, whatever else is set."""
    hang: asyncio.Event = field(default_factory=asyncio.Event)
    hanging: set[str] = field(default_factory=set)
    requests: list[tuple[str, dict[str, str], dict[str, object]]] = field(default_factory=list)

    @property
    def sent(self) -> list[dict[str, object]]:
        """The bodies of the texts that were sent."""
        return [body for path, _, body in self.requests if path == "/sms/send"]

    @property
    def notifications(self) -> list[dict[str, object]]:
        """The bodies of the notifications."""
        return [body for path, _, body in self.requests if path == "/notifications/send"]

    def fail(self, segment: str, *statuses: int) -> None:
        """Answer the next calls to ``/segment/…`` with ``statuses``."""
        self.statuses.setdefault(segment, []).extend(statuses)

    def app(self) -> FastAPI:
        """The upstreams, all four on one address."""
        app = FastAPI()

        @app.middleware("http")
        async def script(request: Request, call_next):  # type: ignore[no-untyped-def]
            segment = request.url.path.split("/")[1]
            body = await request.json() if request.method == "POST" else {}
            personal_data.note(body)
            if segment != "health":
                self.requests.append((request.url.path, dict(request.headers), body))
            if segment in self.hanging:
                await self.hang.wait()
            if self.statuses.get(segment):
                status = self.statuses[segment].pop(0)
                if status >= 400:
                    return Response(status_code=status)
            if segment in self.answers:
                return self.answers[segment](request)
            if segment in self.bodies:
                return Response(self.bodies[segment], media_type="application/json")
            return await call_next(request)

        @app.get("/health")
        async def health() -> dict[str, str]:
            return {"status": "ok"}

        @app.get("/monitor/tenant/{tenant_id}")
        async def tenant(tenant_id: str) -> dict[str, object]:
            return {"tenant_id": tenant_id, "arrears_dollars": self.arrears_dollars}

        @app.get("/conversations/{phone_number}")
        async def conversation(phone_number: str) -> dict[str, object]:
            return {"messages": [{"direction": "inbound", "content": "earlier"}]}

        @app.post("/sms/send")
        async def send() -> JSONResponse:
            return JSONResponse({"message_id": f"m{len(self.sent)}"}, 202)

        @app.post("/notifications/send")
        async def notify() -> JSONResponse:
            return JSONResponse({"notification_id": "n1"}, 202)

        @app.post("/v1/chat/completions")
        async def complete() -> dict[str, object]:
            choice: dict[str, object] = {
                "message": {"role": "assistant", "content": self.answer},
                "finish_reason": "stop",
            }
            if self.confidence is not None:
                token = {"token": "t", "logprob": math.log(self.confidence)}
                choice["logprobs"] = {"content": [token, token]}
            return {"choices": [choice]}

        return app


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[str]:
    """Serve ``app`` on a free port of the loopback address; gives its URL."""
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host="127.0.0.1",
            port=0,
            log_config=None,
            access_log=False,
            # Longer than the client keeps a connection: on a machine that stalls, it would be
            # closed just as it is used again.
            timeout_keep_alive=75,
        )
    )
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        if task.done():
            task.result()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        server.force_exit = True
        await task
