"""What errors and outages do to the budgets, and who hears of it."""

from alerts.scenarios.changes import Down, Forgotten, Requests, ScrapesFail, ServerErrors
from alerts.scenarios.scenario import MONDAY_MORNING, MONDAY_NIGHT, TICKET, Scenario, Told
from alerts.scenarios.world import World

_BUSY = 2400.0
"""SMS an hour: 40 a minute."""
_SMS = "/orchestrate/sms-received"

SCENARIOS = (
    Scenario(
        name="Down for an hour",
        story="Nothing runs from 10:00 to 11:00: 139 % of what the month allows. One page says so "
        "at once; that the budget is spent is a ticket for the days after.",
        begins=MONDAY_MORNING,
        lasts=100,
        world=World(changes=(Down(until=60),)),
        told=(
            Told("ServiceDown", within=3, over=63),
            Told(
                "ErrorBudgetSpent",
                TICKET,
                within=70,
                about={"slo": "reachable"},
                says="at least 100%",
            ),
        ),
    ),
    Scenario(
        name="Gone from discovery for 20 minutes",
        story="The only target vanishes from discovery at 10:00 and is back at 10:20.",
        begins=MONDAY_MORNING,
        lasts=40,
        alone=True,
        world=World(changes=(Forgotten(until=20),)),
        told=(Told("ServiceDown", within=3, over=25),),
    ),
    Scenario(
        name="Down again and again",
        story="Everything restarts every 8 minutes and needs 45 s for it: never down for long "
        "enough to be called down, but a tenth of the time.",
        begins=MONDAY_MORNING,
        lasts=80,
        lead=40,
        world=World(changes=tuple(Down(n * 8, n * 8 + 0.75) for n in range(7))),
        told=(
            Told("ReachabilityBudgetBurn", within=20, over=75),
            Told("TargetFlapping", TICKET, team="platform", within=20, over=75),
            Told("Restarting", TICKET, within=60, over=75),
        ),
    ),
    Scenario(
        name="Every request fails for 20 minutes",
        story="From 10:00 to 10:20 every SMS is answered 500.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(sms_an_hour=_BUSY, changes=(ServerErrors(1, until=20),)),
        told=(Told("AvailabilityBudgetBurn", within=3.5, over=27, says="times as fast"),),
    ),
    Scenario(
        name="60 % errors for 3 minutes",
        story="From 10:00 to 10:03 six of ten SMS are answered 500: 3 % of what the month allows.",
        begins=MONDAY_MORNING,
        lasts=40,
        world=World(sms_an_hour=_BUSY, changes=(ServerErrors(0.6, until=3),)),
        told=(Told("AvailabilityBudgetBurn", within=4, over=12),),
    ),
    Scenario(
        name="One in a hundred requests fails for hours",
        story="From 10:00 on 1 % of the SMS are answered 500. That is 0.85 % of all requests, so "
        "the month's budget would last three and a half days.",
        begins=MONDAY_MORNING,
        lasts=300,
        step=60,
        lead=360,
        world=World(sms_an_hour=_BUSY, changes=(ServerErrors(0.01),)),
        told=(Told("AvailabilityBudgetBurn", within=265, about={"window": "6h"}),),
    ),
    Scenario(
        name="16 errors in one scrape",
        story="At night, with ten SMS a minute, 16 requests are answered 500 within one scrape, "
        "and none after. Nobody is woken for what is over.",
        begins=MONDAY_NIGHT,
        lasts=60,
        world=World(changes=(Requests(_SMS, "500", 64, until=0.25),)),
    ),
    Scenario(
        name="One failure after a gap",
        story="Four SMS a minute at night. Scrapes fail for 55 minutes, which is told; 5 minutes "
        "after they work again one request fails. That is one failure, not one in four.",
        begins=MONDAY_NIGHT,
        lasts=90,
        world=World(
            sms_an_hour=240,
            changes=(ScrapesFail(until=55), Requests(_SMS, "500", 4, 60, 60.25)),
        ),
        told=(
            Told("ServiceDown", within=3, over=58),
            Told("ErrorBudgetSpent", TICKET, within=62, about={"slo": "reachable"}),
        ),
    ),
    Scenario(
        name="Blind for an hour while requests fail",
        story="A fifth of the SMS is answered 500 from 10:00 on, and Prometheus does not run from "
        "10:10 to 11:10. It goes on telling soon after it is back.",
        begins=MONDAY_MORNING,
        lasts=100,
        blind=((10, 70),),
        world=World(sms_an_hour=_BUSY, changes=(ServerErrors(0.2),)),
        told=(Told("AvailabilityBudgetBurn", within=7, notifications=2),),
    ),
)
