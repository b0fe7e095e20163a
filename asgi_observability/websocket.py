"""One WebSocket, watched: how long it was open, how it ended, how many messages it carried."""

from time import perf_counter
from typing import TYPE_CHECKING

from starlette.types import Message, Receive, Scope, Send

from asgi_observability import catalogue
from asgi_observability.catalogue import CLOSE_CODES
from asgi_observability.event import FromCode
from asgi_observability.events import WebSocketClosed, WebSocketOpened
from asgi_observability.exchange import Header, answered
from asgi_observability.instruments import Instruments
from asgi_observability.logging import get_logger

if TYPE_CHECKING:
    from asgi_observability.middleware import ObservabilityMiddleware

APPLICATION_CODES = 3000
REFUSED = "refused"
ABNORMAL = 1006
"""The connection is gone, and nobody has said why."""
INTERNAL_ERROR = 1011

log = get_logger("access")


class WebSockets:
    """The metrics of a service's WebSockets."""

    def __init__(self, instruments: Instruments) -> None:
        self.durations = instruments.histogram(catalogue.WEBSOCKET_DURATION)
        self.messages = instruments.counter(catalogue.WEBSOCKET_MESSAGES)
        self.open = 0
        instruments.sampled(catalogue.WEBSOCKET_ACTIVE, read=lambda: float(self.open))


class Conversation:
    """One WebSocket from its handshake to its end."""

    __slots__ = (
        "_accepted",
        "_began",
        "_code",
        "_layer",
        "_own",
        "_receive",
        "_received",
        "_received_series",
        "_route",
        "_send",
        "_sent",
        "_sent_series",
        "path",
        "root_path",
        "scope",
    )

    def __init__(
        self,
        layer: "ObservabilityMiddleware",
        scope: Scope,
        receive: Receive,
        send: Send,
        own: Header,
    ) -> None:
        self._began = perf_counter()
        self._layer = layer
        self._receive = receive
        self._send = send
        self._own = own
        self._accepted = False
        self._code: int | None = None
        self._received = self._sent = 0
        self.scope = scope
        self.path: str = scope["path"]
        self.root_path: str = scope.get("root_path", "")

    async def receive(self) -> Message:
        """What came from the client; the application calls it."""
        message = await self._receive()
        kind = message["type"]
        if kind == "websocket.receive":
            self._received += 1
            if self._accepted:
                self._received_series.note()
        elif kind == "websocket.disconnect" and self._code is None:
            code = message.get("code")
            self._code = code if isinstance(code, int) else 1005
        return message

    async def send(self, message: Message) -> None:
        """Pass on what goes to the client; the application calls it."""
        kind = message["type"]
        if kind in {"websocket.accept", "websocket.http.response.start"}:
            headers = [*(message.get("headers") or ())]
            message["headers"] = answered(headers, self._own)
        await self._send(message)
        if kind == "websocket.send":
            self._sent += 1
            if self._accepted:
                self._sent_series.note()
        elif kind == "websocket.accept":
            self._opened()
        elif kind == "websocket.close" and self._code is None:
            self._code = message.get("code") or 1000

    def _opened(self) -> None:
        try:
            self._route = self._layer.template_of(self)
            messages = self._layer.websockets.messages
            self._received_series = messages.series(self._route, "received")
            self._sent_series = messages.series(self._route, "sent")
            self._layer.websockets.open += 1
            self._accepted = True
            log.event(WebSocketOpened(route=FromCode(self._route)))
        except Exception:
            self._layer.count_error()

    def ended(self, error: BaseException | None) -> None:
        """The application is done with it."""
        if self._accepted:
            self._layer.websockets.open -= 1
        if isinstance(error, Exception) and not _is_departure(error):
            self._layer.unhandled(error)
        try:
            self._record(error)
        except Exception:
            self._layer.count_error()

    def _record(self, error: BaseException | None) -> None:
        if not self._accepted:
            code, self._route = REFUSED, self._layer.template_of(self)
        else:
            code = self._close_code(error)
        seconds = perf_counter() - self._began
        self._layer.websockets.durations.series(self._route, code).note(seconds)
        log.event(
            WebSocketClosed(
                route=FromCode(self._route),
                close_code=FromCode(code),
                duration_ms=round(seconds * 1000, 1),
                received=self._received,
                sent=self._sent,
            )
        )

    def _close_code(self, error: BaseException | None) -> str:
        code = self._code
        if code is None:
            # Servers close it so, for an application that failed or did not close it.
            code = INTERNAL_ERROR if isinstance(error, Exception) else ABNORMAL
            if error is None:
                code = 1000
        if code >= APPLICATION_CODES:
            return "application"
        return str(code) if str(code) in CLOSE_CODES else "other"


def _is_departure(error: Exception) -> bool:
    """Whether it says no more than that the client has gone."""
    return isinstance(error, OSError) or type(error).__name__ in {
        "WebSocketDisconnect",
        "ClientDisconnected",
    }
