"""How a command begins and ends, whatever it does in between.

Nothing but Python itself is needed here: it has to say what is missing.
"""

import errno
import os
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import NoReturn

from asgi_observability.utf8 import begin_in_utf8

NOT_INSTALLED = 2
INTERRUPTED = 130
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def run(module: str, install: str) -> NoReturn:
    """Be the program whose ``main`` is in ``module``; end with the exit code that it returns.

    ``install`` says what to type where a package is missing.
    """
    begin_in_utf8()
    try:
        code = exit_code(lambda: _main_of(module)())
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or find_spec(missing):
            # A part of what is there is gone: nothing that can be installed.
            raise
        print(f"{missing} is not installed: {install}", file=sys.stderr)
        code = NOT_INSTALLED
    sys.exit(code)


def exit_code(main: Callable[[], int]) -> int:
    """What ``main`` returns, once all that it printed is written.

    0 where the reader has gone, 1 where there is no room for it, 130 where it is stopped.
    """
    try:
        code = _code_of(main)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever reads has seen enough, `| head` for instance.
        _drop_output()
        return 0
    except OSError as error:
        if error.filename or error.errno not in _FULL:
            raise
        _drop_output()
        # It does not say which: a file that has no room for more is not named either.
        where = "free some space where standard output goes, or where this writes files"
        print(f"{error.strerror}: {where}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _code_of(main: Callable[[], int]) -> int:
    try:
        return main()
    except SystemExit as ended:
        # argparse ends so, after --help as well: what it printed is still to be written.
        if not isinstance(ended.code, int | None):
            raise
        return ended.code or 0


def _main_of(module: str) -> Callable[[], int]:
    main: Callable[[], int] = import_module(module).main
    return main


def _drop_output() -> None:
    """Where it can't be written: what is left of it would fail again when Python ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
