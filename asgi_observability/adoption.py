"""How a service adopts the layer: one call, in place."""

import asyncio
import math
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from asgi_observability import catalogue, correlation
from asgi_observability.correlation import Strategy
from asgi_observability.lifetime import Lifetime
from asgi_observability.log_options import LogOptions
from asgi_observability.logging import configure_logging
from asgi_observability.metric import Metric
from asgi_observability.middleware import QUIET_ROUTES, Correlation, ObservabilityMiddleware
from asgi_observability.observability import Observability
from asgi_observability.privacy import Mode
from asgi_observability.resource import Resource
from asgi_observability.routes import Routes
from asgi_observability.scrape import Scrape
from asgi_observability.scrape_server import OwnPort
from asgi_observability.watched import Watched

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")

EVERYWHERE = "0.0.0.0"
"""Where a port of its own listens."""

_observed: "WeakKeyDictionary[Starlette, str]" = WeakKeyDictionary()


class WatchedApp(Watched):
    """What `observe` gives: metrics of the service's own, and what watches its process."""

    def __init__(self, observability: Observability) -> None:
        super().__init__(observability.instruments)
        self.observability = observability


def observe(
    app: Starlette,
    *,
    service: str,
    version: str = "",
    environment: str = "development",
    logs: LogOptions | None = LogOptions(),  # noqa: B008 - it can't be changed
    privacy: Mode | None = None,
    safe_fields: Sequence[str] | None = None,
    replace_handlers: bool | None = None,
    header: str = correlation.HEADER,
    id_generator: Strategy | Callable[[], str] = "uuid7",
    id_validator: Callable[[str], bool] = correlation.is_well_formed,
    metrics_path: str | None = "/metrics",
    metrics_token: str = "",
    metrics_port: int | None = None,
    registries: Iterable[CollectorRegistry] = (),
    buckets: Iterable[float] | None = None,
    narrowed: Iterable[Metric] = (),
    exclude: Iterable[str] = (),
    quiet: Iterable[str] = QUIET_ROUTES,
    slow_operation_seconds: Mapping[str, float] | None = None,
    workers_dir: Path | None = None,
) -> WatchedApp:
    """Watch ``app``, a FastAPI or Starlette: requests, WebSockets, logs, correlation, `/metrics`.

    It stays the same object, run as before. Every option has a default; README.md says what each
    is for. Without ``logs`` the logs of this process stay as they are. Raises ValueError or
    TypeError, with the fix, for what can't be observed, is observed already, or isn't an option's
    value; OSError when the folder of logs can't be written.
    """
    _check(app, service, header, metrics_path, exclude=exclude, quiet=quiet)
    resource = Resource(service, version, environment)
    if logs is not None:
        asked = {
            "privacy": privacy,
            "safe_fields": safe_fields,
            "replace_handlers": replace_handlers,
        }
        given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
        logs = replace(logs, workers_dir=workers_dir, **given)
        configure_logging(resource, logs)
    observability = Observability(
        resource,
        workers_dir,
        narrowed=[*narrowed, *_with_buckets(buckets)],
        log_levels=logs.levels if logs else None,
        slow_operation_seconds=slow_operation_seconds,
    )
    for registry in registries:
        observability.instruments.include(registry)
    correlation.use_header(header)
    routes = Routes(lambda: app.routes)
    scrape = own_port = None
    if metrics_path and metrics_port is None:
        scrape = Scrape(observability, metrics_path, metrics_token)
    elif metrics_path:
        own_port = OwnPort(
            observability.workers, EVERYWHERE, metrics_port or 0, metrics_path, metrics_token
        )
    if scrape:
        routes.add(scrape, scrape.path_format)
    layer = _Layer(
        observability,
        Correlation(observability.instruments, header, id_generator, id_validator),
        routes,
        scrape,
        own_port,
        exclude,
        quiet,
    )
    _build_in(app, layer)
    _observed[app] = service
    return WatchedApp(observability)


class _Layer(ObservabilityMiddleware):
    """The middleware as `observe` builds it in: with `/metrics` and the background work."""

    def __init__(
        self,
        observability: Observability,
        correlating: Correlation,
        routes: Routes,
        scrape: Scrape | None,
        own_port: OwnPort | None,
        exclude: Iterable[str],
        quiet: Iterable[str],
    ) -> None:
        super().__init__(
            _nothing_yet,
            observability.instruments,
            correlating=correlating,
            routes=routes,
            excluded=exclude,
            quiet=quiet,
        )
        self._scrape = scrape
        self._own_port = own_port
        self._observability = observability
        self.lifetime = self._lifetime = Lifetime(self._running)
        self.own_path = scrape.path_format if scrape else None

    def around(self, app: ASGIApp) -> "_Layer":
        """The layer with ``app`` within; it may be built more than once."""
        self.app = app
        return self

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        async with self._observability.running():
            if self._own_port is None:
                yield
                return
            self._own_port.begin()
            try:
                yield
            finally:
                await asyncio.to_thread(self._own_port.stop)

    def answered_before(self, scope: Scope) -> ASGIApp | None:
        """What answers ``scope`` in place of the application."""
        scrape = self._scrape
        return scrape if scrape is not None and scrape.is_asked_by(scope) else None

    def around_lifespan(self) -> AbstractAsyncContextManager[None]:
        """What runs as long as the application does."""
        self.begin_at_zero()
        return self._lifetime.lifespan()


async def _nothing_yet(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("the application's middleware was not built yet")


def _build_in(app: Starlette, layer: _Layer) -> None:
    """Make ``layer`` the outermost of the application's own middleware."""
    build = app.build_middleware_stack

    def with_layer() -> ASGIApp:
        return layer.around(build())

    app.build_middleware_stack = with_layer  # type: ignore[method-assign]
    if app.middleware_stack is not None:
        app.middleware_stack = layer.around(app.middleware_stack)


def _check(
    app: Starlette,
    service: str,
    header: str,
    metrics_path: str | None,
    **paths: Iterable[str],
) -> None:
    if not hasattr(app, "build_middleware_stack"):
        raise TypeError(
            f"observe() takes the FastAPI or Starlette application itself, not {type(app).__name__}"
            "; call it before anything is wrapped around the application, or mount another one: "
            "observe(Starlette(routes=[Mount('/', app=yours)]), …)"
        )
    if app in _observed:
        raise ValueError(
            f"this application is observed already, as service {_observed[app]!r}; "
            "call observe() once, and use what it gave"
        )
    if not service:
        raise ValueError("service is empty; name the service, such as 'billing'")
    if not _HEADER.fullmatch(header):
        raise ValueError(f"header={header!r} can't be a header's name; use one like X-Request-ID")
    if metrics_path is not None and not metrics_path.startswith("/"):
        raise ValueError(
            f"metrics_path={metrics_path!r}: begin it with a slash, or use None for no such path"
        )
    for name, given in paths.items():
        if isinstance(given, str):
            raise ValueError(f"{name}={given!r} is one text; give a list, [{given!r}]")


def _with_buckets(buckets: Iterable[float] | None) -> list[Metric]:
    if buckets is None:
        return []
    bounds = tuple(float(bound) for bound in buckets)
    if not bounds or list(bounds) != sorted({*bounds}) or not all(map(math.isfinite, bounds)):
        raise ValueError("buckets are seconds that rise, such as [0.1, 0.5, 2, 10]")
    return [replace(catalogue.HTTP_SERVER_REQUEST_DURATION, buckets=bounds)]
