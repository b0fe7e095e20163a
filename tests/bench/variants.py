"""The same small service, bare and within each layer: what `tests.bench.layer` compares."""

import logging
import os
import time
from collections.abc import Callable
from inspect import getclosurevars

import orjson
import structlog
from asgi_correlation_id import CorrelationIdMiddleware, correlation_id
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from prometheus_fastapi_instrumentator import Instrumentator
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_exporter import PrometheusMiddleware, handle_metrics

from asgi_observability import observe
from asgi_observability.logging import Logger, NamedLogger

OUTPUT = open(os.devnull, "wb", buffering=0)  # noqa: SIM115 - open as long as the process


def routes(app: FastAPI, count: int) -> FastAPI:
    """``app`` with ``count`` routes; requests go to the last."""
    for number in range(count):

        async def item(item: str) -> dict[str, str]:
            return {"item": item}

        app.add_api_route(f"/r{number}/items/{{item}}", item)
    return app


class AnswersAtOnce(Starlette):
    """An application that does nothing else, so that a layer has the processor's caches alone."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        scope["route"] = self.routes[0]
        length = (b"content-length", b"12")
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": b'{"item":"1"}'})


def answers_at_once() -> AnswersAtOnce:
    """It, with a route for the layer to name."""
    return AnswersAtOnce(routes=[Route("/r0/items/{item}", lambda request: Response())])


class Empty:
    """A pure ASGI layer that times the request and does nothing with it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.seconds = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        await self.app(scope, receive, send)
        self.seconds = time.perf_counter() - started


class Busy:
    """Takes as long as this layer may, so that it shows what that means over HTTP."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        until = time.perf_counter_ns() + 8000
        while time.perf_counter_ns() < until:
            pass
        await self.app(scope, receive, send)


class AccessLine:
    """An access line by structlog with orjson, as fast as it goes without giving anything up."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.log = structlog.wrap_logger(
            structlog.BytesLogger(OUTPUT),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(serializer=orjson.dumps),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        ).bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, status = time.perf_counter(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        await self.app(scope, receive, watched)
        self.log.info(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            correlation_id=correlation_id.get(),
            duration_ms=round((time.perf_counter() - started) * 1000, 1),
        )


def bare(app: Starlette) -> ASGIApp:
    """Nothing around it."""
    return app


def this_layer(app: Starlette) -> ASGIApp:
    """This project's layer: id, metrics and access line."""
    observe(app, service="bench")
    return app


def without_line(app: FastAPI) -> ASGIApp:
    """This project's layer without its access line: what the line costs."""
    observe(app, service="bench")
    layer = getclosurevars(type(app).__call__).nonlocals["layer"]
    # A logger that nobody turns on: levels belong to the process, and others here do log.
    layer._log = Logger(NamedLogger("off"))
    return app


def instrumentator(app: FastAPI) -> ASGIApp:
    """prometheus-fastapi-instrumentator."""
    Instrumentator(registry=CollectorRegistry()).instrument(app).expose(app)
    return app


def correlated(app: FastAPI) -> ASGIApp:
    """asgi-correlation-id."""
    return CorrelationIdMiddleware(app)


def access_line(app: FastAPI) -> ASGIApp:
    """A structlog access line with orjson."""
    return AccessLine(app)


def combination(app: FastAPI) -> ASGIApp:
    """The three together, in their fast form."""
    return CorrelationIdMiddleware(AccessLine(instrumentator(app)))


def exporter(app: FastAPI) -> ASGIApp:
    """starlette-exporter."""
    app.add_middleware(PrometheusMiddleware, group_paths=True)
    app.add_route("/metrics", handle_metrics)
    return app


def opentelemetry(app: FastAPI) -> ASGIApp:
    """OpenTelemetry's instrumentation of FastAPI: spans that are ended, and metrics."""
    # Imported here: this alone takes longer than all others together.
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider

    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=TracerProvider(),
        meter_provider=MeterProvider(metric_readers=[InMemoryMetricReader()]),
    )
    return app


VARIANTS: dict[str, Callable[[FastAPI], ASGIApp]] = {
    "bare app": bare,
    "empty ASGI layer": Empty,
    "busy for 8 µs": Busy,
    "this layer": this_layer,
    "  without access line": without_line,
    "asgi-correlation-id": correlated,
    "structlog access line": access_line,
    "fastapi-instrumentator": instrumentator,
    "starlette-exporter": exporter,
    "the three together": combination,
    "OpenTelemetry's": opentelemetry,
}


def serve() -> ASGIApp:
    """The factory for a server: BENCH_VARIANT says which."""
    return VARIANTS[os.environ["BENCH_VARIANT"]](routes(FastAPI(), 1))
