"""What the process itself uses: CPU, memory, descriptors, start time and release."""

import asyncio
import platform

import psutil

from app import __version__
from app.core import catalogue
from app.core.instrumentation import Instruments

SAMPLE_SECONDS = 1.0


class RuntimeSampler:
    """Samples this worker once a second.

    Not read at scrape time, because with several workers only one of them serves the scrape.
    """

    def __init__(self, instruments: Instruments, service: str) -> None:
        self._process = psutil.Process()
        self._cpu = instruments.counter(catalogue.PROCESS_CPU).child()
        self._memory = instruments.gauge(catalogue.PROCESS_MEMORY).child()
        self._descriptors = instruments.gauge(catalogue.PROCESS_OPEN_FDS).child()
        self._cpu_seconds = 0.0
        started = instruments.gauge(catalogue.PROCESS_START_TIME).child()
        started.set(self._process.create_time())
        build = instruments.gauge(catalogue.BUILD_INFO)
        build.child(service, __version__, platform.python_version()).set(1)

    def sample(self) -> None:
        """Set the gauges to what the process uses now."""
        with self._process.oneshot():
            times = self._process.cpu_times()
            self._memory.set(self._process.memory_info().rss)
            self._descriptors.set(self._process.num_fds())
        used = times.user + times.system
        self._cpu.inc(max(0.0, used - self._cpu_seconds))
        self._cpu_seconds = used

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            self.sample()
            await asyncio.sleep(SAMPLE_SECONDS)
