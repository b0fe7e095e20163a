"""How every line begins: with its time, in UTC as RFC 3339 has it, so that lines sort as text.

Always six digits follow the point.
"""

import time

Second = tuple[int, bytes]
"""When it began, in nanoseconds since the epoch, and the opening of its lines up to the second."""

SECOND = 1_000_000_000

NO_SECOND: Second = (-SECOND, b"")
"""Before the first line."""


def second_of(nanoseconds: int) -> Second:
    """The second in which that lies."""
    number = nanoseconds // SECOND
    text = time.strftime('{"timestamp":"%Y-%m-%dT%H:%M:%S', time.gmtime(number))
    return number * SECOND, text.encode()
