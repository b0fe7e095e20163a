"""What the process itself uses: CPU, memory, descriptors, event loop, start time and release."""

import asyncio
import platform
from time import monotonic, time

import psutil

from asgi_observability import catalogue
from asgi_observability.instruments import Instruments
from asgi_observability.resource import Resource

SAMPLE_SECONDS = 1.0


class RuntimeSampler:
    """Samples this worker once a second, and with it every gauge that wants to be sampled.

    Not read at scrape time, because with several workers only one of them serves the scrape.
    """

    def __init__(self, instruments: Instruments, resource: Resource) -> None:
        self._instruments = instruments
        self._process = psutil.Process()
        self._cpu = instruments.counter(catalogue.PROCESS_CPU).series()
        self._lag = instruments.histogram(catalogue.EVENT_LOOP_LAG).series()
        self._cpu_seconds = 0.0
        self._sampled_at = 0.0
        self.cpu_ratio = 0.0
        """Share of one CPU used between the last two samples."""
        self.memory_bytes = 0
        self.lag_seconds = 0.0
        instruments.sampled(catalogue.PROCESS_MEMORY, read=lambda: self.memory_bytes)
        instruments.sampled(catalogue.PROCESS_OPEN_FDS, read=self._process.num_fds)
        started = self._process.create_time()
        # On the clock that nobody sets: an uptime must not fall, or be negative.
        self._began = monotonic() - max(0.0, time() - started)
        instruments.gauge(catalogue.PROCESS_START_TIME).child().set(started)
        instruments.gauge(catalogue.PROCESS_WORKERS).child().set(1)
        build = instruments.gauge(catalogue.BUILD_INFO)
        build.child(
            resource.service, resource.environment, resource.version, platform.python_version()
        ).set(1)

    @property
    def uptime_seconds(self) -> float:
        """How long this process has run."""
        return round(monotonic() - self._began, 1)

    def sample(self) -> None:
        """Note what the process uses now."""
        times = self._process.cpu_times()
        used = times.user + times.system
        at = monotonic()
        if self._sampled_at:
            self.cpu_ratio = (used - self._cpu_seconds) / max(at - self._sampled_at, 1e-3)
        self._cpu.note(max(0.0, used - self._cpu_seconds))
        self._cpu_seconds, self._sampled_at = used, at
        self.memory_bytes = self._process.memory_info().rss
        self._instruments.sample()

    async def run(self) -> None:
        """Sample until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self.sample()
            due = loop.time() + SAMPLE_SECONDS
            await asyncio.sleep(SAMPLE_SECONDS)
            self.lag_seconds = max(0.0, loop.time() - due)
            self._lag.note(self.lag_seconds)
