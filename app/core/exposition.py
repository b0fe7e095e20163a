"""`/metrics`: the instruments of this worker, or of all workers, in the format the scraper asks."""

import os
from pathlib import Path

import psutil
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from app.core.instrumentation import Instruments


def exposition(instruments: Instruments, accept: str) -> tuple[bytes, str]:
    """The exposition and its content type: OpenMetrics or Prometheus text, as ``accept`` prefers.

    It takes about 8 ms per thousand lines, so call it in a thread.
    """
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    encode, content_type = choose_encoder(accept)
    return encode(_merged(folder) if folder else instruments.registry), content_type


def _merged(folder: str) -> CollectorRegistry:
    _forget_dead_workers(folder)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    return registry


def _forget_dead_workers(folder: str) -> None:
    """Drop live gauges of killed workers; their counters stay, for counters must not go back."""
    for file in Path(folder).glob("gauge_live*_*.db"):
        pid = int(file.stem.rsplit("_", 1)[1])
        if not psutil.pid_exists(pid):
            mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
