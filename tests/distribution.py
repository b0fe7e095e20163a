"""Which tests go to the same worker where several share them."""

from xdist.scheduler import LoadScopeScheduling

BY_FILE = "tests/test_stack/"
"""Here the tests of a file share a stack, which each leaves as the next one expects it."""


class Distribution(LoadScopeScheduling):
    """A file of BY_FILE goes to one worker; every other test to the next that is free."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0] if nodeid.startswith(BY_FILE) else nodeid
