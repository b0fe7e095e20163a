"""The metrics of several processes as one: each leaves a snapshot, whoever is scraped adds them up.

prometheus-client's own way, files that every increment writes to, makes each event twice to three
times as expensive, drops exemplars and keeps the files of every worker that ever was. Here a
worker's instruments stay in its memory, and its snapshot is at most a second old.

Every worker gives the same answer. What it tells of itself is what it has written down before, so
that a counter does not go back when the worker is killed right after its answer. Where it can't
write, it goes on telling what it wrote last; `process_workers_apart` and the time of the snapshots'
last round say so.
"""

import threading
import time
from pathlib import Path

from asgi_observability import catalogue
from asgi_observability.background import Background
from asgi_observability.events import WorkersApart
from asgi_observability.forking import in_each_child
from asgi_observability.found_folder import found_folder, listeners_beside
from asgi_observability.instruments import Instruments
from asgi_observability.logging import get_logger
from asgi_observability.process_end import at_os_exit
from asgi_observability.snapshot import FamilySnapshot, merged
from asgi_observability.workers_folder import Families, Others, WorkersFolder

log = get_logger(__name__)

TASK = "worker_snapshot"

LOOK_SECONDS = 60.0
"""How often to look for other workers that share no folder: the system takes 10 ms to tell."""

HOST_SECONDS = 5.0
"""How often the collectors of the host's registries are asked beside scrapes."""


class Workers:
    """The processes that share ``folder``, seen from one of them; without one it is alone."""

    def __init__(self, instruments: Instruments, folder: Path | None) -> None:
        self._instruments = instruments
        self._background = Background(instruments)
        self._folder: WorkersFolder | None = None
        self.port: int | None = None
        """Where this process is asked; others that listen there too are looked for."""
        self._apart = 0
        self._look_again = 0.0
        self._is_copy = self._is_forked = False
        self._writing = threading.Lock()
        self._written: Families = []
        self._others = Others()
        if folder:
            self.share(folder)
        in_each_child(self.begin_in_child)
        at_os_exit(self._end_child)

    @property
    def folder(self) -> Path | None:
        """The folder that the processes share."""
        return self._folder.folder if self._folder else None

    def share(self, folder: Path) -> None:
        """From now on, share ``folder`` with others; it is made when it is first written to."""
        self._folder = WorkersFolder(folder, self._instruments.count_error)

    def find_folder(self, service: str) -> None:
        """Share a folder with the workers of the same server, if none was named. Never raises."""
        if self._folder is None:
            try:
                if folder := found_folder(service):
                    self.share(folder)
            except Exception as error:
                self._background.failed(TASK, error)

    def leave_snapshot(self) -> None:
        """Write down what this process counts, for the others. Raises OSError.

        What the host's own registries count may be `HOST_SECONDS` old.
        """
        self._write(HOST_SECONDS)

    def families(self) -> Families:
        """What every process counts, added up, as any of them tells it now.

        Never raises; call it in a thread. What went wrong is counted, and logged as a failure of
        the task `worker_snapshot`.
        """
        if self._folder is None:
            self._look_beside()
            return _told_apart(self._snapshot(), self._apart)
        has_written = self._try_to_write()
        has_read = self._try_to_read(self._folder)
        if has_written or not (self._others.live and self._written):
            own = self._written if has_written else self._snapshot()
        else:
            # Others tell this as well, and can't know what was counted since.
            own = self._written
        families = merged([own, *self._others.live, self._others.departed])
        return _told_apart(families, 0 if has_written and has_read else 1)

    def leave_last_snapshot(self) -> None:
        """The same at the end of the service or the process. Never raises.

        The process is one of the dead when it has ended, not before: a service may be started
        again in it, as tests do, and goes on counting.
        """
        if self._folder:
            self._try_to_write()

    def begin_in_child(self) -> None:
        """Have files of its own in a forked process; what was counted before is the parent's."""
        self._writing = threading.Lock()
        self._is_copy = self._is_copy or bool(self._written)
        self._written = []
        self._others = Others()
        self._is_forked = True
        if self._folder:
            self._folder.begin_in_child()

    def _end_child(self) -> None:
        # It may have lived for less than a round.
        if self._is_forked:
            self.leave_last_snapshot()

    def _write(self, host_within_seconds: float) -> None:
        if self._folder:
            with self._writing:
                families = self._snapshot(host_within_seconds)
                self._folder.write(families)
                self._written = families

    def _snapshot(self, host_within_seconds: float = 0.0) -> Families:
        self._instruments.is_told = True
        if self._is_copy:
            # What the host's registries have counted is the parent's, for the most part.
            return self._instruments.own_snapshot()
        return self._instruments.snapshot(host_within_seconds)

    def _look_beside(self) -> None:
        if self.port is None or time.monotonic() < self._look_again:
            return
        self._look_again = time.monotonic() + LOOK_SECONDS
        beside = 0
        with self._instruments.contained():
            beside = listeners_beside(self.port)
        if beside and not self._apart:
            log.event(WorkersApart(workers=beside))
        self._apart = beside

    def _try_to_write(self) -> bool:
        try:
            self._write(0.0)
        except Exception as error:
            self._background.failed(TASK, error)
            return False
        return True

    def _try_to_read(self, folder: WorkersFolder) -> bool:
        try:
            self._others = folder.others()
            folder.bury()
        except Exception as error:
            # The others as they were: counts that are left out would go back.
            self._background.failed(TASK, error)
            return False
        return True


def _told_apart(families: Families, workers: int) -> Families:
    """``families``, saying whether workers are missing or were last seen as they were before."""
    apart = catalogue.PROCESS_WORKERS_APART
    own = FamilySnapshot(
        *(apart.name, apart.kind, apart.help, apart.unit, (), ()),
        merge=apart.merge,
        rows={(): float(workers)},
    )
    return [*(family for family in families if family.name != apart.name), own]
