"""What one worker is up to now, as it tells the others with each flush of its rollups."""

import time
from collections.abc import Mapping
from typing import Any

from app.clients.upstream import Breakers, Upstream
from app.core.catalogue import UPSTREAMS, Component
from app.core.database import Database
from app.services.metrics_service import MetricsService
from asgi_observability.runtime import RuntimeSampler


class WorkerState:
    """Gathers the state of this worker's parts."""

    def __init__(
        self,
        runtime: RuntimeSampler,
        database: Database,
        breakers: Breakers,
        upstreams: Mapping[Component, Upstream],
        metrics: MetricsService,
    ) -> None:
        self._runtime = runtime
        self._database = database
        self._breakers = breakers
        self._upstreams = upstreams
        self._metrics = metrics

    def __call__(self) -> dict[str, Any]:
        """The state, ready for JSON: seconds, bytes, ratios of one CPU, counts, Unix times.

        None is what this worker doesn't know.
        """
        return {
            "uptime_seconds": self._runtime.uptime_seconds,
            "cpu_ratio": self._runtime.cpu_ratio,
            "memory_bytes": self._runtime.memory_bytes,
            "loop_lag_seconds": self._runtime.lag_seconds,
            "in_flight": self._metrics.in_flight,
            "breakers": {upstream: self._breakers.state(upstream) for upstream in UPSTREAMS},
            "asked_to_wait_until": {
                component: time.time() + seconds
                for component, upstream in self._upstreams.items()
                if (seconds := upstream.seconds_asked_for)
            },
            "database_unwritable": self._database.failed_writes.reason,
            "db_connections_used": self._database.connections_used,
            "db_connections_max": self._database.connections_max,
        }
