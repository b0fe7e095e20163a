"""Which tests go to the same worker where several share them."""

from xdist.scheduler import LoadScopeScheduling

BY_FILE = (
    "tests/test_stack/",
    "tests/test_api/test_live_page.py",
    "tests/test_core/test_database.py",
    "tests/test_logs/test_end_to_end.py",
    "tests/test_dashboards/test_preview.py",
    "tests/test_dashboards/test_preview_layout.py",
    "tests/test_alerts/test_exporters.py",
    "tests/test_alerts/test_history.py",
    "tests/test_alerts/test_replay.py",
    "tests/test_alerts/test_scenarios.py",
)
"""Here the tests of a file share what takes long to start: a stack, a browser, pictures, data."""


class Distribution(LoadScopeScheduling):
    """A file of BY_FILE goes to one worker; every other test to the next that is free."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0] if nodeid.startswith(BY_FILE) else nodeid
