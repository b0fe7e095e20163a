"""Durations between two times of the wall clock, which may be set back between the two."""

from datetime import datetime

from app.core import catalogue
from asgi_observability.instruments import Instruments


class WallTime:
    """For what lasts longer than a process; whatever begins and ends in one is timed monotonic."""

    def __init__(self, instruments: Instruments) -> None:
        self._set_back = instruments.counter(catalogue.CLOCK_SET_BACK).series()

    def seconds(self, began: datetime, ended: datetime) -> float:
        """From ``began`` to ``ended``; 0, and counted, where the clock says it ended before."""
        seconds = (ended - began).total_seconds()
        if seconds < 0:
            self._set_back.note()
            return 0.0
        return seconds
