"""Finding and stopping the processes of a native stack, whoever their parent is by now."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

MARK = "STACK_COMPONENT_OF"
"""Environment variable that every process of a stack carries: the stack's state folder."""

TERMINATED_WITHIN_SECONDS = 10


def stop_all(*states: Path) -> None:
    """Stop every process of the stacks whose state is in ``states``, by force if need be."""
    found = [process for process, state in _marked() if state in map(str, states)]
    for process in found:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(found, timeout=TERMINATED_WITHIN_SECONDS)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=TERMINATED_WITHIN_SECONDS)


def any_of(state: Path) -> bool:
    """Whether any process of the stack in ``state`` runs."""
    return any(marked == str(state) for _, marked in _marked())


def stacks_started_from(checkout: Path) -> set[str]:
    """The state folders of the stacks that run the programs of ``checkout``."""
    own = f"{checkout}{os.sep}"
    found = set()
    for process, state in _marked():
        with suppress(psutil.Error, IndexError):
            if process.cmdline()[0].startswith(own):
                found.add(state)
    return found


def stack_of(process: psutil.Process) -> str | None:
    """The state folder of the stack that ``process`` belongs to. Raises psutil.Error."""
    marked: str | None = process.environ().get(MARK)
    return marked


def _marked() -> Iterator[tuple[psutil.Process, str]]:
    """Each process of any stack that this user may look into, with its stack's state folder."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if state := stack_of(process):
                yield process, state
