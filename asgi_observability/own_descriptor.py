"""A descriptor of the layer's own, in a process where anybody may close any descriptor.

Whoever becomes a daemon closes them all. The next file that is opened then has the number of ours,
and must be neither written nor closed by us.
"""

import os
from contextlib import suppress
from pathlib import Path


class OwnDescriptor:
    """``path``, opened with ``flags``, and with ``mode`` if it is made. Raises OSError."""

    def __init__(self, path: Path, flags: int, mode: int) -> None:
        self.number = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        self._path = path
        self._opened = os.fstat(self.number)

    @property
    def status(self) -> os.stat_result | None:
        """What is known of the file; None when the number is somebody else's now."""
        with suppress(OSError):
            status = os.fstat(self.number)
            if os.path.samestat(status, self._opened):
                return status
        return None

    @property
    def status_in_place(self) -> os.stat_result | None:
        """The same; None as well when another file has the path now, or none."""
        status = self.status
        with suppress(OSError):
            if status and os.path.samestat(status, self._path.lstat()):
                return status
        return None

    def close(self) -> None:
        """Close it if it is still ours."""
        if self.status:
            with suppress(OSError):
                os.close(self.number)
