"""The time zones that can be named."""

from functools import cache
from zoneinfo import available_timezones

_NO_PLACE = frozenset({"localtime", "Factory"})
"""What the machine is set to, and a zone that only says that none was set."""


@cache
def time_zones() -> frozenset[str]:
    """The names, such as Europe/Berlin. Kept, as looking reads some hundred files."""
    return frozenset(available_timezones()) - _NO_PLACE
