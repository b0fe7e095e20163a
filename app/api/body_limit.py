"""Refuses oversized request bodies in the API's own error shape.

FastAPI's `max_body_size` answers in plain text, before any error handler is asked.
"""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimitMiddleware:
    """Answers 413 once a body is, or says it will be, longer than ``max_bytes``."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        size = int(length) if length.isdecimal() else 0
        received = 0

        async def limited_receive() -> Message:
            nonlocal received
            self._check(size)
            message = await receive()
            received += len(message.get("body", b""))
            self._check(received)
            return message

        await self.app(scope, limited_receive, send)

    def _check(self, size: int) -> None:
        if size > self._max_bytes:
            raise HTTPException(413, f"body: it may have at most {self._max_bytes} bytes")
