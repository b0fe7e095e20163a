"""Reads what `GET /orchestrate/metrics` says without being asked anything."""

import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from sqlalchemy.exc import SQLAlchemyError

from app.core import catalogue
from app.core.config import Settings
from app.services.backlog import Waiting
from app.services.measures import MEASURES, Measure, rolled_up
from app.services.objectives import Objectives, ObjectiveStatus
from app.services.overview import Overview
from app.services.rollups import Rollups, StoreUnreadableError, Totals, WriterState
from app.services.rollups.rollups import retentions
from app.services.rollups.tables import KIND_OF
from app.services.time_ranges import (
    DAY,
    HOUR,
    MINUTE,
    clock_hour,
    days_earlier,
    midnight,
    monday,
    spelled,
)

RECENT = 5 * MINUTE
BASELINE_WEEKS = 4
WHOLE = (0.95, 1.05)
"""Of how much of an hour or a day there must have been counting for its count to be a rate: not
less, and not twice where the clock was set back."""

OF_WAITING = {"approval_queue", "escalations_open", "thresholds", "health"}
"""Sections that say what waits for a person."""


@dataclass(frozen=True, slots=True)
class OfferedMeasure:
    """A measure, the labels it can be split by with their values, and how long it is kept.

    Values are None where any may come. ``retention_days`` is by the length of a step: ``5m``.
    """

    measure: Measure
    group_by: dict[str, list[str] | None]
    retention_days: dict[str, float]


class MetricsReport:
    """Makes the overview from one reading of the rollups."""

    def __init__(
        self, settings: Settings, rollups: Rollups, count_waiting: Callable[[], Awaitable[Waiting]]
    ) -> None:
        self._settings = settings
        self._rollups = rollups
        self._count_waiting = count_waiting
        self._metrics = list(rolled_up())
        self._objectives = Objectives(settings.thresholds, rollups)

    async def overview(self, sections: Collection[str]) -> Overview:
        """What these sections need.

        Today and this week begin at midnight of the configured time zone, the week on Monday. When
        the store does not answer nothing is known, and `Overview.unreadable` says why.
        """
        try:
            return await self._read(sections)
        except StoreUnreadableError as error:
            return self._overview((), unreadable=str(error))

    def measures(self) -> list[OfferedMeasure]:
        """What can be asked for."""
        return [self._offered(measure) for measure in MEASURES.values()]

    def _offered(self, measure: Measure) -> OfferedMeasure:
        kinds = {KIND_OF[metric.kind] for metric in measure.metrics}
        labels = {name: measure.part.metric.label(name).values for name in measure.group_by}
        return OfferedMeasure(
            measure,
            {name: None if values is None else [*values] for name, values in labels.items()},
            {
                spelled(seconds): min(getattr(days, kind) for kind in kinds)
                for seconds, days in retentions(self._settings.rollups).items()
            },
        )

    async def _read(self, sections: Collection[str]) -> Overview:
        """Raises StoreUnreadableError."""
        this_minute = int(time.time()) // MINUTE * MINUTE
        until = this_minute + MINUTE
        zone = self._settings.zone
        this_hour = clock_hour(this_minute, zone)
        ranges = [
            (until - HOUR, until),
            (midnight(this_minute, zone), until),
            (monday(this_minute, zone), until),
            (until - RECENT, until),
            # Whole ones: a minute that runs would look like a drop.
            (this_minute - RECENT, this_minute),
            (this_hour - HOUR, this_hour),
            (this_hour - DAY, this_hour),
        ]
        # A short question is not made to pay for the long ones.
        asked = ranges[:1] if set(sections) == {"last_hour"} else ranges
        totals = await self._rollups.stored(asked, self._metrics)
        for minutes in totals[4:5]:
            minutes.complete &= (minutes.counted_seconds or 0) >= MINUTE
        _know_only_wholes(totals[5:])
        same_hours: list[Totals] = []
        if "throughput" in sections:
            hours = _same_hours(this_hour, zone)
            same_hours = await self._rollups.stored(hours, [catalogue.SMS_RECEIVED])
            _know_only_wholes(same_hours)
        slos = None
        if not {"slos", "health"}.isdisjoint(sections):
            slos = await self._objectives.status()
        try:
            workers = await self._rollups.writers()
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnreadableError(str(getattr(error, "orig", error))) from error
        waiting = None
        if not OF_WAITING.isdisjoint(sections):
            # The figures need not wait for a database that does not answer.
            with suppress(SQLAlchemyError, OSError):
                waiting = await self._count_waiting()
        return self._overview(totals, same_hours, workers, slos, waiting=waiting)

    def _overview(
        self,
        totals: Sequence[Totals],
        same_hours: Sequence[Totals] = (),
        workers: Sequence[WriterState] | None = None,
        slos: Sequence[ObjectiveStatus] | None = None,
        *,
        waiting: Waiting | None = None,
        unreadable: str | None = None,
    ) -> Overview:
        """What was read; of totals that are missing nothing is known."""
        missing = (Totals(complete=False) for _ in range(7 - len(totals)))
        hour, today, week, recent, last_minutes, last_full_hour, last_day = (*totals, *missing)
        return Overview(
            thresholds=self._settings.thresholds,
            store=self._rollups.health,
            hour=hour,
            today=today,
            week=week,
            recent=recent,
            last_minutes=last_minutes,
            last_full_hour=last_full_hour,
            last_day=last_day,
            same_hours=same_hours,
            workers=workers,
            slos=slos,
            waiting=waiting,
            unreadable=unreadable,
        )


def _know_only_wholes(totals: Sequence[Totals]) -> None:
    """A rate over a time that was counted in part, or not at all, isn't known."""
    least, most = WHOLE
    for found in totals:
        found.complete &= least <= (found.coverage or 0) <= most


def _same_hours(this_hour: int, zone: ZoneInfo) -> list[tuple[int, int]]:
    """The local hour before ``this_hour``, in each of the weeks before.

    An hour that a clock change made longer or shorter is left out.
    """
    found = [
        tuple(days_earlier(edge, 7 * week, zone) for edge in (this_hour - HOUR, this_hour))
        for week in range(1, BASELINE_WEEKS + 1)
    ]
    return [(start, end) for start, end in found if end - start == HOUR]
