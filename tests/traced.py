"""Which lines of `app` the tests run, traced where that is cheap.

With PYTEST_COVERAGE=90 in the environment a run fails when they are less than 90 %. Tracing makes
Python nearly twice as slow. So only tests that call the code directly are traced: of those that run
on both databases the ones on SQLite, and of several cases the first.
"""

import importlib
import os
import pkgutil
import sys
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
    "tests/test_api/test_escalations.py",
    "tests/test_api/test_exposition.py",
    "tests/test_api/test_fuzzed.py",
    "tests/test_api/test_links_page.py",
    "tests/test_api/test_live_page.py",
    "tests/test_api/test_log_levels.py::test_every_worker_follows",
    "tests/test_api/test_metrics.py",
    "tests/test_api/test_stream.py",
    "tests/test_asgi_observability/test_exposition.py",
    "tests/test_asgi_observability/test_families.py",
    "tests/test_asgi_observability/test_found_folder.py",
    "tests/test_asgi_observability/test_host_logging.py",
    "tests/test_asgi_observability/test_instruments.py",
    "tests/test_asgi_observability/test_log_exit.py",
    "tests/test_asgi_observability/test_log_metrics.py",
    "tests/test_asgi_observability/test_log_writer.py",
    "tests/test_asgi_observability/test_observability.py",
    "tests/test_asgi_observability/test_personal_data.py",
    "tests/test_asgi_observability/test_process.py",
    "tests/test_asgi_observability/test_recorder.py",
    "tests/test_asgi_observability/test_served.py",
    "tests/test_asgi_observability/test_several_workers.py",
    "tests/test_asgi_observability/test_smuggling.py",
    "tests/test_asgi_observability/test_workers.py::test_a_kill_at_any_step",
    "tests/test_asgi_observability/test_workers_killed.py",
    "tests/test_core/test_config.py::test_the_program_says_so_and_stops",
    "tests/test_core/test_encodings.py",
    "tests/test_core/test_enhanced_logging.py",
    "tests/test_core/test_environment.py",
    "tests/test_logs/test_end_to_end.py",
    "tests/test_services/test_broadcast.py::test_what_a_client_shows_is_what_the_server_says",
    "tests/test_services/test_calendars.py",
    "tests/test_services/test_connections.py",
    "tests/test_services/test_database_outages.py",
    "tests/test_services/test_done_once.py",
    "tests/test_services/test_exactness.py",
    "tests/test_services/test_facts.py::test_readers_see_each_fact_once_while_workers_fold",
    "tests/test_services/test_failures_counted.py",
    "tests/test_services/test_killed.py",
    "tests/test_services/test_model/",
    "tests/test_services/test_rollups/test_many_writers.py::test_a_manager_reads_the_same",
    "tests/test_services/test_rollups/test_many_writers.py::test_consolidated_rows_expire",
    "tests/test_services/test_rollups/test_many_writers.py::test_whatever_happens",
    "tests/test_services/test_rollups/test_processes.py",
    "tests/test_services/test_rollups/test_quantiles.py",
    "tests/test_services/test_rollups/test_writing.py",
    "tests/test_services/test_sent_once.py",
    "tests/test_services/test_statements.py",
    "tests/test_services/test_upstream_answers.py",
    "tests/test_services/test_workers.py",
)
"""Of these, tests that go again and again through lines of others, or run other processes.

Dear ones, that is: each reaches few lines that no other traced test reaches, or none.
"""

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
    if worker == "gw0" or (worker is None and not _has_workers()):
        # What the others import is the same.
        begun.start()
        for module in pkgutil.walk_packages(app.__path__, "app."):
            importlib.import_module(module.name)
        begun.stop()
    return begun


def _has_workers() -> bool:
    """Whether this process only hands out the tests. It is asked before pytest has read that."""
    _, said, count = " ".join(sys.argv).partition(" -n ")
    return bool(said) and not count.startswith("0")


_tracing = _begun()
_chosen: set[str] = set()
"""The cases to trace, whichever process they go to."""


def is_cheap(nodeid: str) -> bool:
    """Whether it is cheap to learn from this test which lines run."""
    return (
        nodeid.startswith(FOLDERS)
        and not nodeid.startswith(UNTRACED)
        and "[postgresql" not in nodeid
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Choose the first case of each such test: each process chooses the same."""
    first: dict[str, str] = {}
    for item in items:
        if is_cheap(item.nodeid):
            first.setdefault(item.nodeid.partition("[")[0], item.nodeid)
    _chosen.update(first.values())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Trace such a test with its fixtures."""
    if _tracing is None or item.nodeid not in _chosen:
        return (yield)
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
