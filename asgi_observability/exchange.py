"""One request and its response: what the server and the application say to each other, watched.

One slotted object a request. What decides how a request has ended is here; what is counted and
logged of it is `asgi_observability.middleware`'s.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from sys import modules
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgi_observability.catalogue import Outcome
from asgi_observability.correlation import (
    OUTERMOST,
    REQUEST_ID_HEADER,
    context_of,
    use,
    use_former,
)
from asgi_observability.tracing import SDK

if TYPE_CHECKING:
    from asgi_observability.middleware import Correlation, ObservabilityMiddleware

CLIENT_CLOSED_REQUEST = 499
"""Status recorded for a request whose client left before the response was complete."""

STOPPED = 503
"""Status recorded for a request that the server cancelled, as it does when it has to stop."""

MARK = "asgi_observability"
"""What a scope has that is observed already."""

Header = tuple[bytes, bytes]

REQUEST_ID = REQUEST_ID_HEADER.lower().encode()
"""The other name under which the application reads the ID."""


class Place(Protocol):
    """What a server calls; it may have been put below a path."""

    root_path: str


Observed = Callable[[Any, Scope, Receive, Send], Coroutine[Any, Any, None]]

LEFT, STREAM, OVER = 1, 2, 4
"""States: its client has left; its first part was the answer, and is counted; all is counted."""

PATIENCE_SECONDS = 0.1
"""A client that has waited this long may have left: it is looked for before it is answered."""


@dataclass(slots=True, init=False, repr=False, eq=False)
class Exchange:
    """One HTTP request on its way through the application; `observed` makes it."""

    scope: Scope
    path: str
    root_path: str
    """As it came in: Starlette before 0.33 changes both in the scope for what is mounted."""
    status: int
    route: str
    state: int
    """Any of `LEFT`, `STREAM` and `OVER`, added up: most requests are 0 up to their last part."""
    _layer: "ObservabilityMiddleware"
    _receive: Receive
    _send: Send
    _own: Header
    _began: float
    _first_at: float
    _headers: Iterable[Header]

    async def receive(self) -> Message:
        """What the server has of the request; the application calls it."""
        take = self._receive
        message = await take()
        if message["type"] == "http.disconnect" and not self.state & OVER:
            self.state |= LEFT
        return message

    def send(self, message: Message) -> Awaitable[None]:
        """Pass on a part of the response; the application calls it, and awaits the server's send.

        Only the last part is awaited here: nothing is done after the others.
        """
        # A local name of what is called: as an attribute, it is looked for among the methods first.
        pass_on = self._send
        kind = message["type"]
        if kind == "http.response.start":
            try:
                self.status = message["status"]
                headers = message.get("headers")
                if headers.__class__ is not list:
                    headers = list(headers or ())  # it may be read only once
                self._headers = headers
                own = self._own
                own_name = own[0]
                for name, _ in headers:
                    if name == own_name:
                        headers = without(headers, own_name)
                        break
                message["headers"] = [*headers, own]
            except Exception:
                self._layer.count_error()
            return pass_on(message)
        if kind == "http.response.body":
            if not message.get("more_body"):
                return self._send_last(message)
            if not self.state & STREAM:
                self._goes_on(message)
        elif kind == "http.response.pathsend" or (  # with a path, the server sends all of the file
            kind == "http.response.zerocopysend" and not message.get("more_body")
        ):
            return self._send_last(message)
        return pass_on(message)

    async def _send_last(self, message: Message) -> None:
        seconds = perf_counter() - self._began
        if seconds > PATIENCE_SECONDS and not self.state & (LEFT | STREAM):
            self._look_for_client()  # is anybody still there?
        pass_on = self._send
        try:
            await pass_on(message)
        except OSError:  # what servers raise when nobody is there any more
            self.state |= LEFT
            raise
        # Here and not when the application returns: background tasks come after it.
        if self.state:
            if not self.state & OVER:
                self._ended(self.status, seconds)
            return
        self.state = OVER
        # `ObservabilityMiddleware.record` with `matched_by`, written out, for nearly all come here.
        try:
            scope = self.scope
            own = scope.get("fastapi")
            matched = (
                (own and own.get("effective_route_context"))
                or scope.get("route")
                or scope.get("endpoint")
            )
            try:
                answer = self._layer.answers[id(matched)][scope["method"]][self.status]
            except KeyError:
                answer = self._layer.answer(self, self.status)
            note, write = answer.note, answer.write
            note(seconds)
            write(seconds)
        except Exception:
            self._layer.count_error()

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
        self.state |= STREAM
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
        self.state |= OVER
        if not self.state & STREAM:
            self._layer.record(self, self._counted(status), seconds)
        elif self.state & LEFT:
            self._layer.record_stream(self.route, Outcome.CANCELLED, seconds)
        else:
            self._layer.record_stream(self.route, Outcome.SUCCESS, seconds)

    def _counted(self, status: int) -> int:
        return CLIENT_CLOSED_REQUEST if self.state & LEFT else status

    def failed(self, error: Exception) -> None:
        """The application raised ``error``."""
        if isinstance(error, OSError) and self.status and not self.state & (OVER | LEFT):
            self._look_for_client()  # servers raise it when nobody is there any more
        if isinstance(error, ClientDisconnect) or (
            self.state & LEFT and isinstance(error, OSError)
        ):
            self.state |= LEFT
        else:
            self._layer.unhandled(error)
        if not self.state & OVER:
            self._broken_off(500, Outcome.CANCELLED if self.state & LEFT else Outcome.ERROR)

    def cancelled(self) -> None:
        """The server gave it up: its client left, or the service stops."""
        if self.state & OVER:
            return
        if not self.state & LEFT:
            self._look_for_client()
        self._broken_off(STOPPED, Outcome.CANCELLED)

    def returned(self) -> None:
        """The application is done, and may not have said that the response is complete."""
        if self.state & OVER:
            return
        if not self.state & LEFT:
            self._look_for_client()
        # Without a client it is nobody's fault; with one, it gets an error from the server.
        self._broken_off(500, Outcome.CANCELLED)

    def _broken_off(self, status: int, outcome: Outcome) -> None:
        """It ended before its end: as ``status``, or as a stream where a part was on its way."""
        if not self.state & STREAM and self._first_at and _length(self._headers) is None:
            self._stream()
        if self.state & STREAM:
            self.state |= OVER
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
            message = _at_once(self._receive)
            if message is not None and message["type"] == "http.request":
                rest = self._receive
                self._receive = self._first(message, rest)
                message = None if message.get("more_body") else _at_once(rest)
            if message is not None and message["type"] == "http.disconnect":
                self.state |= LEFT
        except Exception:  # another kind of event loop, or of server
            return

    def _first(self, message: Message, rest: Receive) -> Receive:
        """Gives ``message``, and from then on what ``rest`` does."""

        async def first() -> Message:
            self._receive = rest
            return message

        return first


def observed(
    layer: "ObservabilityMiddleware", app: ASGIApp, correlating: "Correlation"
) -> Observed:
    """What observes ``app``, as a method of whatever stands in its place.

    It has all that it needs at hand, and adds one coroutine to a request. The exchange is filled
    in here: the interpreter enters another function, and `__init__` more so, the long way round.
    """
    bind, new_id = correlating.bind, correlating.new_id
    offering, header = correlating.names, correlating.header
    has_two_names = header != REQUEST_ID
    in_flight = 0
    layer.in_flight = lambda: in_flight

    async def __call__(place: Place, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: N807
        nonlocal in_flight
        if place.root_path:  # FastAPI does the same next; a request is looked at before
            scope["root_path"] = place.root_path
        if scope["type"] != "http":
            await layer.other(scope, receive, send)
            return
        inner, exchange = app, None
        try:
            # Else it is within an application that is observed, or came back to this one.
            if MARK not in scope:
                scope[MARK] = True
                headers = scope["headers"]
                for name, _ in headers:
                    if name in offering:
                        own, token = bind(scope)
                        break
                else:
                    raw = str(new_id()).encode()
                    # Spans are remembered in a record, which tasks and threads must have in common.
                    token = use(context_of(raw.decode(), raw) if SDK in modules else raw)
                    own = header, raw
                    scope["headers"] = (
                        [*headers, own, (REQUEST_ID, raw)] if has_two_names else [*headers, own]
                    )
                if not layer.lifetime.has_begun:
                    layer.begin_at_zero()
                    layer.lifetime.begin()
                path, root_path = scope["path"], scope.get("root_path", "")
                exchange = Exchange()
                exchange.scope = scope
                exchange.path = path
                exchange.root_path = root_path
                exchange.status = exchange.state = 0
                exchange._layer = layer
                exchange._receive = receive
                exchange._send = send
                exchange._own = own
                exchange._first_at = 0.0
                exchange._headers = ()
                exchange._began = perf_counter()
                if root_path or path == layer.own_path:
                    inner = layer.answered_before(scope) or app
        except Exception:  # a scope that no server sends
            layer.count_error()
        if exchange is None:
            await inner(scope, receive, send)
            return
        in_flight += 1
        try:
            await inner(scope, exchange.receive, exchange.send)
        except Exception as error:
            exchange.failed(error)
            raise
        except BaseException:
            exchange.cancelled()
            raise
        finally:
            in_flight -= 1
            if exchange.state != OVER:
                exchange.returned()
            if token.old_value is not OUTERMOST:
                use_former(token)

    return __call__


def answered(headers: list[Header], own: Header) -> list[Header]:
    """A response's ``headers`` with the ID, in place of one that the application put there."""
    return [*without(headers, own[0]), own]


def without(headers: list[Header], name: bytes) -> list[Header]:
    """The others of ``headers``."""
    return [header for header in headers if header[0] != name]


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
