"""The chosen faults, started side by side, and the table of what they brought."""

from collections.abc import Callable, Iterator

import pytest

from tests.test_stack.faults import runs, verdict
from tests.test_stack.faults.expected import EXPECTED
from tests.test_stack.faults.run import Observation

_SEEN = pytest.StashKey[list[Observation]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the runs."""
    runs.add_options(parser.getgroup("faults").addoption)


@pytest.fixture(scope="session")
def observation(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Observation]]:
    """What happened under a fault; waits for it. All chosen faults are started at once."""
    names = ("side_by_side", "fault_minutes", "levels", "results")
    chosen = runs.options(**{name: request.config.getoption(name) for name in names})
    calls = (getattr(item, "callspec", None) for item in request.session.items)
    faults = [call.params["fault"] for call in calls if call and "fault" in call.params]
    expected = {fault: EXPECTED[fault] for fault in faults if fault in EXPECTED}
    seen = request.config.stash.setdefault(_SEEN, [])
    with runs.started(expected, tmp_path_factory.mktemp("stacks"), chosen) as running:

        def result(fault: str) -> Observation:
            seen.append(running[fault].result())
            return seen[-1]

        yield result


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """The table: fault → alerts, with seconds."""
    if seen := config.stash.get(_SEEN, []):
        terminalreporter.section("faults and their alerts")
        found = [row for each in seen for row in verdict.rows(each, EXPECTED[each.fault])]
        for line in (*verdict.table(found), "", verdict.LEGEND, runs.machine(seen)):
            terminalreporter.line(line)
