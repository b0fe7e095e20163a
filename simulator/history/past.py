"""What the synthetic past is made of: its span, its traffic, and what went wrong in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from simulator.rhythm import rhythm

HOLIDAY_TRAFFIC = 0.8
"""Traffic of a public holiday, of a Sunday's."""

STEP_SECONDS = 30
JOB = "orchestrator"
INSTANCE = "127.0.0.1:8000"
"""The orchestrator's address in the local stack."""


class IncidentKind(StrEnum):
    """What an incident multiplies."""

    VOLUME = "volume"
    """SMS received."""
    APPROVAL = "approval"
    """The share of managers' decisions that approve an answer as it is."""
    LATENCY = "latency"
    """How long the AI takes, and with it the processing of an SMS."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that went wrong: ``factor`` times what is usual, from ``start`` on."""

    kind: IncidentKind
    start: datetime
    duration: timedelta
    factor: float

    @property
    def end(self) -> datetime:
        return self.start + self.duration


@dataclass(frozen=True, slots=True)
class Past:
    """A stretch of time up to ``end``, and what happened in it.

    ``messages_per_minute`` is the mean rate of SMS at the end; ``weekly_growth`` is by how much a
    week has more than the one before, 0.03 for 3 %. Times are in UTC. The same ``seed`` gives the
    same past; leaving metrics out of it changes none of the others. ``targets`` are the instances
    by job: of those that are not the orchestrator, all that is known is that they were up.
    """

    end: datetime
    duration: timedelta = timedelta(days=35)
    step_seconds: int = STEP_SECONDS
    messages_per_minute: float = 60
    weekly_growth: float = 0.03
    holidays: tuple[date, ...] = ()
    incidents: tuple[Incident, ...] = ()
    restarts: tuple[datetime, ...] = ()
    seed: int = 0
    targets: Mapping[str, str] = field(default_factory=lambda: {JOB: INSTANCE})

    def __post_init__(self) -> None:
        if self.messages_per_minute < 0:
            raise ValueError(f"messages_per_minute {self.messages_per_minute:g}: is negative")

    @property
    def start(self) -> datetime:
        return self.end - self.duration

    def timestamps(self) -> range:
        """When samples were taken, seconds since the epoch: multiples of the step."""
        step = self.step_seconds
        first = -(-int(self.start.timestamp()) // step) * step
        return range(first, int(self.end.timestamp()) + 1, step)

    def traffic(self, moment: datetime) -> float:
        """Messages per minute expected at ``moment`` while nothing is wrong."""
        weeks_left = (self.end - moment) / timedelta(weeks=1)
        grown: float = (1 + self.weekly_growth) ** -weeks_left
        usual = rhythm(moment)
        if moment.date() in self.holidays:
            sunday = moment + timedelta(days=6 - moment.weekday())
            usual = HOLIDAY_TRAFFIC * rhythm(sunday)
        return self.messages_per_minute * grown * usual


def five_weeks(end: datetime) -> Past:
    """Five weeks as they go: growth, a holiday in the third, two restarts, three incidents.

    The incidents are in the fifth week, on workdays, each on a day of its own: 60 % of the SMS
    missing for 3 h of an afternoon, managers who approve few answers for 4 h, processing three
    times as slow for 2 h. The holiday is on the weekday of the first, two weeks before.
    """
    end = end.astimezone(UTC)
    days_before = (end.date() - timedelta(days=back) for back in range(6, 0, -1))
    drop, refusals, slowness = [day for day in days_before if day.weekday() < 5][:3]
    return Past(
        end=end,
        holidays=(drop - timedelta(weeks=2),),
        incidents=(
            Incident(IncidentKind.VOLUME, _at(drop, 13), timedelta(hours=3), 0.4),
            Incident(IncidentKind.APPROVAL, _at(refusals, 9), timedelta(hours=4), 0.3),
            Incident(IncidentKind.LATENCY, _at(slowness, 15), timedelta(hours=2), 3.0),
        ),
        restarts=(end - timedelta(days=26, hours=5), end - timedelta(days=9, hours=14)),
    )


def _at(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), UTC)
