"""One request and its response: what the server and the application say to each other, watched.

One slotted object a request. What decides how a request has ended is here; what is counted and
logged of it is `asgi_observability.middleware`'s.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from asgi_observability.catalogue import Outcome

if TYPE_CHECKING:
    from asgi_observability.middleware import ObservabilityMiddleware

CLIENT_CLOSED_REQUEST = 499
"""Status recorded for a request whose client left before the response was complete."""

STOPPED = 503
"""Status recorded for a request that the server cancelled, as it does when it has to stop."""

_BODY = frozenset({"http.response.body", "http.response.zerocopysend"})

Header = tuple[bytes, bytes]

PATIENCE_SECONDS = 0.1
"""A client that has waited this long may have left: it is looked for before it is answered."""


@dataclass(slots=True, init=False, repr=False, eq=False)
class Exchange:
    """One HTTP request on its way through the application; `begun` makes it."""

    scope: Scope
    path: str
    root_path: str
    """As it came in: Starlette before 0.33 changes both in the scope for what is mounted."""
    status: int
    route: str
    is_over: bool
    _layer: "ObservabilityMiddleware"
    _receive: Receive
    _send: Send
    _own: Header
    _began: float
    _first_at: float
    _headers: Iterable[Header]
    _unread: Message | None
    _has_left: bool
    _is_stream: bool

    async def receive(self) -> Message:
        """What the server has of the request; the application calls it."""
        if self._unread is not None:
            message, self._unread = self._unread, None
            return message
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self.is_over:
            self._has_left = True
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Pass on a part of the response; the application calls it, and awaits the server's send.

        Only the last part is awaited here: nothing is done after the others.
        """
        kind = message["type"]
        if kind == "http.response.start":
            try:
                self.status = message["status"]
                headers = message.get("headers") or ()
                if headers.__class__ is not list:
                    headers = list(headers)  # it may be read only once
                self._headers = headers
                message["headers"] = answered(headers, self._own)
            except Exception:
                self._layer.count_error()
            return self._send(message)
        # With a path, the server sends the file, all of it.
        if (kind in _BODY and not message.get("more_body")) or kind == "http.response.pathsend":
            return self._send_last(message)
        if kind == "http.response.body" and not self._is_stream:
            self._goes_on(message)
        return self._send(message)

    async def _send_last(self, message: Message) -> None:
        seconds = perf_counter() - self._began
        if seconds > PATIENCE_SECONDS and not self._has_left and not self._is_stream:
            self._look_for_client()  # is anybody still there?
        try:
            await self._send(message)
        except OSError:  # what servers raise when nobody is there any more
            self._has_left = True
            raise
        if self.is_over:
            return
        # Here and not when the application returns: background tasks come after it.
        if self._is_stream or self._has_left:
            self._ended(self.status, seconds)
        else:
            self.is_over = True
            self._layer.record(self, self.status, seconds)

    def _goes_on(self, message: Message) -> None:
        """A part of the body that isn't the last: a stream, or a response in several pieces.

        A response that a middleware takes apart is none: it says its length and sends that at once,
        or ends after its first part. A stream goes on, and its first part is the answer: how long
        the rest takes is up to the reader.
        """
        try:
            body = message.get("body", b"")
            if not self._first_at:
                if not body:
                    return
                self._first_at = perf_counter()
                if not self._is_long(len(body)):
                    return
            elif not body or _length(self._headers) is not None:
                return
        except Exception:
            self._layer.count_error()
            return
        self._stream()

    def _stream(self) -> None:
        """Count the answer, which was its first part."""
        self._is_stream = True
        seconds = self._first_at - self._began
        self.route = self._layer.record(self, self.status, seconds)
        self._began = self._first_at

    def _is_long(self, first: int) -> bool:
        """Whether more is known to come than the first part."""
        length = _length(self._headers)
        if length is not None:
            return first < length
        return any(
            name == b"content-type" and value.startswith(b"text/event-stream")
            for name, value in self._headers
        )

    def _ended(self, status: int, seconds: float) -> None:
        """Count it, once, by its ``status`` or as one whose client had left."""
        self.is_over = True
        if not self._is_stream:
            self._layer.record(self, self._counted(status), seconds)
        elif self._has_left:
            self._layer.record_stream(self.route, Outcome.CANCELLED, seconds)
        else:
            self._layer.record_stream(self.route, Outcome.SUCCESS, seconds)

    def _counted(self, status: int) -> int:
        return CLIENT_CLOSED_REQUEST if self._has_left else status

    def failed(self, error: Exception) -> None:
        """The application raised ``error``."""
        if isinstance(error, OSError) and self.status and not self.is_over and not self._has_left:
            self._look_for_client()  # servers raise it when nobody is there any more
        if isinstance(error, ClientDisconnect) or (self._has_left and isinstance(error, OSError)):
            self._has_left = True
        else:
            self._layer.unhandled(error)
        if not self.is_over:
            self._broken_off(500, Outcome.CANCELLED if self._has_left else Outcome.ERROR)

    def cancelled(self) -> None:
        """The server gave it up: its client left, or the service stops."""
        if self.is_over:
            return
        if not self._has_left:
            self._look_for_client()
        self._broken_off(STOPPED, Outcome.CANCELLED)

    def returned(self) -> None:
        """The application is done, and has not said that the response is complete."""
        if not self._has_left:
            self._look_for_client()
        # Without a client it is nobody's fault; with one, it gets an error from the server.
        self._broken_off(500, Outcome.CANCELLED)

    def _broken_off(self, status: int, outcome: Outcome) -> None:
        """It ended before its end: as ``status``, or as a stream where a part was on its way."""
        if not self._is_stream and self._first_at and _length(self._headers) is None:
            self._stream()
        if self._is_stream:
            self.is_over = True
            self._layer.record_stream(self.route, outcome, perf_counter() - self._began)
        else:
            self._ended(status, perf_counter() - self._began)

    def _look_for_client(self) -> None:
        """See whether the server has noticed that the client left, without waiting.

        The server tells only who receives, and an application that has its request does not. So
        its coroutine is run to where it would wait, and then closed. A part of the body that was
        not read yet is kept for the application.
        """
        try:
            asyncio.get_running_loop()
            if self._unread is not None:
                return
            message = _at_once(self._receive)
            if message is not None and message["type"] == "http.request":
                self._unread = message
                message = None if message.get("more_body") else _at_once(self._receive)
            if message is not None and message["type"] == "http.disconnect":
                self._has_left = True
        except Exception:  # another kind of event loop, or of server
            return


def begun(
    layer: "ObservabilityMiddleware", scope: Scope, receive: Receive, send: Send, own: Header
) -> Exchange:
    """The exchange that begins now.

    A function, for the interpreter enters ``__init__`` the long way round.
    """
    exchange = Exchange()
    exchange.scope = scope
    exchange.path = scope["path"]
    exchange.root_path = scope.get("root_path", "")
    exchange.status = 0
    exchange._layer = layer
    exchange._receive = receive
    exchange._send = send
    exchange._own = own
    exchange._first_at = 0.0
    exchange._headers = ()
    exchange._unread = None
    exchange._has_left = exchange._is_stream = exchange.is_over = False
    exchange._began = perf_counter()
    return exchange


def answered(headers: list[Header], own: Header) -> list[Header]:
    """A response's ``headers`` with the ID, in place of one that the application put there."""
    own_name = own[0]
    for name, _ in headers:
        if name == own_name:
            headers = [header for header in headers if header[0] != own_name]
            break
    return [*headers, own]


def _at_once(receive: Receive) -> Message | None:
    """What ``receive`` gives without waiting; None where it would wait."""
    coroutine = receive()
    try:
        coroutine.send(None)  # type: ignore[attr-defined]
    except StopIteration as done:
        message: Message = done.value
        return message
    finally:
        coroutine.close()  # type: ignore[attr-defined]
    return None


def _length(headers: Iterable[Header]) -> int | None:
    for name, value in headers:
        if name.lower() == b"content-length" and value.isdigit():
            return int(value)
    return None
