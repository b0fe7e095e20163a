"""The checkout that is tested, and its programs run as people run them."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]


def python_m(
    *arguments: str, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`python -m …` in the checkout, with ``variables`` on top of the environment.

    Raises subprocess.TimeoutExpired when it does not end, as a service that should have refused.
    """
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=os.environ | (variables or {}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
