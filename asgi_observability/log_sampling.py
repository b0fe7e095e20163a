"""Which lines of a high volume are kept."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sampling:
    """The share of lines to keep, 0 to 1.

    ``events`` are rates of events by name, or by name and the value they are sampled by:
    ``operation_completed``, ``operation_completed.database``. Others go by level. What is kept is
    decided by the correlation ID (`Context.position`); warnings and worse always are.
    """

    info: float = 1.0
    debug: float = 1.0
    events: Mapping[str, float] = field(default_factory=dict)

    def rate(self, event: str, level: int, value: str = "") -> float:
        """The share kept of the lines of ``event``."""
        if level >= logging.WARNING:
            return 1.0
        by_level = self.debug if level <= logging.DEBUG else self.info
        return self.events.get(f"{event}.{value}", self.events.get(event, by_level))


def weight(rate: float) -> float:
    """How many lines one that was kept stands for; 0 for a rate of which none is."""
    return round(1 / rate, 3) if rate else 0
