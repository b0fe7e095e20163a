"""The instrumentation of HTTP: one pure ASGI layer around the whole application.

It stands outside of everything, the framework's own error handling included, because only there
does an unhandled 500 still get its correlation ID and its count.
"""

from time import perf_counter

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import catalogue, correlation
from app.core.instrumentation import Instruments
from app.core.routes import route_template

log = structlog.get_logger("access")

CLIENT_CLOSED_REQUEST = 499
"""Status recorded for a request whose client left before the response was complete."""

QUIET_ROUTES = frozenset({"/metrics", "/health"})
"""Routes that machines poll: logged at debug."""


class ObservabilityMiddleware:
    """Correlation ID, request metrics by route template and one access line per request."""

    def __init__(self, app: ASGIApp, instruments: Instruments) -> None:
        self.app = app
        self._instruments = instruments
        self._durations = instruments.histogram(catalogue.HTTP_SERVER_REQUEST_DURATION)
        self._active = instruments.gauge(catalogue.HTTP_SERVER_ACTIVE_REQUESTS).child()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = perf_counter()
        outer_root_path = scope.get("root_path", "")
        correlation_id = correlation.accepted_or_new(Headers(scope=scope).get(correlation.HEADER))
        correlation.bind(correlation_id)
        status = 0
        complete = False

        async def observed_send(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[correlation.HEADER] = correlation_id
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                complete = True

        self._active.inc()
        try:
            await self.app(scope, receive, observed_send)
        except Exception:
            status = status or 500
            complete = True
            raise
        finally:
            self._active.dec()
            with self._instruments.contained():
                self._record(
                    scope["method"],
                    route_template(dict(scope), outer_root_path),
                    status if complete else CLIENT_CLOSED_REQUEST,
                    perf_counter() - started,
                )

    def _record(self, method: str, route: str, status: int, seconds: float) -> None:
        self._durations.child(method, route, str(status)).observe(seconds)
        line = log.debug if route in QUIET_ROUTES else log.info
        line("request", method=method, route=route, status=status, duration_ms=_ms(seconds))


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
