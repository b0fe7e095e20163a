"""What a run of the tests has of its own, and leaves behind: folders, processes, logs to look at.

It is a plugin of its own, because its tests run pytest again and again: conftest.py imports the
whole service, which takes longer than they do.
"""

import os
import shutil
import tempfile

import pytest
from xdist.workermanage import WorkerController

from tests import personal_data, run_end

_OWN_ROOT = pytest.StashKey[str]()
_FOUND = pytest.StashKey[list[str]]()
_HANDED_OVER = "personal_data"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give this run temporary folders of its own, and let what it starts end with it.

    The folders that pytest chooses are for all runs of a user, and they delete each other's.
    """
    if config.option.basetemp is None:
        root = tempfile.mkdtemp(prefix="tests-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT"))
        config.option.basetemp = config.stash[_OWN_ROOT] = root
    if not hasattr(config, "workerinput"):
        run_end.watch()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the session when a log holds a telephone number or a text that a test has sent."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_HANDED_OVER] = personal_data.handed_over()
        return
    found = session.config.stash.setdefault(_FOUND, [])
    found += personal_data.everything_found()
    if found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    else:
        for folder in personal_data.LOG_FOLDERS:
            shutil.rmtree(folder, ignore_errors=True)
    root = session.config.stash.get(_OWN_ROOT, None)
    if root and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        shutil.rmtree(root, ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController, error: object | None) -> None:
    """Take over what a worker has sent, once it has run its share of the tests."""
    if _HANDED_OVER in (output := getattr(node, "workeroutput", {})):
        personal_data.take_over(output[_HANDED_OVER])
    else:
        found = node.config.stash.setdefault(_FOUND, [])
        found.append(f"{node.gateway.id} ended without saying what its tests have sent: {error}")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was looked for, and what was found."""
    looked_for = f"{len(personal_data.SENT)} numbers and texts that tests have sent"
    found = config.stash.get(_FOUND, [])
    if found:
        terminalreporter.section(f"PERSONAL DATA IN LOGS, of {looked_for}")
        for line in found[:20]:
            terminalreporter.line(line)
    else:
        terminalreporter.line(f"logs: none of the {looked_for} is in them")
    if (root := config.stash.get(_OWN_ROOT, None)) and os.path.exists(root):
        terminalreporter.line(f"temporary folders of this run: {root}")
