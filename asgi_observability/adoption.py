"""How a service adopts the layer: one call, in place."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.types import ASGIApp, Scope

from asgi_observability import catalogue, correlation, option_values
from asgi_observability.correlation import Strategy
from asgi_observability.lifetime import Lifetime
from asgi_observability.log_options import LogOptions
from asgi_observability.logging import configure_logging
from asgi_observability.metric import Metric
from asgi_observability.middleware import QUIET_ROUTES, Correlation, ObservabilityMiddleware
from asgi_observability.observability import Observability
from asgi_observability.privacy import Mode, Privacy
from asgi_observability.resource import Resource
from asgi_observability.routes import Routes
from asgi_observability.scrape import Scrape
from asgi_observability.scrape_server import OwnPort
from asgi_observability.watched import Watched

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
    metrics_host: str = "127.0.0.1",
    registries: Iterable[CollectorRegistry] = (),
    buckets: Iterable[float] | None = None,
    narrowed: Iterable[Metric] = (),
    exclude: Iterable[str] = (),
    quiet: Iterable[str] = QUIET_ROUTES,
    slow_operation_seconds: Mapping[str, float] | None = None,
    workers_dir: str | Path | None = None,
) -> WatchedApp:
    """Watch ``app``, a FastAPI or Starlette: requests, WebSockets, logs, correlation, `/metrics`.

    It stays the same object, run as before. Every option has a default; README.md says what each
    is for. Without ``logs`` the logs of this process stay as they are. Raises ValueError or
    TypeError, with the fix, for what can't be observed, is observed already, or isn't an option's
    value; OSError when the folder of logs can't be written.
    """
    _check(app)
    option_values.service(service)
    for name, text in {"version": version, "environment": environment}.items():
        option_values.of_kind(name, text, str, "a text")
    if logs is not None:
        option_values.of_kind("logs", logs, LogOptions, "LogOptions(…), or None")
    if replace_handlers is not None:
        option_values.of_kind("replace_handlers", replace_handlers, bool, "True or False")
    Privacy("strict" if privacy is None else privacy, () if safe_fields is None else safe_fields)
    option_values.header(header)
    option_values.function("id_generator", id_generator, get_args(Strategy))
    option_values.function("id_validator", id_validator)
    option_values.metrics_path(metrics_path)
    option_values.token("metrics_token", metrics_token)
    option_values.port("metrics_port", metrics_port)
    option_values.address("metrics_host", metrics_host)
    registries = option_values.each("registries", registries, CollectorRegistry, "registries")
    narrowed = option_values.each("narrowed", narrowed, Metric, "metrics")
    exclude = option_values.each("exclude", exclude, str, "paths")
    quiet = option_values.each("quiet", quiet, str, "paths")
    option_values.seconds_by_name("slow_operation_seconds", slow_operation_seconds)
    own_buckets = _with_buckets(buckets)
    workers_dir = option_values.folder("workers_dir", workers_dir)
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
        narrowed=[*narrowed, *own_buckets],
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
            observability.workers, metrics_host, metrics_port or 0, metrics_path, metrics_token
        )
    if scrape:
        routes.add(scrape, scrape.path_format)
    layer = _Layer(
        # Bound here, and not looked up at each request.
        type(app).__call__.__get__(app),
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
        app: ASGIApp,
        observability: Observability,
        correlating: Correlation,
        routes: Routes,
        scrape: Scrape | None,
        own_port: OwnPort | None,
        exclude: Iterable[str],
        quiet: Iterable[str],
    ) -> None:
        super().__init__(
            app,
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


def _build_in(app: Starlette, layer: _Layer) -> None:
    """Let ``app`` be called through ``layer``, outside of whatever its middleware is.

    Other tools wrap that as well, before and after this, and some of them check what they find
    there. So it stays as it is, and the class of this one object gets another `__call__`.
    """
    its_class = type(app)
    named = {"__module__": its_class.__module__, "__qualname__": its_class.__qualname__}
    if not hasattr(app, "root_path"):
        named["root_path"] = ""
    own = {"__call__": layer.observed, **named}
    app.__class__ = type(its_class.__name__, (its_class,), own)


def _check(app: Starlette) -> None:
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


def _with_buckets(buckets: Iterable[float] | None) -> list[Metric]:
    if buckets is None:
        return []
    bounds = option_values.rising_seconds("buckets", buckets)
    return [replace(catalogue.HTTP_SERVER_REQUEST_DURATION, buckets=bounds)]
