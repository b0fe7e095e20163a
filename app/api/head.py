"""HEAD is answered as GET, without a body, at every address that answers GET."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_STREAMS_LISTEN = "2.3"
"""Up to this version of ASGI a streamed response listens for a client that leaves."""


class HeadMiddleware:
    """Asks the routes for GET, and hands on only what comes before the body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        asgi = {**scope.get("asgi", {}), "spec_version": _STREAMS_LISTEN}
        inner = {**scope, "method": "GET", "asgi": asgi}
        answered = asyncio.Event()

        async def receive_until_answered() -> Message:
            if answered.is_set():
                return {"type": "http.disconnect"}
            message = asyncio.ensure_future(receive())
            over = asyncio.ensure_future(answered.wait())
            try:
                await asyncio.wait((message, over), return_when=asyncio.FIRST_COMPLETED)
            finally:
                over.cancel()
            if message.done():
                return message.result()
            # A stream has no end of its own: for HEAD it is as if its reader had left.
            message.cancel()
            return {"type": "http.disconnect"}

        async def send_head(message: Message) -> None:
            if answered.is_set():
                return
            # Whoever counts the request wants to know which route it was.
            scope.update({**inner, "method": "HEAD", "asgi": scope.get("asgi", {})})
            if message["type"] == "http.response.start":
                await send(message)
            elif message["type"] == "http.response.body":
                answered.set()
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self.app(inner, receive_until_answered, send_head)
