"""Which lines of `app` the tests run, traced where that is cheap.

With PYTEST_COVERAGE=90 in the environment a run fails when they are less than 90 %. Tracing makes
Python nearly twice as slow. So only tests that call the code directly are traced: of those that run
on both databases the ones on SQLite, and of several cases the first that a process comes to.
"""

import importlib
import os
import pkgutil
from collections.abc import Iterator
from io import StringIO

import coverage
import pytest

import app

FOLDERS = (
    "tests/test_api/",
    "tests/test_asgi_observability/",
    "tests/test_core/",
    "tests/test_logs/",
    "tests/test_services/",
)

UNTRACED = (
    "tests/test_api/test_bad_input.py",
    "tests/test_api/test_fuzzed.py",
    "tests/test_api/test_live_page.py",
    "tests/test_logs/test_end_to_end.py",
    "tests/test_services/test_connections.py",
    "tests/test_services/test_database_outages.py",
    "tests/test_services/test_done_once.py",
    "tests/test_services/test_exactness.py",
    "tests/test_services/test_failures_counted.py",
    "tests/test_services/test_killed.py",
    "tests/test_services/test_model/",
    "tests/test_services/test_rollups/test_processes.py",
    "tests/test_services/test_sent_once.py",
    "tests/test_services/test_statements.py",
    "tests/test_services/test_upstream_answers.py",
    "tests/test_services/test_workers.py",
)
"""Of these, tests that go again and again through lines of others, or run other processes."""

_WANTED = float(os.environ.get("PYTEST_COVERAGE") or 0)
_REACHED = pytest.StashKey[float]()
_REPORT = pytest.StashKey[str]()


def _begun() -> coverage.Coverage | None:
    """What traces this process, and has traced the import of the application; None if not wanted.

    The tests' own imports are not traced: they take several times as long.
    """
    if not _WANTED:
        return None
    begun = coverage.Coverage()
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        # What a run has left that was killed.
        begun.erase()
    if worker in (None, "gw0"):
        # What the others import is the same.
        begun.start()
        for module in pkgutil.walk_packages(app.__path__, "app."):
            importlib.import_module(module.name)
        begun.stop()
    return begun


_tracing = _begun()
_traced: set[str] = set()
"""Tests of which a case was traced in this process."""


def is_cheap(nodeid: str) -> bool:
    """Whether it is cheap to learn from this test which lines run."""
    return (
        nodeid.startswith(FOLDERS)
        and not nodeid.startswith(UNTRACED)
        and "[postgresql" not in nodeid
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Trace such a test with its fixtures."""
    test = item.nodeid.partition("[")[0]
    if _tracing is None or test in _traced or not is_cheap(item.nodeid):
        return (yield)
    _traced.add(test)
    _tracing.start()
    try:
        return (yield)
    finally:
        _tracing.stop()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Keep what was traced; add it up once all processes have ended their tests."""
    if _tracing is None:
        return
    _tracing.save()
    if hasattr(session.config, "workerinput"):
        return
    added_up, report = coverage.Coverage(), StringIO()
    added_up.combine()
    reached = added_up.report(file=report)
    session.config.stash[_REACHED], session.config.stash[_REPORT] = reached, report.getvalue()
    if reached < _WANTED:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the lines that no traced test has run, and the share of those that some has."""
    if _REACHED not in config.stash:
        return
    terminalreporter.section("coverage of app, by the tests that call it directly")
    terminalreporter.write(config.stash[_REPORT])
    reached = config.stash[_REACHED]
    said = "enough" if reached >= _WANTED else "TOO LITTLE"
    terminalreporter.line(f"{said}: {reached:.1f} % of the lines, {_WANTED:.0f} % are wanted")
