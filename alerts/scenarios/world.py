"""A world: one orchestrator with its traffic in one environment, and what happens to it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from alerts.scenarios.conditions import Conditions

Rhythm = Callable[[datetime], float]
"""Traffic at a moment of local time, as a multiple of the usual."""


def steady(_moment: datetime) -> float:
    """The same traffic at all times."""
    return 1


# Relative rates at the full hours, 0:00 to 23:00.
_HOURS = (
    *(0.2, 0.1, 0.1, 0.1, 0.1, 0.2, 0.4, 0.8, 1.2, 1.4, 1.4, 1.4),
    *(1.5, 1.4, 1.3, 1.3, 1.4, 1.6, 1.9, 1.9, 1.6, 1.2, 0.8, 0.4),
)


def daily(moment: datetime) -> float:
    """Little at night, most in the early evening; two thirds of it at weekends."""
    here, ahead = _HOURS[moment.hour], _HOURS[(moment.hour + 1) % 24]
    into_hour = (moment.minute + moment.second / 60) / 60
    return (here + (ahead - here) * into_hour) * (0.65 if moment.weekday() >= 5 else 1)


class Change(Protocol):
    """Something that is different for a while."""

    def apply(self, to: "Conditions") -> None:
        """Write it into the conditions of each step."""
        ...


@dataclass(frozen=True, slots=True)
class World:
    """One orchestrator.

    ``sms_an_hour`` times ``rhythm`` arrive, spread over ``instances``, each with one worker that
    can run ``capacity`` SMS at a time. What ``changes`` happens in the order in which it is
    written. ``retried_after`` are the minutes after the last failure in which people have run all
    failed workflows again; None where nobody does.
    """

    sms_an_hour: float = 600
    rhythm: Rhythm = steady
    instances: int = 1
    capacity: int = 100
    environment: str = "production"
    cluster: str = "main"
    version: str = "1.4.0"
    changes: tuple[Change, ...] = ()
    retried_after: float | None = 10
