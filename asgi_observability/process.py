"""The layer in a process that serves no HTTP: a cron script, a worker of a queue.

watched = observe_process(service="cron", textfile="/var/lib/node_exporter/cron.prom")
with watched.time("bank", "charge"):
    ...

Forked processes are observed as well, however they end but by SIGKILL.
"""

import atexit
import os
import shutil
import signal
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import FrameType

from prometheus_client import CollectorRegistry

from asgi_observability import catalogue, option_values
from asgi_observability.background import Background, Rounds
from asgi_observability.forking import in_each_child
from asgi_observability.found_folder import folder_of_its_own
from asgi_observability.instruments import Instruments
from asgi_observability.process_end import END_SECONDS, at_os_exit
from asgi_observability.resource import Resource
from asgi_observability.runtime import SAMPLE_SECONDS, RuntimeSampler
from asgi_observability.scrape_server import ScrapeServer, listening
from asgi_observability.textfile import Textfile
from asgi_observability.watched import Watched
from asgi_observability.workers import TASK, Workers

_observed: "list[_ObservedProcess]" = []


def observe_process(
    *,
    service: str,
    textfile: str | Path | None = None,
    port: int | None = None,
    host: str = "127.0.0.1",
    version: str = "",
    environment: str = "development",
    registries: Iterable[CollectorRegistry] = (),
) -> Watched:
    """Observe this process and those that it forks; gives what to count and to time with.

    ``textfile`` is written every second and at the end, for node_exporter's textfile collector: it
    ends in ``.prom``. Processes with the same one add up, also those that ran before; a folder
    beside it keeps what they counted. ``port`` answers ``GET /metrics`` at ``host`` as long as the
    process runs. ``registries`` of prometheus-client are told as well.

    Neither a handler of SIGTERM nor one of any other signal that the process has is replaced.

    Raises ValueError without either of the two, or for a name that the collector would not read;
    OSError when the port can't be had.
    """
    option_values.service(service)
    option_values.port("port", port)
    registries = option_values.each("registries", registries, CollectorRegistry, "registries")
    if textfile is None and port is None:
        raise ValueError("observe_process: give textfile=…, for node_exporter, or port=…")
    path = None if textfile is None else Path(textfile).absolute()
    if path is not None and path.suffix != ".prom":
        raise ValueError(f"textfile={str(textfile)!r}: node_exporter reads files that end in .prom")
    if any(path is not None and each.path == path for each in _observed):
        raise ValueError(f"textfile={str(textfile)!r}: this process is observed there already")
    server = None if port is None else listening(host, port)
    instruments = Instruments(registries=registries)
    observed = _ObservedProcess(instruments, Resource(service, version, environment), path, server)
    _observed.append(observed)
    return Watched(observed.instruments)


class _ObservedProcess:
    """One process, or a fork of one: its instruments, its thread, and what happens at its end."""

    def __init__(
        self,
        instruments: Instruments,
        resource: Resource,
        path: Path | None,
        server: "ScrapeServer | None",
    ) -> None:
        self.path = path
        self.instruments = instruments
        self._own_folder = None if path else folder_of_its_own()
        self._pid = os.getpid()
        self._has_ended = self._is_written = False
        self._ending: threading.Thread | None = None
        folder = path.with_name(f".{path.name}.processes") if path else self._own_folder
        runtime = RuntimeSampler(self.instruments, resource)
        self._workers = Workers(self.instruments, folder)
        self._background = Background(self.instruments)
        self._textfile = path and Textfile(path, resource.service, self._workers.families)
        self._rounds = Rounds(self._background, SAMPLE_SECONDS)
        self._rounds.add("runtime", runtime.sample)
        self._rounds.add("gauges", self.instruments.sample)
        self._rounds.add(TASK, self._workers.leave_snapshot)
        if self._textfile:
            self._rounds.add("textfile", self._textfile.write)
        self._server = server
        if server:
            server.begin(self._workers)
        self._rounds.start()
        in_each_child(self._begin_in_child)
        atexit.register(self.end)
        self._end_with_sigterm()
        at_os_exit(self.end)

    def end(self) -> None:
        """Write down what is counted, once. Never raises; takes `END_SECONDS` at most or so."""
        if self._has_ended:
            return
        self._has_ended = True
        with suppress(Exception):
            self._rounds.stop()
            self.instruments.gauge(catalogue.PROCESS_WORKERS).series().note(0)
            self.instruments.sample()
        with suppress(Exception):
            if self._textfile:
                self._textfile.write_last()
        with suppress(Exception):
            self._workers.leave_last_snapshot()
            if self._own_folder and os.getpid() == self._pid:
                shutil.rmtree(self._own_folder, ignore_errors=True)
        self._is_written = True

    def _begin_in_child(self) -> None:
        self._has_ended = self._is_written = False
        self._ending = None
        if self._server:
            self._server.close_in_child()
            self._server = None

    def _end_with_sigterm(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._terminated)

    def _terminated(self, number: int, _frame: FrameType | None) -> None:
        if self._ending is not None:
            if self._ending.ident is None:
                # Interrupted here is what starts it: it goes on, and so to the end of the process.
                return
            # Once more, as pools of multiprocessing ask: the first one is at it.
            self._ending.join(END_SECONDS)
        elif self._has_ended and not self._is_written:
            # Interrupted here is what writes: it goes on, and so to the end of the process.
            return
        elif not self._has_ended:
            self._ending = threading.Thread(target=self.end, daemon=True)
            with suppress(RuntimeError):
                self._ending.start()
                self._ending.join(END_SECONDS)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
