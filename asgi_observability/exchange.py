"""One request and its response: what the server and the application say to each other, watched.

One slotted object a request. What decides how a request has ended is here; what is counted and
logged of it is `asgi_observability.middleware`'s.
"""

import asyncio
from collections.abc import Iterable
from operator import itemgetter
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

name_of = itemgetter(0)
"""The name of a header, without a step of Python for each."""

PATIENCE_SECONDS = 0.1
"""A client that has waited this long may have left: it is looked for before it is answered."""


class Exchange:
    """One HTTP request on its way through the application."""

    __slots__ = (
        "_began",
        "_first_at",
        "_first_bytes",
        "_has_left",
        "_headers",
        "_is_stream",
        "_layer",
        "_raw_id",
        "_receive",
        "_send",
        "_unread",
        "is_over",
        "path",
        "root_path",
        "route",
        "scope",
        "status",
    )

    def __init__(
        self,
        layer: "ObservabilityMiddleware",
        scope: Scope,
        path: str,
        root_path: str,
        receive: Receive,
        send: Send,
        raw_id: bytes,
    ) -> None:
        self._began = perf_counter()
        self._layer = layer
        self._receive = receive
        self._send = send
        self._raw_id = raw_id
        self._first_at = 0.0
        self._has_left = self._is_stream = self.is_over = False
        self._unread: Message | None = None
        self._headers: Iterable[tuple[bytes, bytes]] = ()
        self.status = 0
        self.scope = scope
        # Versions of Starlette before 0.33 change these in the scope for what is mounted.
        self.path = path
        self.root_path = root_path

    async def receive(self) -> Message:
        """What the server has of the request; the application calls it."""
        if self._unread is not None:
            message, self._unread = self._unread, None
            return message
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self.is_over:
            self._has_left = True
        return message

    async def send(self, message: Message) -> None:
        """Pass on a part of the response; the application calls it."""
        kind = message["type"]
        seconds = None
        if kind == "http.response.start":
            try:
                self.status = message["status"]
                headers = message.get("headers") or ()
                if headers.__class__ is not list:
                    headers = list(headers)  # it may be read only once
                self._headers = headers
                own = self._layer.header
                if own in map(name_of, headers):  # the application's own: ours takes its place
                    headers = [header for header in headers if header[0] != own]
                message["headers"] = [*headers, (own, self._raw_id)]
            except Exception:
                self._layer.count_error()
        elif kind == "http.response.body":
            if not message.get("more_body"):
                seconds = perf_counter() - self._began
                if seconds > PATIENCE_SECONDS:
                    self._has_taken_long()
            elif not self._is_stream:
                self._goes_on(message)
        elif kind == "http.response.pathsend":
            seconds = perf_counter() - self._began  # the server sends the file, all of it
        elif kind == "http.response.zerocopysend" and not message.get("more_body"):
            seconds = perf_counter() - self._began
        try:
            await self._send(message)
        except OSError:  # what servers raise when nobody is there any more
            self._has_left = True
            raise
        if seconds is not None and not self.is_over:
            # Here and not when the application returns: background tasks come after it.
            if self._is_stream or self._has_left:
                self._ended(self.status, seconds)
            else:
                self.is_over = True
                self._layer.record(self, self.status, seconds)

    def _has_taken_long(self) -> None:
        """See whether anybody is still there for the last part of the response."""
        if not self._has_left and not self._is_stream:
            self._look_for_client()

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


def _length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    for name, value in headers:
        if name.lower() == b"content-length" and value.isdigit():
            return int(value)
    return None
