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

_UNINSTALLED = ROOT / "tests" / "uninstalled"


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment for a program of the project, with ``variables`` on top.

    The program is to find what a service has: the tools of the tests have brought packages that its
    libraries would import, which takes a tenth of a second of each start.
    """
    path = os.pathsep.join(filter(None, [str(_UNINSTALLED), os.environ.get("PYTHONPATH")]))
    return os.environ | {"PYTHONPATH": path} | (variables or {})


def python_m(
    *arguments: str, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`python -m …` in the checkout, with ``variables`` on top of the environment.

    Raises subprocess.TimeoutExpired when it does not end, as a service that should have refused.
    """
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=environment(variables),
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
    changed = patch.dict(os.environ, variables or {})
    with argv, changed, redirect_stdout(out), redirect_stderr(err):
        try:
            code = main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
    said = [stream.buffer.getvalue().decode() for stream in (out, err)]
    return subprocess.CompletedProcess(arguments, code, *said)
