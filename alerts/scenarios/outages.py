"""Upstreams and the orchestrator itself are down, or slow, for a while."""

from alerts.scenarios.changes import Down, Fails, Slow
from alerts.scenarios.scenario import MONDAY_MORNING, Scenario, Told
from alerts.scenarios.world import World
from app.core.catalogue import Component

SCENARIOS = (
    Scenario(
        name="A quiet morning",
        story="Nothing happens.",
        begins=MONDAY_MORNING,
        lasts=60,
    ),
    Scenario(
        name="AI down for 15 minutes",
        story="From 10:00 on the AI provider answers every call with 503; at 10:15 it is back.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(changes=(Fails(Component.AI_PROVIDER, until=15),)),
        told=(Told("AIProviderFailing", within=3, over=25),),
    ),
    Scenario(
        name="Down for 30 minutes",
        story="The orchestrator does not run from 10:00 to 10:30.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(changes=(Down(until=30),)),
        told=(Told("ServiceDown", within=3, over=35),),
    ),
)
