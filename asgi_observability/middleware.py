"""The instrumentation of HTTP: one pure ASGI layer around the whole application.

It stands outside of everything, the framework's own error handling included, because only there
does an unhandled 500 still get its correlation ID and its count.
"""

from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asgi_observability import catalogue, correlation
from asgi_observability.catalogue import HTTP_METHODS, Outcome
from asgi_observability.correlation import Strategy
from asgi_observability.event import FromCode
from asgi_observability.events import QuietRequest, Request
from asgi_observability.instruments import Instruments
from asgi_observability.logger import get_logger
from asgi_observability.metric import OTHER
from asgi_observability.routes import UNMATCHED, route_template

CLIENT_CLOSED_REQUEST = 499
"""Status recorded for a request whose client left before the response was complete."""

QUIET_ROUTES = frozenset({"/metrics", "/health"})
"""Routes that machines poll: logged at debug."""

_HEADER = correlation.HEADER.lower().encode()
_OFFERED = {
    _HEADER: "x_correlation_id",
    correlation.REQUEST_ID_HEADER.lower().encode(): "x_request_id",
    correlation.TRACEPARENT_HEADER.encode(): "traceparent",
    correlation.TRACESTATE_HEADER.encode(): "tracestate",
}
_WELL_FORMED = {
    "x_correlation_id": correlation.is_well_formed,
    "x_request_id": correlation.is_well_formed,
    "traceparent": correlation.is_traceparent,
    "tracestate": correlation.is_tracestate,
}
_OTHER = FromCode(OTHER)
_METHODS = {method: FromCode(method) for method in HTTP_METHODS}
_STREAM_OUTCOMES = {CLIENT_CLOSED_REQUEST: Outcome.CANCELLED, 500: Outcome.ERROR}
_STATUS = {status: str(status) for status in range(100, 600)}


class ObservabilityMiddleware:
    """Correlation ID, request metrics by route template and one access line per request."""

    def __init__(
        self, app: ASGIApp, instruments: Instruments, id_strategy: Strategy = "uuid7"
    ) -> None:
        self.app = app
        self._id_strategy = id_strategy
        self._instruments = instruments
        self._durations = instruments.histogram(catalogue.HTTP_SERVER_REQUEST_DURATION)
        self._streams = instruments.histogram(catalogue.HTTP_SERVER_STREAM_DURATION)
        self._refused = instruments.counter(catalogue.HTTP_SERVER_HEADERS_REFUSED)
        self._refused.bind_all()
        self._log = get_logger("access")
        self._in_flight = 0
        instruments.sampled(
            catalogue.HTTP_SERVER_ACTIVE_REQUESTS, read=lambda: float(self._in_flight)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = perf_counter()
        outer_root_path = scope.get("root_path", "")
        correlation_id = self._correlated(scope)
        status = 0
        # The route, once the first chunk of a streamed response is on its way.
        streamed: str | None = None
        is_over = False

        def ended(with_status: int) -> None:
            nonlocal is_over
            if is_over:
                return
            is_over = True
            seconds = perf_counter() - started
            if streamed is None:
                self._record(scope, outer_root_path, with_status, seconds)
            else:
                self._record_stream(streamed, with_status, seconds)

        async def observed_send(message: Message) -> None:
            nonlocal started, status, streamed
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.get("headers", ())
                for name, _ in headers:
                    if name == _HEADER:  # the application's own, which would be a second one
                        headers = [header for header in headers if header[0] != _HEADER]
                        break
                message["headers"] = [*headers, (_HEADER, correlation_id.encode())]
                await send(message)
                return
            await send(message)
            if message["type"] != "http.response.body":
                return
            if not message.get("more_body", False):
                # Here and not when the application returns: background tasks come after it.
                ended(status)
            elif streamed is None:
                # The first chunk is the answer; how long the rest takes is up to the reader.
                seconds = perf_counter() - started
                streamed = self._record(scope, outer_root_path, status, seconds)
                started = perf_counter()

        self._in_flight += 1
        try:
            await self.app(scope, receive, observed_send)
        except Exception:
            ended(500)
            raise
        finally:
            self._in_flight -= 1
            # Nothing has said that it was complete: its client left, or it was cancelled.
            ended(CLIENT_CLOSED_REQUEST)

    def _correlated(self, scope: Scope) -> str:
        """Bind what the caller's headers say, as far as it is well formed; gives the ID."""
        offered: dict[str, str] = {}
        for name, value in scope["headers"]:
            if name not in _OFFERED:
                continue
            header, text = _OFFERED[name], value.decode("latin-1")
            if _WELL_FORMED[header](text):
                offered[header] = text
            else:
                self._refused.series(header).note()
        if not offered:
            made = correlation.new_id(self._id_strategy)
            correlation.bind(made)
            return made
        correlation_id = offered.get("x_correlation_id") or offered.get("x_request_id")
        correlation_id = correlation_id or correlation.new_id(self._id_strategy)
        traceparent = offered.get("traceparent", "")
        # State without the trace that it is about means nothing.
        tracestate = offered.get("tracestate", "") if traceparent else ""
        correlation.bind(correlation_id, traceparent, tracestate)
        return correlation_id

    def _record(self, scope: Scope, outer_root_path: str, status: int, seconds: float) -> str:
        """Count one answered request; gives its route template."""
        # Not a context manager: one made of a generator would cost as much as the recording.
        try:
            route = FromCode(route_template(scope, outer_root_path))
            method = scope["method"]
            self._durations.series(method, route, _STATUS.get(status) or str(status)).note(seconds)
            kind = QuietRequest if route in QUIET_ROUTES else Request
            milliseconds = round(seconds * 1000, 1)
            # Clients may invent methods: the metric folds and counts them, a line never has them.
            known = _METHODS.get(method, _OTHER)
            self._log.event(
                kind(method=known, route=route, status=status, duration_ms=milliseconds)
            )
        except Exception:
            self._instruments.count_error()
            return UNMATCHED
        return route

    def _record_stream(self, route: str, status: int, seconds: float) -> None:
        """Count one streamed response that has ended, ``seconds`` after its first chunk."""
        try:
            outcome = _STREAM_OUTCOMES.get(status, Outcome.SUCCESS)
            self._streams.series(route, outcome).note(seconds)
        except Exception:
            self._instruments.count_error()
