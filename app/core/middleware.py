"""The instrumentation of HTTP: one pure ASGI layer around the whole application.

It stands outside of everything, the framework's own error handling included, because only there
does an unhandled 500 still get its correlation ID and its count.
"""

from time import perf_counter

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import catalogue, correlation
from app.core.catalogue import Outcome
from app.core.instrumentation import Instruments
from app.core.routes import UNMATCHED, route_template

CLIENT_CLOSED_REQUEST = 499
"""Status recorded for a request whose client left before the response was complete."""

QUIET_ROUTES = frozenset({"/metrics", "/health"})
"""Routes that machines poll: logged at debug."""

_HEADER = correlation.HEADER.lower().encode()
_STREAM_OUTCOMES = {CLIENT_CLOSED_REQUEST: Outcome.CANCELLED, 500: Outcome.ERROR}
_STATUS = {status: str(status) for status in range(100, 600)}


class ObservabilityMiddleware:
    """Correlation ID, request metrics by route template and one access line per request."""

    def __init__(self, app: ASGIApp, instruments: Instruments) -> None:
        self.app = app
        self._instruments = instruments
        self._durations = instruments.histogram(catalogue.HTTP_SERVER_REQUEST_DURATION)
        self._streams = instruments.histogram(catalogue.HTTP_SERVER_STREAM_DURATION)
        # Bound once: a lazy logger would look itself up for every line.
        self._log = structlog.get_logger("access").bind()
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
        offered = None
        for name, value in scope["headers"]:
            if name == _HEADER:
                offered = value.decode("latin-1")
        correlation_id = correlation.accepted_or_new(offered)
        correlation.bind(correlation_id)
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

    def _record(self, scope: Scope, outer_root_path: str, status: int, seconds: float) -> str:
        """Count one answered request; gives its route template."""
        # Not a context manager: one made of a generator would cost as much as the recording.
        try:
            route = route_template(scope, outer_root_path)
            method = scope["method"]
            self._durations.series(method, route, _STATUS.get(status) or str(status)).note(seconds)
            line = self._log.debug if route in QUIET_ROUTES else self._log.info
            milliseconds = round(seconds * 1000, 1)
            line("request", method=method, route=route, status=status, duration_ms=milliseconds)
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
