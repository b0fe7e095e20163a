"""Several clusters, several instances, much and little traffic."""

from alerts.scenarios.changes import Down, Fails, Forgotten
from alerts.scenarios.scenario import MONDAY_MORNING, TICKET, Scenario, Told
from alerts.scenarios.world import World
from app.core.catalogue import Component

AI = Component.AI_PROVIDER

SCENARIOS = (
    Scenario(
        name="One of two clusters is down",
        story="Two clusters of production; the one in the west does not run for 20 minutes.",
        begins=MONDAY_MORNING,
        lasts=40,
        world=World(sms_an_hour=300, cluster="east"),
        beside=(World(sms_an_hour=300, cluster="west", changes=(Down(until=20),)),),
        told=(Told("ServiceDown", within=3, over=25, about={"cluster": "west"}),),
    ),
    Scenario(
        name="One of three replicas is down",
        story="Three instances; one does not run for 20 minutes, the others take its SMS.",
        begins=MONDAY_MORNING,
        lasts=40,
        world=World(instances=3, changes=(Down(until=20, instance=1),)),
        told=(Told("TargetDown", TICKET, within=3, over=30),),
    ),
    Scenario(
        name="Three replicas are restarted one after the other",
        story="A release goes over three instances, a minute apart.",
        begins=MONDAY_MORNING,
        lasts=40,
        world=World(
            instances=3,
            changes=tuple(Down(number, number + 0.5, instance=number) for number in range(3)),
        ),
    ),
    Scenario(
        name="A second instance joins",
        story="At 10:00 a second instance starts and becomes a target; its counters begin at zero.",
        begins=MONDAY_MORNING,
        lasts=40,
        world=World(
            instances=2,
            changes=(Forgotten(-1000, 0, instance=1), Down(-1000, 0, instance=1)),
        ),
    ),
    Scenario(
        name="Two Prometheus replicas",
        story="Two Prometheus servers observe the same, one evaluation apart, and tell one "
        "Alertmanager; the orchestrator does not run for 20 minutes.",
        begins=MONDAY_MORNING,
        lasts=40,
        prometheuses=2,
        world=World(changes=(Down(until=20),)),
        told=(Told("ServiceDown", within=3, over=25),),
    ),
    Scenario(
        name="Four SMS an hour, and nothing happens",
        story="A small customer: four SMS an hour.",
        begins=MONDAY_MORNING,
        lasts=90,
        world=World(sms_an_hour=4),
    ),
    Scenario(
        name="Four SMS an hour, and the AI is down",
        story="Four SMS an hour, each of which fails for two hours: too few to page, not to tell.",
        begins=MONDAY_MORNING,
        lasts=150,
        world=World(sms_an_hour=4, changes=(Fails(AI, until=120),), retried_after=20),
        told=(
            Told("CircuitBreakerOpen", TICKET, within=35, over=145),
            Told("FailedWorkflowsWaiting", TICKET, within=50, over=150),
            Told("AIAnswersBudgetBurn", TICKET, within=90, about={"slo": "ai_answers"}),
        ),
    ),
    Scenario(
        name="A thousand SMS a second",
        story="A large customer: 1,000 SMS a second over four instances. The AI's quota is not "
        "theirs in the settings, which is told; nothing else happens.",
        begins=MONDAY_MORNING,
        lasts=20,
        world=World(sms_an_hour=3_600_000, instances=4, capacity=400),
        told=(Told("AIQuotaNearlyUsed", TICKET, within=-5),),
    ),
    Scenario(
        name="A thousand SMS a second, and the AI is down",
        story="1,000 SMS a second over four instances; the AI fails every call for 10 minutes.",
        begins=MONDAY_MORNING,
        lasts=30,
        world=World(
            sms_an_hour=3_600_000, instances=4, capacity=400, changes=(Fails(AI, until=10),)
        ),
        told=(
            # Calls that the breaker refuses need no quota: it ends, and is told again.
            Told("AIQuotaNearlyUsed", TICKET, within=-5, notifications=2),
            Told("AIProviderFailing", within=3, over=21),
        ),
    ),
)
