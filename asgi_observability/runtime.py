"""What the process itself uses: CPU, memory, descriptors, event loop, start time and release."""

import asyncio
import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TypeVar

import psutil

from asgi_observability import catalogue
from asgi_observability.forking import in_each_child
from asgi_observability.instruments import Instruments
from asgi_observability.metric import Metric
from asgi_observability.resource import Resource

SAMPLE_SECONDS = 1.0

Read = TypeVar("Read")


class RuntimeSampler:
    """Samples this process once a second, and what wants to be sampled on its event loop.

    Not read at scrape time, because with several workers only one of them serves the scrape. What
    the system does not let it read is not exposed.
    """

    def __init__(self, instruments: Instruments, resource: Resource) -> None:
        self._instruments = instruments
        self._resource = resource
        self._cpu = instruments.counter(catalogue.PROCESS_CPU).series()
        self._lag = instruments.histogram(catalogue.EVENT_LOOP_LAG).series()
        self.cpu_ratio: float | None = None
        """Share of one CPU used between the last two samples; None before there are two."""
        self.memory_bytes: int | None = None
        self.lag_seconds: float | None = None
        self._begin()
        in_each_child(self._begin)

    def _begin(self) -> None:
        self.cpu_ratio = self.memory_bytes = self.lag_seconds = None
        self._process = psutil.Process()
        self._cpu_seconds = 0.0
        self._sampled_at = 0.0
        self._due: float | None = None
        # Once: the system's answer moves with its clock.
        age = _age_seconds(self._process)
        # On the clock that nobody sets: an uptime must not fall, or be negative.
        self._began = monotonic() - age
        instruments = self._instruments
        instruments.gauge(catalogue.PROCESS_START_TIME).series().note(time.time() - age)
        instruments.gauge(catalogue.PROCESS_WORKERS).series().note(1)
        instruments.gauge(catalogue.BUILD_INFO).series(
            *(self._resource.service, self._resource.environment, self._resource.version),
            platform.python_version(),
        ).note(1)

    @property
    def uptime_seconds(self) -> float:
        """How long this process has run."""
        return round(monotonic() - self._began, 1)

    def sample(self) -> None:
        """Note what the process uses now; reading takes time, so this is for a thread."""
        times = _readable(self._process.cpu_times)
        if times is not None:
            used = times.user + times.system
            at = monotonic()
            if self._sampled_at:
                self.cpu_ratio = (used - self._cpu_seconds) / max(at - self._sampled_at, 1e-3)
            self._cpu.note(max(0.0, used - self._cpu_seconds))
            self._cpu_seconds, self._sampled_at = used, at
        memory = _readable(self._process.memory_info)
        if memory is not None:
            self.memory_bytes = memory.rss
            self._note(catalogue.PROCESS_MEMORY, memory.rss)
        # Not everywhere there is such a thing.
        descriptors = _readable(getattr(self._process, "num_fds", lambda: None))
        if descriptors is not None:
            self._note(catalogue.PROCESS_OPEN_FDS, descriptors)

    async def sample_loop(self) -> None:
        """Note how late the event loop is, and the gauges that are read on it."""
        loop = asyncio.get_running_loop()
        if self._due is not None:
            self.lag_seconds = max(0.0, loop.time() - self._due)
            self._lag.note(self.lag_seconds)
        self._instruments.sample()
        self._due = loop.time() + SAMPLE_SECONDS

    def _note(self, gauge: Metric, value: float) -> None:
        self._instruments.gauge(gauge).series().note(value)


def _readable(read: Callable[[], Read]) -> Read | None:
    """None for what this process may not know. Whatever else is wrong is raised."""
    try:
        return read()
    except (psutil.AccessDenied, PermissionError, NotImplementedError):
        return None


def _age_seconds(process: psutil.Process) -> float:
    """How long ``process`` has run already: its start told in ticks since the boot, by no clock."""
    with suppress(OSError, ValueError, IndexError, AttributeError):
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
            # The name before it may hold anything.
            ticks = int(file.read().rpartition(")")[2].split()[19])
        since_boot = ticks / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot)
    with suppress(psutil.Error, OSError):
        return max(0.0, time.time() - process.create_time())
    return 0.0
