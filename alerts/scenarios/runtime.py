"""The orchestrator's process: what stands still, and what its clock does."""

from alerts.scenarios.changes import Counts, Restart, Sets
from alerts.scenarios.scenario import MONDAY_MORNING, TICKET, Scenario, Told
from alerts.scenarios.world import World
from app.core import catalogue
from app.core.catalogue import BackgroundTask

_SWEEP = {"task": BackgroundTask.SWEEP}

SCENARIOS = (
    Scenario(
        name="A background task stands still",
        story="The sweep of overdue conversations hangs from 10:00 to 10:40.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(
            changes=(
                Sets(
                    catalogue.BACKGROUND_TASK_LAST_ROUND,
                    40 * 60,
                    until=40,
                    labels=_SWEEP,
                ),
            )
        ),
        told=(Told("BackgroundTaskStandsStill", TICKET, within=12, over=50),),
    ),
    Scenario(
        name="The clock is set back",
        story="Something sets the clock back by a minute: 12 durations would have been negative.",
        begins=MONDAY_MORNING,
        lasts=120,
        world=World(changes=(Counts(catalogue.CLOCK_SET_BACK, at=0, amount=12),)),
        told=(Told("ClockSetBack", TICKET, within=3, over=66),),
    ),
    Scenario(
        name="An instance is killed every eight minutes",
        story="From 10:00 to 10:40 the system kills the process every eight minutes.",
        begins=MONDAY_MORNING,
        lasts=120,
        world=World(changes=tuple(Restart(minute) for minute in range(0, 41, 8))),
        told=(Told("Restarting", TICKET, within=18, over=80),),
    ),
)
