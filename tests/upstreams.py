"""Scripted upstreams for tests: real HTTP on loopback, with answers that the test sets."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

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

    def app(self) -> ASGIApp:
        """The upstreams, all four on one address."""
        return Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "POST"])])

    async def _answer(self, request: Request) -> Response:
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
        return self._usual(request.method, request.path_params["path"].split("/"))

    def _usual(self, method: str, path: list[str]) -> Response:
        match method, path:
            case "GET", ["health"]:
                return JSONResponse({"status": "ok"})
            case "GET", ["monitor", "tenant", tenant_id]:
                about = {"tenant_id": tenant_id, "arrears_dollars": self.arrears_dollars}
                return JSONResponse(about)
            case "GET", ["conversations", _]:
                return JSONResponse({"messages": [{"direction": "inbound", "content": "earlier"}]})
            case "POST", ["sms", "send"]:
                return JSONResponse({"message_id": f"m{len(self.sent)}"}, 202)
            case "POST", ["notifications", "send"]:
                return JSONResponse({"notification_id": "n1"}, 202)
            case "POST", ["v1", "chat", "completions"]:
                return JSONResponse({"choices": [self._choice()]})
        return Response(status_code=404)

    def _choice(self) -> dict[str, object]:
        choice: dict[str, object] = {
            "message": {"role": "assistant", "content": self.answer},
            "finish_reason": "stop",
        }
        if self.confidence is not None:
            token = {"token": "t", "logprob": math.log(self.confidence)}
            choice["logprobs"] = {"content": [token, token]}
        return choice


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serve ``app`` on a free port of the loopback address, without its lifespan; gives its URL.

    By uvicorn's protocol alone: its server looks ten times a second whether it is to end, and
    takes another tenth of a second for it.
    """

    async def one(scope: Scope, receive: Receive, send: Send) -> None:
        # Cancelled only below, where nobody reads any more; uvicorn would report a crash.
        with suppress(asyncio.CancelledError):
            await app(scope, receive, send)

    config = uvicorn.Config(
        one,
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        # Longer than the client keeps a connection: on a machine that stalls, it would be
        # closed just as it is used again.
        timeout_keep_alive=75,
    )
    config.load()
    state = ServerState()

    def connection() -> asyncio.Protocol:
        return config.http_protocol_class(config=config, server_state=state, app_state={})

    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for each in list(state.connections):
            each.transport.abort()
        for request in (left := list(state.tasks)):
            request.cancel()
        await asyncio.gather(*left, return_exceptions=True)
