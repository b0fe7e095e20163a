"""node_exporter beside the native stack: what it measures is what compose measures."""

import os
import subprocess
from pathlib import Path

FLAGS = "node_exporter.flags"
"""Its arguments, one a line. Compose passes the whole file."""


def command(binary: Path, folder: Path) -> list[str]:
    """The command that measures what the flags in ``folder`` say, as far as this system has it."""
    # macOS has no timex; a flag that is not there would end the start.
    known = subprocess.run(
        [binary, "--help"], capture_output=True, text=True, check=False, encoding="utf-8"
    )
    listed = (known.stdout + known.stderr).replace("--[no-]", "--").split()
    wanted = (folder / FLAGS).read_text(encoding="utf-8").split()
    return [str(binary), *(flag for flag in wanted if flag in listed), *_quiet()]


def _quiet() -> list[str]:
    """As root it warns of being root, once, as all of the stack then is; a fault it tells as error.

    In its container it is another user.
    """
    return ["--log.level=error"] if os.geteuid() == 0 else []
