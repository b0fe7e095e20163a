"""Lines of requests, made where they are written: by the writer's thread, a batch at a time.

Whoever puts one hands over what it is made of, among it when it was put. Together that takes two
thirds of what it takes to make each line when it is put; the request itself, a third.
"""

import time
from collections.abc import Iterable
from math import trunc
from typing import Any

Frame = tuple[bytes, bytes, int]
"""What follows the time; what follows the context; and as how many bytes a line with both counts in
the queue."""

LateLine = tuple[Frame, int, bytes, float]
"""Its frame, which many have in common; the nanoseconds since the epoch; the context as JSON; the
duration in seconds, which is its last field."""

OTHER_BYTES = len(b'{"timestamp":"2026-01-31T12:00:00.123456Z0.1}\n')
"""What most lines have besides the bytes that are handed over."""

MAX_LATE_BYTES = 4096
"""As how many one may count at most."""

_SECOND = 1_000_000_000
_MILLISECONDS = [b".%03d" % number for number in range(1000)]
_MICROSECONDS = [b"%03dZ" % number for number in range(1000)]

_TENTHS = [b"%.1f}\n" % (tenths / 10) for tenths in range(1000)]
"""What most requests take, in ms: formatting a number costs more than all the rest of the line."""

_MANY_TENTHS = len(_TENTHS)


class LateLines:
    """Makes the lines, and remembers the text of a second, as many have the same."""

    def __init__(self) -> None:
        self._began, self._opening = -_SECOND, b""

    def joined(self, lines: Iterable[bytes | LateLine]) -> tuple[bytes, int]:
        """``lines`` in their order, some of which may be ready, and as how many bytes they count.

        For one thread at a time. Raises MemoryError, and TypeError where one is neither.
        """
        pieces: list[bytes] = []
        counted = 0
        began, opening = self._began, self._opening
        line: Any
        for line in lines:
            if line.__class__ is not tuple:
                pieces.append(line)
                counted += len(line)
                continue
            (after_time, after_context, size), put_at, context, seconds = line
            past = put_at - began
            if not 0 <= past < _SECOND:
                began, opening = self._begin(put_at // _SECOND)
                past = put_at - began
            past //= 1000
            tenths = trunc(seconds * 10_000 + 0.5)
            pieces += (
                opening,
                _MILLISECONDS[past // 1000],
                _MICROSECONDS[past % 1000],
                after_time,
                context,
                after_context,
                _TENTHS[tenths] if tenths < _MANY_TENTHS else b"%.1f}\n" % (seconds * 1000),
            )
            counted += size
        return b"".join(pieces), counted

    def _begin(self, second: int) -> tuple[int, bytes]:
        """When that began, and a line up to it: RFC 3339 in UTC, which sorts as text."""
        text = time.strftime('{"timestamp":"%Y-%m-%dT%H:%M:%S', time.gmtime(second))
        self._began, self._opening = second * _SECOND, text.encode()
        return self._began, self._opening
