"""Upstreams and the database: slow, flapping, failing once, failing while hardly anybody writes."""

from collections.abc import Mapping

from alerts.scenarios.changes import Counts, Fails, ServerErrors, Slow
from alerts.scenarios.scenario import MONDAY_MORNING, MONDAY_NIGHT, TICKET, Scenario, Told
from alerts.scenarios.world import World
from app.core import catalogue
from app.core.catalogue import Component, ErrorType, Operation

_AI_CALL = {"component": Component.AI_PROVIDER, "operation": Operation.CHAT_COMPLETION}
_STATEMENT = {"component": Component.DATABASE, "operation": Operation.SELECT}


def _fail_at_once(of: Mapping[str, str], error: ErrorType) -> Counts:
    return Counts(catalogue.OPERATION_ERRORS, at=0, amount=16, labels={**of, "error_type": error})


SCENARIOS = (
    Scenario(
        name="16 AI calls fail at once",
        story="In one scrape 16 calls of the AI provider have failed, and none after that.",
        begins=MONDAY_MORNING,
        lasts=30,
        world=World(changes=(_fail_at_once(_AI_CALL, ErrorType.TIMEOUT),)),
    ),
    Scenario(
        name="16 statements fail at once",
        story="In one scrape 16 statements have failed in the database, and none after that.",
        begins=MONDAY_MORNING,
        lasts=30,
        world=World(changes=(_fail_at_once(_STATEMENT, ErrorType.DATABASE),)),
    ),
    Scenario(
        name="Forty SMS an hour, and the AI is down",
        story="A small customer: of 40 SMS an hour each fails from 10:00 to 11:00.",
        begins=MONDAY_MORNING,
        lasts=150,
        world=World(sms_an_hour=40, changes=(Fails(Component.AI_PROVIDER, until=60),)),
        told=(
            Told("CircuitBreakerOpen", TICKET, within=10, over=75),
            Told("SMSLatencyBudgetBurn", within=15, over=90),
            Told("FailedWorkflowsWaiting", TICKET, within=40, over=90),
            Told("AIAnswersBudgetBurn", TICKET, within=60),
        ),
    ),
    Scenario(
        name="An upstream fails, and then the service itself",
        story="The collections monitor fails two calls in five from 10:00 to 10:50. From 10:20 to "
        "10:45 half of the SMS are answered 500 besides, for another reason.",
        begins=MONDAY_MORNING,
        lasts=100,
        world=World(
            sms_an_hour=2400,
            changes=(
                Fails(Component.COLLECTIONS_MONITOR, 0, 50, 0.4, ErrorType.INVALID_RESPONSE),
                ServerErrors(0.5, 20, 45),
            ),
        ),
        told=(
            Told("UpstreamFailing", TICKET, within=5, over=75),
            Told("SMSWorkflowsFailing", within=6, over=80),
            Told("AvailabilityBudgetBurn", within=26, over=70),
            Told("FailedWorkflowsWaiting", TICKET, within=40, over=90),
        ),
    ),
    Scenario(
        name="AI slow for 30 minutes",
        story="Each answer of the AI takes 6 s, from 10:00 to 10:30. The page is that of what "
        "tenants are promised.",
        begins=MONDAY_MORNING,
        lasts=90,
        world=World(changes=(Slow(Component.AI_PROVIDER, seconds=6, until=30),)),
        told=(
            Told("SMSLatencyBudgetBurn", within=12, over=60),
            Told("HTTPResponsesSlow", TICKET, within=10, over=60),
        ),
    ),
    Scenario(
        name="SMS agent flaps",
        story="The SMS agent fails for 2 minutes and works for 3, again and again for 40 minutes.",
        begins=MONDAY_MORNING,
        lasts=90,
        world=World(
            changes=tuple(
                Fails(Component.SMS_AGENT, since=since, until=since + 2)
                for since in range(0, 40, 5)
            )
        ),
        told=(
            Told("SMSWorkflowsFailing", within=6, over=60),
            Told("UpstreamFailing", TICKET, within=4, over=50),
            # Managers can't send either.
            Told("RouteFailing", TICKET, within=20, over=60),
            Told("FailedWorkflowsWaiting", TICKET, within=40, over=60),
        ),
    ),
    Scenario(
        name="Database down for 5 minutes",
        story="From 10:00 to 10:05 every statement fails.",
        begins=MONDAY_MORNING,
        lasts=45,
        world=World(
            changes=(Fails(Component.DATABASE, until=5, error=ErrorType.DATABASE),),
        ),
        told=(Told("DatabaseFailing", within=3, over=15),),
    ),
    Scenario(
        name="AI down at night",
        story="At two in the morning, with 12 SMS an hour, the AI provider fails for an hour. The "
        "breaker's ticket says what is down. Somebody is called once more than a handful of "
        "tenants have got no answer.",
        begins=MONDAY_NIGHT,
        lasts=90,
        world=World(
            sms_an_hour=12,
            changes=(Fails(Component.AI_PROVIDER, until=60),),
        ),
        told=(
            Told("CircuitBreakerOpen", TICKET, within=25, over=80),
            Told("SMSLatencyBudgetBurn", within=45, over=80),
            Told("FailedWorkflowsWaiting", TICKET, within=45, over=85),
            Told("AIAnswersBudgetBurn", TICKET, within=55),
        ),
    ),
)
