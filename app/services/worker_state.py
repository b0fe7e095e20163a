"""What one worker is up to now, as it tells the others with each flush of its rollups."""

from typing import Any

from app.clients.upstream import Breakers
from app.core.catalogue import UPSTREAMS
from app.core.database import Database
from app.core.runtime import RuntimeSampler
from app.services.backlog import Backlog
from app.services.metrics_service import MetricsService


class WorkerState:
    """Gathers the state of this worker's parts."""

    def __init__(
        self,
        runtime: RuntimeSampler,
        database: Database,
        breakers: Breakers,
        backlog: Backlog,
        metrics: MetricsService,
    ) -> None:
        self._runtime = runtime
        self._database = database
        self._breakers = breakers
        self._backlog = backlog
        self._metrics = metrics

    def __call__(self) -> dict[str, Any]:
        """The state, ready for JSON: seconds, bytes, ratios of one CPU, counts.

        None is what this worker doesn't know.
        """
        waiting = self._backlog.waiting if self._backlog.is_known else None
        return {
            "uptime_seconds": self._runtime.uptime_seconds,
            "cpu_ratio": self._runtime.cpu_ratio,
            "memory_bytes": self._runtime.memory_bytes,
            "loop_lag_seconds": self._runtime.lag_seconds,
            "in_flight": self._metrics.in_flight,
            "breakers": {upstream: self._breakers.state(upstream) for upstream in UPSTREAMS},
            "database_unwritable": self._database.failed_writes.reason,
            "db_connections_used": self._database.connections_used,
            "db_connections_max": self._database.connections_max,
            "queue_length": waiting.responses if waiting else None,
            "queue_oldest_age_seconds": waiting.oldest_seconds if waiting else None,
            "open_escalations": waiting.escalations if waiting else None,
        }
