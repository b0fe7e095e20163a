"""How long a run of the tests may take.

`make test` runs what is worth its time at each change; `make test-all` sets LONG_TESTS=1, which
takes more messages, more examples, and what `only_long` marks.
"""

import os

import pytest

LONG = bool(os.environ.get("LONG_TESTS"))

only_long = pytest.mark.skipif(not LONG, reason="runs with LONG_TESTS=1, as in make test-all")
