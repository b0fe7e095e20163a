"""What watches one process: its instruments, what samples them, and who it shares them with."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from asgi_observability.background import Background
from asgi_observability.exposition import Exposer
from asgi_observability.host_registries import host_family
from asgi_observability.instruments import Instruments
from asgi_observability.log_levels import LogLevels
from asgi_observability.log_metrics import LogMetrics
from asgi_observability.metric import Metric
from asgi_observability.operation_log import OperationLog
from asgi_observability.resource import Resource
from asgi_observability.runtime import RuntimeSampler
from asgi_observability.snapshot import FamilySnapshot
from asgi_observability.workers import Workers

LOOK_SECONDS = 1.0
"""How often counts of the log are taken over, and levels that other workers changed."""


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
        self.workers = Workers(self.instruments, workers_dir) if workers_dir else None
        self._exposer = Exposer(self._snapshot)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sample, and leave snapshots for the other workers, as long as the service runs."""
        parts = (self.runtime, self.workers) if self.workers else (self.runtime,)
        tasks = [asyncio.create_task(part.run()) for part in parts]
        background = Background(self.instruments)
        looking = background.every("log_metrics", LOOK_SECONDS, self._look)
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
        answer = await self._exposer.answer(
            request.headers.get("accept", ""), request.headers.get("accept-encoding", "")
        )
        return Response(answer.body, headers=answer.headers)

    def _snapshot(self) -> list[FamilySnapshot]:
        if self.workers is None:
            return self.instruments.snapshot()
        return [host_family(family) for family in self.workers.collect()]
