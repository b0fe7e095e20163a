"""The layer as a service adopts it.

api = FastAPI()
app = observed(api, service="billing", operations={"bank": ["charge"]})

gives structured logs with correlation IDs, HTTP metrics by route template, `GET /metrics`, and
`observability_of(api).instruments` for timers and metrics of the service's own.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.core.exposition import exposition
from app.core.instrumentation import Instruments
from app.core.logging import configure_logging
from app.core.middleware import ObservabilityMiddleware
from app.core.runtime import RuntimeSampler
from app.core.workers import Workers


class Observability:
    """One worker's instruments, what samples it, and the workers it shares ``workers_dir`` with."""

    def __init__(
        self,
        service: str,
        workers_dir: Path | None = None,
        operations: Mapping[str, Iterable[str]] | None = None,
    ) -> None:
        self.instruments = Instruments(operations)
        self.runtime = RuntimeSampler(self.instruments, service)
        self.workers = Workers(self.instruments, workers_dir) if workers_dir else None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sample, and leave snapshots for the other workers, as long as the service runs."""
        parts = (self.runtime, self.workers) if self.workers else (self.runtime,)
        tasks = [asyncio.create_task(part.run()) for part in parts]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

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
    log_level: str = "info",
    log_format: str = "json",
    workers_dir: Path | None = None,
) -> ASGIApp:
    """``app`` within the layer; serve what this returns, once per worker.

    ``operations`` names what the service times, by component: ``{"mailer": ["send"]}``.

    Several workers on a machine share ``workers_dir``, an empty folder that exists; each of them
    then answers `GET /metrics` for all.
    """
    configure_logging(
        service=service, environment=environment, level=log_level, log_format=log_format
    )
    observability = app.state.observability = Observability(service, workers_dir, operations)
    app.add_api_route("/metrics", observability.exposition, include_in_schema=False)
    return _Observed(app, observability)


def observability_of(app: FastAPI) -> Observability:
    """What `observed` has given to ``app``. Raises AttributeError before that."""
    found: Observability = app.state.observability
    return found


class _Observed:
    """The application in the middleware, with the layer's background work as long as it runs."""

    def __init__(self, app: FastAPI, observability: Observability) -> None:
        self._app = ObservabilityMiddleware(app, observability.instruments)
        self._observability = observability

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        async with self._observability.running():
            await self._app(scope, receive, send)
