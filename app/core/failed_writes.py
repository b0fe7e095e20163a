"""Whether a database can't be written, as all workers of a machine know it.

Reading goes on when a disk is full, so only writes tell. Which worker a failed one was in is
chance; without a word to the others they would say that all is well.
"""

import os
from contextlib import suppress
from pathlib import Path


class FailedWrites:
    """Why a write failed lately, shared by the workers through ``file``; None keeps it here."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._reason: str | None = None

    @property
    def reason(self) -> str | None:
        """Why; None when all is well, as far as is known."""
        if self._file is None:
            return self._reason
        try:
            return self._file.read_text(encoding="utf-8") or self._reason or "a write failed"
        except OSError:
            return None

    def note(self, reason: str) -> None:
        """A write failed."""
        self._reason = reason
        if self._file is not None:
            # Others read it at any moment: it is there whole, or not at all.
            whole = self._file.with_name(f"{self._file.name}.{os.getpid()}")
            try:
                whole.write_text(reason, encoding="utf-8")
                whole.replace(self._file)
            except OSError:
                # Where nothing can be written, that it failed can be told and not why.
                with suppress(OSError):
                    whole.unlink(missing_ok=True)
                    self._file.touch()

    def clear_if(self, reason: str) -> None:
        """What ``reason`` says is over."""
        is_noted = self._reason if self._file is None else self._file.exists()
        if is_noted and self.reason == reason:
            self.clear()

    def clear(self) -> None:
        """It can be written again."""
        self._reason = None
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)
