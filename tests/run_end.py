"""Ends what a run of the tests has started, once the run itself has ended, however it did.

A run that is killed can end nothing: its stacks would go on. So a process beside it waits for its
end. It finds what the run has started by an environment variable, which stacks hand on as well.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from uuid import uuid4

import psutil

MARK = "TESTS_RUN"
"""Environment variable of all that a run starts: which run that is."""

TERMINATED_WITHIN_SECONDS = 45
"""A stack stops its components one after the other."""

_watchers: list[subprocess.Popen[bytes]] = []


def watch() -> None:
    """Let what this process starts from now on end with it."""
    outside = {name: value for name, value in os.environ.items() if name != MARK}
    os.environ[MARK] = run = uuid4().hex
    # The pipe's other end is closed with this process, also by SIGKILL.
    _watchers.append(
        subprocess.Popen(
            [sys.executable, __file__, run],
            env=outside,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    )


def end(run: str) -> None:
    """End every process of ``run``, by force where asking is not enough."""
    asked = list(_of(run))
    for process in asked:
        with suppress(psutil.Error):
            process.terminate()
    psutil.wait_procs(asked, timeout=TERMINATED_WITHIN_SECONDS)
    while left := list(_of(run)):
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=TERMINATED_WITHIN_SECONDS)


def _of(run: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == run:
                yield process


if __name__ == "__main__":
    sys.stdin.read()
    end(sys.argv[1])
