"""The layer as a service adopts it.

api = FastAPI()
app = observed(api, service="billing", operations={"bank": ["charge"]})

gives structured logs with correlation IDs, HTTP metrics by route template, `GET /metrics`, and
`observability_of(api).instruments` for timers and metrics of the service's own.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path

from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from asgi_observability import catalogue
from asgi_observability.correlation import Strategy
from asgi_observability.exposition import Exposer
from asgi_observability.instruments import Instruments
from asgi_observability.layer_rounds import LayerRounds
from asgi_observability.log_levels import LogLevels
from asgi_observability.log_metrics import LogMetrics
from asgi_observability.logging import LogOptions, configure_logging
from asgi_observability.metric import Metric, limited_to
from asgi_observability.middleware import ObservabilityMiddleware
from asgi_observability.operation_log import OperationLog
from asgi_observability.resource import Resource
from asgi_observability.runtime import RuntimeSampler
from asgi_observability.workers import Workers


class Observability:
    """One worker's instruments, what samples it, and the workers it shares ``workers_dir`` with."""

    def __init__(
        self,
        resource: Resource,
        workers_dir: Path | None = None,
        narrowed: Iterable[Metric] = (),
        log_levels: Mapping[str, str] | None = None,
        slow_operation_seconds: Mapping[str, float] | None = None,
    ) -> None:
        self.instruments = Instruments(narrowed, OperationLog(slow_operation_seconds or {}))
        self.log_levels = LogLevels(log_levels or {}, workers_dir)
        self._log_metrics = LogMetrics(self.instruments)
        self.runtime = RuntimeSampler(self.instruments, resource)
        self.workers = Workers(self.instruments, workers_dir)
        self.rounds = LayerRounds(
            self.instruments, self.runtime, self.workers, self.log_levels, self._log_metrics
        )
        self._service = resource.service
        self._exposer = Exposer(self.workers.families)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sample, and leave snapshots for the other workers, as long as the service runs."""
        self.workers.find_folder(self._service)
        if self.workers.folder:
            self.log_levels.share(self.workers.folder)
        task = asyncio.create_task(self.rounds.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.workers.leave_last_snapshot()

    async def exposition(self, request: Request) -> Response:
        """The answer to a scrape: the metrics of all workers, in the format it asks for."""
        self.workers.port = (request.scope.get("server") or (None, None))[1]
        answer = await self._exposer.answer(
            request.headers.get("accept", ""), request.headers.get("accept-encoding", "")
        )
        return Response(answer.body, headers=answer.headers)


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
    resource = Resource(service, app.version, environment)
    configure_logging(resource, logs)
    observability = app.state.observability = Observability(
        resource,
        workers_dir,
        narrowed=_narrowed(operations),
        log_levels=logs.levels,
        slow_operation_seconds=slow_operation_seconds,
    )
    app.add_api_route("/metrics", observability.exposition, include_in_schema=False)
    return _Observed(app, observability, id_strategy)


def _narrowed(operations: Mapping[str, Iterable[str]]) -> Iterator[Metric]:
    named = {"component": [*operations], "operation": {*chain(*operations.values())}}
    for metric in (catalogue.OPERATION_DURATION, catalogue.OPERATION_ERRORS):
        yield limited_to(metric, **named)


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
