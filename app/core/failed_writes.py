"""Whether the last write to a database failed, as all workers of a machine know it.

Reading goes on when a disk is full, so only writes tell. Which worker a failed one was in is
chance; without a word to the others they would say that all is well.
"""

from contextlib import suppress
from pathlib import Path


class FailedWrites:
    """Why the last write failed, shared by the workers through ``file``; None keeps it here."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._reason: str | None = None

    @property
    def reason(self) -> str | None:
        """Why; None when the last write went through, or there was none."""
        if self._file is None:
            return self._reason
        try:
            return self._file.read_text(encoding="utf-8")
        except OSError:
            return None

    def note(self, reason: str) -> None:
        """A write failed."""
        self._reason = reason
        if self._file is not None:
            with suppress(OSError):
                self._file.write_text(reason, encoding="utf-8")

    def clear(self) -> None:
        """A write went through."""
        self._reason = None
        if self._file is not None and self._file.exists():
            with suppress(OSError):
                self._file.unlink(missing_ok=True)
