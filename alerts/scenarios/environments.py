"""Several environments and clusters under one Prometheus and one Alertmanager."""

from alerts.scenarios.changes import Down, Fails, Forgotten, ServerErrors
from alerts.scenarios.scenario import MONDAY_MORNING, TICKET, Scenario, Told
from alerts.scenarios.world import World
from app.core.catalogue import Component

_AI_FAILS = (Fails(Component.AI_PROVIDER, until=15),)
_STAGING, _PRODUCTION = {"environment": "staging"}, {"environment": "production"}

SCENARIOS = (
    Scenario(
        name="Staging down",
        story="Somebody tries something in staging: from 10:00 to 10:30 it does not run. "
        "Production works. Nobody is called.",
        begins=MONDAY_MORNING,
        lasts=60,
        beside=(World(environment="staging", changes=(Down(until=30),)),),
        told=(Told("ServiceDown", TICKET, within=3, over=40, about=_STAGING),),
    ),
    Scenario(
        name="Staging down, and production fails",
        story="From 10:00 on the AI provider fails in production, and from 10:02 to 10:12 staging "
        "does not run. What is down in staging holds nothing back in production.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(changes=_AI_FAILS),
        beside=(World(environment="staging", changes=(Down(since=2, until=12),)),),
        told=(
            Told("AIProviderFailing", within=3, over=26, about=_PRODUCTION),
            Told("ServiceDown", TICKET, within=5, over=25, about=_STAGING),
        ),
    ),
    Scenario(
        name="AI down in two environments",
        story="From 10:00 to 10:15 the AI provider fails in production and in staging: one page, "
        "and one ticket, each naming where.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(changes=_AI_FAILS),
        beside=(World(environment="staging", changes=_AI_FAILS),),
        told=(
            Told("AIProviderFailing", within=3, over=26, about=_PRODUCTION),
            Told("AIProviderFailing", TICKET, within=3, over=30, about=_STAGING),
        ),
    ),
    Scenario(
        name="AI down in two clusters",
        story="From 10:00 to 10:15 the AI provider fails in both clusters of production: a page "
        "for each.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(cluster="eu-1", changes=_AI_FAILS),
        beside=(World(cluster="eu-2", changes=_AI_FAILS),),
        told=(
            Told("AIProviderFailing", within=3, over=26, about={"cluster": "eu-1"}),
            Told("AIProviderFailing", within=3, over=26, about={"cluster": "eu-2"}),
        ),
    ),
    Scenario(
        name="Production fails beside a busy staging",
        story="A load test runs in staging, with four times as many SMS, and works. A "
        "fifth of the requests to production are answered with 500: they are not lost among "
        "those of the test.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(changes=(ServerErrors(0.2, until=15),)),
        beside=(World(environment="staging", sms_an_hour=2_400),),
        told=(Told("AvailabilityBudgetBurn", within=7, over=25, about=_PRODUCTION),),
    ),
    Scenario(
        name="An environment vanishes",
        story="From 10:00 on no instance of production is a target of Prometheus any more: its "
        "discovery is broken. Staging is still scraped.",
        begins=MONDAY_MORNING,
        lasts=30,
        world=World(changes=(Forgotten(),)),
        beside=(World(environment="staging"),),
        told=(Told("ServiceDown", within=3, about=_PRODUCTION),),
    ),
)
