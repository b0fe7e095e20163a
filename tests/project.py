"""The checkout that is tested, and its programs run as people run them."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, TextIOWrapper
from pathlib import Path
from unittest.mock import patch

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


def command_line(
    main: Callable[[], int], *arguments: str, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The same of the function that a program's ``__main__`` calls, in this process.

    It is for what is refused or small: a process of its own takes a second to import the rest.
    """
    out, err = (TextIOWrapper(BytesIO(), "utf-8", write_through=True) for _ in range(2))
    argv = patch.object(sys, "argv", [main.__module__, *arguments])
    environment = patch.dict(os.environ, variables or {})
    with argv, environment, redirect_stdout(out), redirect_stderr(err):
        try:
            code = main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
    said = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return subprocess.CompletedProcess(arguments, code, *said)
