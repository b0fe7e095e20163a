"""Finding and stopping the processes of a native stack, whoever their parent is by now."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

MARK = "STACK_COMPONENT_OF"
"""Environment variable that every process of a stack carries: the stack's state folder."""

TERMINATED_WITHIN_SECONDS = 10


def stop_all(state: Path) -> None:
    """Stop every process of the stack whose state is in ``state``, by force if need be."""
    found = list(_of(state))
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(found, timeout=TERMINATED_WITHIN_SECONDS)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=TERMINATED_WITHIN_SECONDS)


def _of(state: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(state):
                yield process
        except psutil.Error:
            continue
