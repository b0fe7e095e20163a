"""`/metrics`, answered before the application routes anything: nothing of its own can take it."""

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from asgi_observability.routes import path_below
from asgi_observability.scrape_server import has_token

if TYPE_CHECKING:
    from asgi_observability.observability import Observability

_METHODS = ("GET", "HEAD")


class Scrape:
    """The exposition at ``path``, for whoever knows ``token``; for everybody where it is empty."""

    def __init__(self, observability: "Observability", path: str, token: str) -> None:
        self._observability = observability
        self._token = token
        self.path_format = path
        """The template by which it is counted itself."""

    def is_asked_by(self, scope: Scope) -> bool:
        """Whether ``scope`` asks for it."""
        path: str = scope["path"]
        if path == self.path_format:
            return True
        root_path: str = scope.get("root_path", "")
        return bool(root_path) and path_below(path, root_path) == self.path_format

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self
        response = await self._response(Request(scope))
        if scope["method"] == "HEAD":
            response.body = b""  # its length stays in the header
        await response(scope, receive, send)

    async def _response(self, request: Request) -> Response:
        if request.method not in _METHODS:
            allowed = ", ".join(_METHODS)
            return PlainTextResponse(f"use {allowed}\n", 405, headers={"Allow": allowed})
        if not has_token(request.headers.get("authorization", ""), self._token):
            challenge = {"WWW-Authenticate": 'Bearer realm="metrics"'}
            return PlainTextResponse(
                "send the token as Authorization: Bearer …\n", 401, headers=challenge
            )
        return await self._observability.exposition(request)
