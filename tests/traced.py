"""Which lines of `app` and of the layer the tests run; what their child processes run is not seen.

With PYTEST_COVERAGE=90 in the environment a run fails when they are less than 90 %. Each line's
probe is taken out once the line was seen, so that tests are hardly slower.
"""

import json
import os
import sys
from io import StringIO
from typing import Any

import pytest
from slipcover import FileMatcher, ImportManager, Slipcover, merge_coverage, print_coverage
from xdist.workermanage import WorkerController

from tests.project import ROOT

SOURCES = ("app", "asgi_observability")

_WANTED = float(os.environ.get("PYTEST_COVERAGE") or 0)
_HANDED_OVER = "coverage"
_REPORT = pytest.StashKey[str]()
_REACHED = pytest.StashKey[float]()


def _begun() -> Slipcover | None:
    """What notes the lines of all that is imported from now on; None if that is not wanted.

    Programs that tests start inherit the wish, but hand nothing over.
    """
    if not _WANTED or "pytest" not in sys.modules:
        return None
    folders = [str(ROOT / source) for source in SOURCES]
    # Files that nothing imports count as well: once.
    tracer = Slipcover(source=None if "PYTEST_XDIST_WORKER" in os.environ else folders)
    ImportManager(tracer, FileMatcher(folders)).__enter__()
    return tracer


_tracer = _begun()
_of_workers: list[dict[str, Any]] = []


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand over what was seen; add it up once all workers have."""
    if _tracer is None:
        return
    seen = _tracer.get_coverage()
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_HANDED_OVER] = json.dumps(seen)
        return
    for each in _of_workers:
        seen = merge_coverage(seen, each)
    report = StringIO()
    print_coverage(seen, outfile=report, skip_covered=True, missing_width=60)
    session.config.stash[_REPORT] = report.getvalue()
    session.config.stash[_REACHED] = reached = seen["summary"]["percent_covered"]
    if reached < _WANTED:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    """Take over what a worker has seen."""
    if _HANDED_OVER in (output := getattr(node, "workeroutput", {})):
        _of_workers.append(json.loads(output[_HANDED_OVER]))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the lines that no test has run, and the share of those that some has."""
    if _REACHED not in config.stash:
        return
    terminalreporter.section("coverage of app and the layer")
    terminalreporter.write(config.stash[_REPORT])
    reached = config.stash[_REACHED]
    said = "enough" if reached >= _WANTED else "TOO LITTLE"
    terminalreporter.line(f"{said}: {reached:.1f} % of the lines, {_WANTED:.0f} % are wanted")
