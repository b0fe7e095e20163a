"""What the two ways to run the stack have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


class StackError(Exception):
    """The stack can't do what was asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """One component, asked just now; ``url`` and ``since`` are None where there is none."""

    name: str
    up: bool
    url: str | None
    since: datetime | None
    detail: str = ""


class Backend(Protocol):
    """A way to run the stack."""

    @property
    def secrets(self) -> Path:
        """The folder of the generated secrets."""

    @property
    def notes(self) -> list[str]:
        """What the user should know beside the status."""

    def up(self) -> None:
        """Start everything and wait until it is healthy. Raises StackError."""

    def down(self) -> None:
        """Stop everything; data stays. Raises StackError."""

    def status(self) -> list[ComponentStatus]:
        """Every component, asked now. Raises StackError."""

    def logs(self, components: Sequence[str] = (), follow: bool = False) -> None:
        """Print the last lines of ``components``, or of all; with ``follow``, go on."""
