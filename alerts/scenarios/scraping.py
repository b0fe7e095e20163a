"""What Prometheus sees of its targets: instances that go, flap, or expose less than they should."""

from alerts.scenarios.changes import Down, Forgotten, Missing
from alerts.scenarios.scenario import MONDAY_MORNING, TICKET, Scenario, Told
from alerts.scenarios.world import World
from app.core import catalogue

SCENARIOS = (
    Scenario(
        name="One of three replicas is gone from discovery",
        story="A replica is no longer a target from 10:00 on. The others work; no target is down.",
        begins=MONDAY_MORNING,
        lasts=40,
        lead=40,
        world=World(instances=3, changes=(Forgotten(instance=2),)),
        told=(Told("InstancesMissing", TICKET, within=17),),
    ),
    Scenario(
        name="A release adds a replica for ten minutes",
        story="A fourth replica is a target from 10:00 to 10:10 only, while a release runs.",
        begins=MONDAY_MORNING,
        lasts=40,
        world=World(
            instances=4, changes=(Forgotten(-40, 0, instance=3), Forgotten(10, instance=3))
        ),
    ),
    Scenario(
        name="A target flaps",
        story="One of two replicas goes away for half a minute every five minutes.",
        begins=MONDAY_MORNING,
        lasts=40,
        world=World(
            instances=2,
            changes=tuple(Down(n * 5, n * 5 + 0.5, instance=1) for n in range(6)),
        ),
        told=(
            Told("TargetFlapping", TICKET, team="platform", within=10),
            Told("Restarting", TICKET, within=40),
        ),
    ),
    Scenario(
        name="A metric that pages are made from is renamed",
        story="From 10:00 on the duration of requests has another name: no request seems to fail.",
        begins=MONDAY_MORNING,
        lasts=40,
        world=World(changes=(Missing(catalogue.HTTP_SERVER_REQUEST_DURATION),)),
        told=(Told("MetricsMissing", TICKET, within=18),),
    ),
)
