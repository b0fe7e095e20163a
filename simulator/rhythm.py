"""When tenants write: more in the evening than at night, less at weekends."""

from datetime import datetime
from random import Random

# Relative rates at the full hours, 0:00 to 23:00.
_HOURS = (
    *(0.6, 0.5, 0.5, 0.5, 0.5, 0.5, 0.6, 0.8, 1.0, 1.1, 1.1, 1.2),
    *(1.4, 1.3, 1.1, 1.1, 1.2, 1.4, 1.7, 1.8, 1.6, 1.3, 1.0, 0.8),
)
_MEAN_HOUR = sum(_HOURS) / len(_HOURS)
_WEEKEND = 0.65
_WORKDAY = (7 - 2 * _WEEKEND) / 5


def rhythm(moment: datetime) -> float:
    """The rate at ``moment`` as a multiple of the week's mean: 1 on average, never below 0.3."""
    here, ahead = _HOURS[moment.hour], _HOURS[(moment.hour + 1) % 24]
    into_hour = (moment.minute + moment.second / 60) / 60
    daily = (here + (ahead - here) * into_hour) / _MEAN_HOUR
    return daily * (_WEEKEND if moment.weekday() >= 5 else _WORKDAY)


class Arrivals:
    """A Poisson process whose rate may change at any time."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        # How many mean intervals are left until the next arrival.
        self._left = rng.expovariate(1)

    def pass_time(self, seconds: float, per_second: float) -> int:
        """How many arrive within ``seconds`` at this rate."""
        self._left -= seconds * per_second
        arrived = 0
        while self._left <= 0:
            self._left += self._rng.expovariate(1)
            arrived += 1
        return arrived

    def seconds_to_next(self, per_second: float) -> float:
        """When the next one arrives if the rate stays as it is."""
        return self._left / per_second if per_second else float("inf")
