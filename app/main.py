"""The ASGI application."""

import gc
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache

from fastapi import APIRouter, Depends, FastAPI
from starlette.routing import BaseRoute

from app import __version__
from app.api import (
    error_handlers,
    health,
    links,
    log_levels,
    metrics,
    orchestrate,
    stream,
    worklists,
)
from app.api.access import Access, Operators
from app.api.body_limit import BodyLimitMiddleware
from app.api.caching import AnswerCache
from app.api.head import HeadMiddleware
from app.api.openapi import DocumentedAPI
from app.api.parameters import only_known_parameters
from app.assembly import running_orchestrator
from app.core.catalogue import NARROWED
from app.core.config import Settings, load_settings
from app.core.events import ServiceStarted
from app.core.instrumentation import SERVICE
from app.core.logging import tell_of_hash_key
from app.core.stopping import drained_first
from asgi_observability import observe
from asgi_observability.event import FromCode
from asgi_observability.logging import LogOptions, get_logger

log = get_logger(__name__)


@cache
def _routes() -> Sequence[BaseRoute]:
    """All routes. FastAPI reads what each takes and gives, which is most of the work of a start."""
    every = APIRouter()
    for router in (
        metrics.scrape_router,
        metrics.router,
        metrics.export_router,
        stream.router,
        stream.page_router,
        worklists.router,
    ):
        every.include_router(router, dependencies=[Depends(only_known_parameters)])
    for router in (
        links.router,
        orchestrate.receiving_router,
        orchestrate.router,
        health.router,
        log_levels.router,
    ):
        every.include_router(router)
    return every.routes


def create_app(settings: Settings, logs: LogOptions | None = None) -> FastAPI:
    """The API within the layer; without ``logs`` those of the process stay as they are."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running_orchestrator(settings, observability) as orchestrator:
            app.state.orchestrator = orchestrator
            with (
                stream.broadcasting(
                    orchestrator.report, settings.metrics_access, observability.instruments
                ) as app.state.broadcast,
                drained_first(settings.stop_drain_seconds, app.state.stopping.set),
            ):
                host = f"[{settings.host}]" if settings.host.version == 6 else f"{settings.host}"
                address = FromCode(f"http://{host}:{settings.port}")
                log.event(ServiceStarted(address=address))
                yield

    app = DocumentedAPI(
        title="SMS orchestrator",
        version=__version__,
        lifespan=lifespan,
    )
    app.add_middleware(BodyLimitMiddleware, max_bytes=settings.max_body_bytes)
    app.add_middleware(HeadMiddleware)
    observability = observe(
        app,
        service=SERVICE,
        version=__version__,
        environment=settings.environment,
        logs=logs,
        id_generator=settings.correlation_id_strategy,
        metrics_path=None,  # it has a route of its own, for those whom its tokens allow
        narrowed=NARROWED,
        slow_operation_seconds=settings.logs.slow_operation_seconds,
        workers_dir=settings.worker_metrics_dir,
    ).observability
    app.state.settings = settings
    app.state.stopping = threading.Event()
    app.state.observability = observability
    error_handlers.add_error_handlers(app)
    app.state.access = Access(settings.metrics_access, observability.instruments)
    app.state.operators = Operators(settings.logs.tokens_file)
    app.state.answers = AnswerCache(settings.metrics_access.cache_seconds)
    app.router.routes.extend(_routes())
    return app


def create() -> FastAPI:
    """The factory that each worker of the server calls."""
    # Garbage is looked for in what requests leave, and not in what was imported.
    gc.freeze()
    gc.enable()
    settings = load_settings()
    app = create_app(settings, settings.log_options)
    tell_of_hash_key(settings)
    return app
