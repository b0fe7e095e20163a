"""When there was counting: what tells a minute of which nobody knows from one without events.

The wall clock names the minutes that are counted, but it may be set. So a process measures by a
clock that nobody sets for how long it has counted. Where the two part, one stretch of counting ends
and another begins: the minutes that the wall clock jumped over were counted by nobody, and those
that it passes again are told apart from those that it passed once.
"""

import time
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from time import monotonic
from typing import NamedTuple

STANDS_STILL_SECONDS = 90.0
"""A process that has not come back for this long was halted: it has not counted. Whatever hangs, a
process that runs takes note of each minute that ends."""

SET_BY_SECONDS = 1.0
"""By how much the clocks part, from one look to the next, before one was set: drift is less."""

_READ_WITHIN_SECONDS = 0.1
_REMEMBERED = 1000


class Stretch(NamedTuple):
    """A time in which there was counting, Unix seconds."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Counting:
    """The stretches of one process: one that goes on ``since`` then, and others that have ended.

    ``repeated`` is what it, or somebody before it, had counted once when the clock was set back.
    """

    since: float
    ended: tuple[Stretch, ...] = ()
    repeated: tuple[Stretch, ...] = ()


class CountedTime:
    """For how long this process has counted, from its making on. One thread at a time."""

    def __init__(self, longest_pause_seconds: float = 0.0) -> None:
        """A pause up to this is none, nor is one up to STANDS_STILL_SECONDS."""
        self._longest_pause = longest_pause_seconds
        self._wall, self._steady = _now()
        self._since = self._wall
        self._ended: list[Stretch] = []
        self._repeated: list[Stretch] = []
        self._earlier: list[Stretch] = []

    def go_on(self) -> None:
        """Say that it counts still. Without a word for long it has stood still."""
        wall, steady = _now()
        passed = steady - self._steady
        if passed > max(STANDS_STILL_SECONDS, self._longest_pause):
            self._begin(wall)
        elif abs(wall - self._wall - passed) > SET_BY_SECONDS:
            self._begin(wall - passed)
        self._wall, self._steady = wall, steady

    def lose(self, start: float, end: float) -> None:
        """Forget what was counted in [start, end): it can't be written any more."""
        running = Stretch(self._since, self._wall)
        *self._ended, last = (
            part for each in (*self._ended, running) for part in _without(each, start, end)
        )
        self._since = last.start

    @property
    def running(self) -> Stretch:
        """The stretch that goes on, as far as it has come."""
        return Stretch(self._since, self._wall)

    def to_write(self) -> Counting:
        """What the store doesn't know yet, until `is_written`."""
        return Counting(self._since, tuple(self._ended), tuple(self._repeated))

    def is_written(self, counting: Counting) -> None:
        """The store knows it now."""
        self._ended = [each for each in self._ended if each not in counting.ended]
        self._repeated = [each for each in self._repeated if each not in counting.repeated]

    def _begin(self, start: float) -> None:
        ended = self.running
        self._ended.append(ended)
        self._earlier = [*self._earlier, ended][-_REMEMBERED:]
        self._repeated += again(start, self._earlier)
        self._since = start


class Counted:
    """What all processes have counted of a time, from their stretches."""

    def __init__(self, stretches: Iterable[Stretch], repeated: Iterable[Stretch]) -> None:
        self._once = _Lengths(joined(stretches))
        self._repeated = joined(repeated)
        self._again = _Lengths(self._repeated)

    def seconds(self, start: float, end: float) -> float:
        """For how long there was counting in [start, end): twice where the clock came by twice."""
        return self._once.within(start, end) + self._again.within(start, end)

    def is_certain(self, start: float, end: float) -> bool:
        """Whether it is known what belongs to [start, end).

        Not where it begins or ends within a time that the clock passed twice.
        """
        return not any(
            each.start < edge < each.end for edge in (start, end) for each in self._repeated
        )


class _Lengths:
    """Sums of lengths, whatever the number of ranges asked for."""

    def __init__(self, stretches: list[Stretch]) -> None:
        self._stretches = stretches
        self._starts = [each.start for each in stretches]
        self._before = [0.0, *accumulate(each.end - each.start for each in stretches)]

    def within(self, start: float, end: float) -> float:
        return max(0.0, self._until(end) - self._until(start))

    def _until(self, moment: float) -> float:
        place = bisect_right(self._starts, moment)
        if not place:
            return 0.0
        last = self._stretches[place - 1]
        return self._before[place] - max(0.0, last.end - moment)


def joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same time in as few stretches as there can be, in order."""
    found: list[Stretch] = []
    for start, end in sorted(stretches):
        if found and start <= found[-1].end:
            found[-1] = Stretch(found[-1].start, max(found[-1].end, end))
        elif start < end:
            found.append(Stretch(start, end))
    return found


def again(start: float, stretches: Iterable[Stretch]) -> list[Stretch]:
    """What of these a clock will pass another time that says ``start`` now."""
    return [Stretch(max(start, each.start), each.end) for each in stretches if each.end > start]


def _without(stretch: Stretch, start: float, end: float) -> Iterable[Stretch]:
    """The parts of a stretch that are not in [start, end); of the running one its end stays."""
    if end <= stretch.start or start >= stretch.end:
        yield stretch
        return
    if stretch.start < start:
        yield Stretch(stretch.start, start)
    yield Stretch(min(end, stretch.end), stretch.end)


def _now() -> tuple[float, float]:
    """The wall clock and the steady one at the same moment, in seconds."""
    while True:
        before = monotonic()
        wall = time.time()
        steady = monotonic()
        # Otherwise the process had to wait for the CPU in between.
        if steady - before < _READ_WITHIN_SECONDS:
            return wall, steady
