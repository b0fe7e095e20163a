"""What watches one process: its instruments, what samples them, and who it shares them with."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from asgi_observability.exposition import Exposer
from asgi_observability.instruments import Instruments
from asgi_observability.layer_rounds import LayerRounds
from asgi_observability.log_exit import settled_afterwards
from asgi_observability.log_levels import LogLevels
from asgi_observability.log_metrics import LogMetrics
from asgi_observability.metric import Metric
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
        task = asyncio.create_task(self.rounds.run())
        try:
            # At once when the application has ended: its server may end the process any moment.
            with settled_afterwards():
                yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.workers.leave()

    async def exposition(self, request: Request) -> Response:
        """The answer to a scrape: the metrics of all workers, in the format it asks for."""
        self.workers.port = (request.scope.get("server") or (None, None))[1]
        answer = await self._exposer.answer(
            request.headers.get("accept", ""), request.headers.get("accept-encoding", "")
        )
        return Response(answer.body, headers=answer.headers)
