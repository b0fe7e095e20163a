"""Whether there is to be a history, and how it is made."""

import sys
from collections.abc import Mapping
from pathlib import Path

from prometheus_tools.blocks import blocks_in
from stack.backend import StackError

VARIABLE = "HISTORY"
MAKING = ".history"
"""What is being made, in the data folder: on the same file system, and hidden from Prometheus."""


def is_wanted(variables: Mapping[str, str]) -> bool:
    """Whether ``variables`` leave the history on. Raises StackError."""
    value = variables.get(VARIABLE) or "on"
    if value not in ("on", "off"):
        raise StackError(f"{VARIABLE}={value}: use on or off")
    return value == "on"


def is_due(data: Path) -> bool:
    """Whether no Prometheus has run on the folder ``data``, and no history is in it.

    What a Prometheus has written is never mixed with what is made up.
    """
    return not blocks_in(data) and not (data / "wal").exists()


def command(data: Path, per_minute: str, targets: Path) -> list[str]:
    """What makes a history, in a process of its own, beside which others can start."""
    options = {"--data": str(data), "--per-minute": per_minute, "--targets": str(targets)}
    words = [word for option in options.items() for word in option]
    return [sys.executable, "-m", "stack.history", *words]
