"""A PostgreSQL stopped with SIGSTOP: it takes connections and never answers."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil


def _processes(folder: Path) -> list[psutil.Process]:
    pid = int((folder / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
    postmaster = psutil.Process(pid)
    return [postmaster, *postmaster.children(recursive=True)]


@contextmanager
def stopped(folder: Path) -> Iterator[None]:
    """The server of the data ``folder`` stands still within the block, with all its backends."""
    halted = []
    try:
        for process in _processes(folder):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)
                halted.append(process)
        yield
    finally:
        for process in reversed(halted):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)
