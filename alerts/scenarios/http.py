"""Requests that fail or are refused: on one route, after a release, at the door."""

from alerts.scenarios.changes import Requests, Restart, ServerErrors, Traffic
from alerts.scenarios.scenario import MONDAY_MORNING, MONDAY_NIGHT, TICKET, Scenario, Told
from alerts.scenarios.world import World

_BUSY = 2400.0
_RESOLVE = "/orchestrate/escalations/{escalation_id}/resolve"
_STATUS = "/orchestrate/workflow/{conversation_id}/status"
_SMS = "/orchestrate/sms-received"

SCENARIOS = (
    Scenario(
        name="First 500s ever on a route",
        story="Managers close escalations, one in a minute, and each is answered 500, while 40 "
        "SMS a minute are fine. Nobody has closed one before, so there is not even a series.",
        begins=MONDAY_MORNING,
        lasts=40,
        world=World(sms_an_hour=_BUSY, changes=(Requests(_RESOLVE, "500", 1, until=10),)),
        told=(Told("RouteFailing", TICKET, within=16, about={"http_route": _RESOLVE}),),
    ),
    Scenario(
        name="Every SMS is refused with 401",
        story="A token was rotated on one side at 10:00: each SMS is answered 401 from then on.",
        begins=MONDAY_MORNING,
        lasts=20,
        world=World(sms_an_hour=_BUSY, changes=(Traffic(0), Requests(_SMS, "401", 40))),
        told=(Told("SMSRefused", within=7),),
    ),
    Scenario(
        name="One of two gateways is refused",
        story="Of 40 SMS a minute 18 are answered 429 from 10:00 to 10:40: less than most.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(
            sms_an_hour=_BUSY,
            changes=(Traffic(0.55, until=40), Requests(_SMS, "429", 18, until=40)),
        ),
        told=(Told("SMSRefused", TICKET, within=25, over=55),),
    ),
    Scenario(
        name="Twelve SMS an hour, each answered 500",
        story="A small customer: from 10:00 to 11:10 each of its SMS is answered 500.",
        begins=MONDAY_MORNING,
        lasts=150,
        world=World(sms_an_hour=12, changes=(ServerErrors(1, until=70),)),
        told=(
            Told("AvailabilityBudgetBurn", within=45, over=90),
            Told("ErrorBudgetSpent", TICKET, within=60),
        ),
    ),
    Scenario(
        name="One client sends bad requests",
        story="At night, with ten SMS a minute, a client sends one a minute that is answered 422.",
        begins=MONDAY_NIGHT,
        lasts=40,
        world=World(sms_an_hour=600, changes=(Requests(_SMS, "422", 1),)),
    ),
    Scenario(
        name="A release fails one in ten requests",
        story="Release 1.5.0 comes at 10:00 and answers one SMS in ten with 500. It is rolled "
        "back at 10:20.",
        begins=MONDAY_MORNING,
        lasts=50,
        lead=75,
        world=World(
            sms_an_hour=_BUSY,
            changes=(
                Restart(0, version="1.5.0"),
                ServerErrors(0.1, since=0, until=20),
                Restart(20, version="1.4.0"),
            ),
        ),
        told=(Told("ReleaseFailing", within=4, over=30, about={"version": "1.5.0"}),),
    ),
    Scenario(
        name="A release is slow",
        story="Release 1.5.0 comes at 10:00 and takes 10 s for one request in six. It is rolled "
        "back at 10:20.",
        begins=MONDAY_MORNING,
        lasts=50,
        lead=75,
        world=World(
            changes=(
                Restart(0, version="1.5.0"),
                Requests(_STATUS, "200", 2, until=20, seconds=10),
                Restart(20, version="1.4.0"),
            ),
        ),
        told=(Told("ReleaseSlow", within=4, over=32, about={"version": "1.5.0"}),),
    ),
    Scenario(
        name="A release doubles the errors",
        story="One request in two hundred is answered 500 before release 1.5.0 comes at 10:00, and "
        "one in a hundred after it. That is a fifth of what rolls it back, and a ticket names it.",
        begins=MONDAY_MORNING,
        lasts=40,
        lead=75,
        world=World(
            changes=(
                Requests(_STATUS, "200", 120, since=-75),
                Requests(_STATUS, "500", 0.6, since=-75, until=0),
                Restart(0, version="1.5.0"),
                Requests(_STATUS, "500", 1.2),
            ),
        ),
        told=(Told("ReleaseWorse", TICKET, within=30, about={"version": "1.5.0"}),),
    ),
    Scenario(
        name="A release that changes nothing",
        story="Release 1.5.0 comes at 10:00; one SMS in two hundred fails before and after it.",
        begins=MONDAY_MORNING,
        lasts=40,
        lead=75,
        world=World(
            sms_an_hour=_BUSY,
            changes=(ServerErrors(0.002, since=-75), Restart(0, version="1.5.0")),
        ),
    ),
)
