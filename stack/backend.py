"""What the two ways to run the stack have in common."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from stack.log_view import LogFilter

Lines = Iterable[tuple[str, str]]
"""Components and what they have logged."""


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
    def alertmanager_config(self) -> Path:
        """The file that Alertmanager should run with."""

    @property
    def notes(self) -> list[str]:
        """What the user should know beside the status."""

    def up(self) -> None:
        """Start everything and wait until it is healthy. Raises StackError."""

    def down(self) -> None:
        """Stop everything; data stays. Raises StackError."""

    def status(self) -> list[ComponentStatus]:
        """Every component, asked now. Raises StackError."""

    def last_lines(self, components: Sequence[str], wanted: LogFilter) -> Lines:
        """The last lines of ``components``, or of all, by their time. Raises StackError."""

    def lines(self, components: Sequence[str], wanted: LogFilter) -> Lines:
        """The last lines, and then those that are written, without an end. Raises StackError."""

    def query_logs(self, arguments: Sequence[str]) -> int:
        """Run the log query tool where the log files are; gives its exit code."""
