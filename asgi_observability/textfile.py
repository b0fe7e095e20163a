"""A file of metrics for node_exporter's textfile collector."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from asgi_observability import catalogue
from asgi_observability.exposition import exposition
from asgi_observability.snapshot import FamilySnapshot

WAIT_SECONDS = 2.0
"""How long the last writing of a process waits for that of another."""

_OF_NODE_EXPORTER = frozenset(
    metric.name
    for metric in (
        *(catalogue.PROCESS_CPU, catalogue.PROCESS_MEMORY),
        *(catalogue.PROCESS_START_TIME, catalogue.PROCESS_OPEN_FDS),
    )
)
"""It has these of its own, and leaves out a family that comes twice."""

_OF_A_RUNNING_PROCESS = frozenset(
    metric.name
    for metric in (catalogue.BACKGROUND_TASK_LAST_ROUND, catalogue.BACKGROUND_TASK_INTERVAL)
)
_SERVICE = "service"


class Textfile:
    """``path``, written whole by any of the processes whose metrics ``families`` gives.

    All series have the label ``service``, for the file of another service may have the same ones.
    """

    def __init__(
        self, path: Path, service: str, families: Callable[[], list[FamilySnapshot]]
    ) -> None:
        self.path = path
        self._service = service
        self._families = families

    def write(self) -> None:
        """Write it, unless another process does. Raises OSError."""
        with self._alone(0.0) as is_alone:
            if is_alone:
                self._replace(_OF_NODE_EXPORTER)

    def write_last(self) -> None:
        """Write it as it stays when this process has ended. Raises OSError."""
        with self._alone(WAIT_SECONDS):
            # Whoever holds it for so long is stopped; a file that is old helps nobody.
            self._replace(_OF_NODE_EXPORTER | _OF_A_RUNNING_PROCESS)

    def _replace(self, left_out: frozenset[str]) -> None:
        families = [
            _labelled(family, self._service)
            for family in self._families()
            if family.name not in left_out
        ]
        # The collector reads what ends in .prom.
        new = self.path.with_name(f".{self.path.name}.{os.getpid()}.new")
        try:
            new.write_bytes(exposition(families, "").body)
            new.chmod(0o644)
            new.replace(self.path)
        finally:
            new.unlink(missing_ok=True)

    @contextmanager
    def _alone(self, seconds: float) -> Iterator[bool]:
        path = self.path.with_name(f".{self.path.name}.lock")
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield _locked(lock, seconds)
        finally:
            os.close(lock)


def _locked(lock: int, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.02)
        else:
            return True


def _labelled(family: FamilySnapshot, service: str) -> FamilySnapshot:
    if family.label_names is None:
        added: tuple[str, ...] = (_SERVICE, service)
        names = None
    elif _SERVICE in family.label_names:
        return family
    else:
        added = (service,)
        names = (*family.label_names, _SERVICE)
    return replace(
        family, label_names=names, rows={(*key, *added): row for key, row in family.rows.items()}
    )
