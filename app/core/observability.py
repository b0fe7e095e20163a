"""The layer as a service adopts it.

api = FastAPI()
app = observed(api, service="billing", operations={"bank": ["charge"]})

gives structured logs with correlation IDs, HTTP metrics by route template, `GET /metrics`, and
`observability_of(api).instruments` for timers and metrics of the service's own.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.catalogue import BackgroundTask
from app.core.correlation import Strategy
from app.core.exposition import exposition
from app.core.instrumentation import Instruments
from app.core.log_levels import LogLevels
from app.core.log_metrics import LogMetrics
from app.core.logging import LogOptions, configure_logging
from app.core.middleware import ObservabilityMiddleware
from app.core.operation_log import OperationLog
from app.core.periodic import Background
from app.core.runtime import RuntimeSampler
from app.core.workers import Workers

LOOK_SECONDS = 1.0
"""How often counts of the log are taken over, and levels that other workers changed."""


class Observability:
    """One worker's instruments, what samples it, and the workers it shares ``workers_dir`` with."""

    def __init__(
        self,
        service: str,
        workers_dir: Path | None = None,
        operations: Mapping[str, Iterable[str]] | None = None,
        log_levels: Mapping[str, str] | None = None,
        slow_operation_seconds: Mapping[str, float] | None = None,
        environment: str = "development",
    ) -> None:
        self.instruments = Instruments(operations, OperationLog(slow_operation_seconds or {}))
        self.log_levels = LogLevels(log_levels or {}, workers_dir)
        self._log_metrics = LogMetrics(self.instruments)
        self.runtime = RuntimeSampler(self.instruments, service, environment)
        self.workers = Workers(self.instruments, workers_dir) if workers_dir else None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sample, and leave snapshots for the other workers, as long as the service runs."""
        parts = (self.runtime, self.workers) if self.workers else (self.runtime,)
        tasks = [asyncio.create_task(part.run()) for part in parts]
        background = Background(self.instruments)
        looking = background.every(BackgroundTask.LOG_METRICS, LOOK_SECONDS, self._look)
        tasks.append(asyncio.create_task(looking))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> None:
        with self.instruments.contained():
            self.log_levels.look()
            self._log_metrics.look()

    async def exposition(self, request: Request) -> Response:
        """The answer to a scrape: the metrics of all workers, in the format it asks for."""
        source = self.workers or self.instruments.registry
        accept = request.headers.get("accept", "")
        body, content_type = await asyncio.to_thread(exposition, source, accept)
        return Response(body, headers={"Content-Type": content_type})


def observed(
    app: FastAPI,
    *,
    service: str,
    operations: Mapping[str, Iterable[str]],
    environment: str = "development",
    logs: LogOptions | None = None,
    slow_operation_seconds: Mapping[str, float] | None = None,
    id_strategy: Strategy = "uuid7",
    workers_dir: Path | None = None,
) -> ASGIApp:
    """``app`` within the layer; serve what this returns, once per worker.

    ``operations`` names what the service times, by component: ``{"mailer": ["send"]}``;
    ``slow_operation_seconds`` from when on that is slow, by component or ``component.operation``.

    Several workers on a machine share ``workers_dir``, an empty folder that exists; each of them
    then answers `GET /metrics` for all.
    """
    logs = replace(logs or LogOptions(), workers_dir=workers_dir)
    configure_logging(service, environment, logs)
    observability = app.state.observability = Observability(
        service,
        workers_dir,
        operations=operations,
        log_levels=logs.levels,
        slow_operation_seconds=slow_operation_seconds,
        environment=environment,
    )
    app.add_api_route("/metrics", observability.exposition, include_in_schema=False)
    return _Observed(app, observability, id_strategy)


def observability_of(app: FastAPI) -> Observability:
    """What `observed` has given to ``app``. Raises AttributeError before that."""
    found: Observability = app.state.observability
    return found


class _Observed:
    """The application in the middleware, with the layer's background work as long as it runs."""

    def __init__(self, app: FastAPI, observability: Observability, id_strategy: Strategy) -> None:
        self._app = ObservabilityMiddleware(app, observability.instruments, id_strategy)
        self._observability = observability

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        async with self._observability.running():
            await self._app(scope, receive, send)
