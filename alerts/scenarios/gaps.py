"""Prometheus itself is away for a while."""

from alerts.scenarios.changes import Fails
from alerts.scenarios.scenario import MONDAY_MORNING, TICKET, Scenario, Told
from alerts.scenarios.world import World
from app.core.catalogue import Component

SCENARIOS = (
    Scenario(
        name="Prometheus is restarted",
        story="Prometheus does not run for two minutes; nothing else happens.",
        begins=MONDAY_MORNING,
        lasts=40,
        blind=((0, 2),),
    ),
    Scenario(
        name="Prometheus does not run for an hour",
        story="Nobody looks for an hour; the orchestrator does its work. (That nobody looked, the "
        "dead man's switch says.)",
        begins=MONDAY_MORNING,
        lasts=100,
        blind=((0, 60),),
    ),
    Scenario(
        name="Prometheus does not run for an hour, and the AI fails within it",
        story="The AI provider is down from minute 10 to 80; Prometheus is back at minute 60.",
        begins=MONDAY_MORNING,
        lasts=110,
        blind=((0, 60),),
        world=World(changes=(Fails(Component.AI_PROVIDER, since=10, until=80),)),
        told=(
            Told("AIProviderFailing", within=63, over=91),
            Told("FailedWorkflowsWaiting", TICKET, within=70, over=100),
        ),
    ),
)
