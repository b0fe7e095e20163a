"""Upstreams and the orchestrator itself are down, slow or refuse us for a while."""

from alerts.scenarios.changes import Fails, Interrupted, Restart, Sets, Slow
from alerts.scenarios.scenario import MONDAY_MORNING, MONDAY_NIGHT, TICKET, Scenario, Told
from alerts.scenarios.world import World, daily
from app.core.catalogue import SMS_IN_FLIGHT, Component, ErrorType

AI, SMS_AGENT = Component.AI_PROVIDER, Component.SMS_AGENT


def _ai_down(minutes: float, name: str, *also: Told, messages: int = 1) -> Scenario:
    return Scenario(
        name=f"AI down for {name}",
        story=f"The AI provider answers every call with 503 for {name}; SMS fail meanwhile. Ten "
        "minutes later the failed workflows have been run again.",
        begins=MONDAY_MORNING,
        lasts=minutes + 30,
        world=World(changes=(Fails(AI, until=minutes),)),
        told=(
            Told("AIProviderFailing", within=3, over=minutes + 11, notifications=messages),
            *also,
        ),
    )


def _sms_agent(name: str, story: str, error: ErrorType) -> Scenario:
    return Scenario(
        name=name,
        story=story,
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(changes=(Fails(SMS_AGENT, until=30, error=error),)),
        told=(
            Told("SMSWorkflowsFailing", within=3, over=40),
            # Managers can't send answers either; the page says more than that route's ticket.
            Told("UpstreamFailing", TICKET, within=4, over=40, about={"component": SMS_AGENT}),
            Told("FailedWorkflowsWaiting", TICKET, within=40, over=50),
        ),
    )


SCENARIOS = (
    Scenario(
        name="A quiet hour of the morning",
        story="Ten SMS a minute, nothing happens.",
        begins=MONDAY_MORNING,
        lasts=60,
    ),
    Scenario(
        name="A quiet night",
        story="Between 2:00 and 3:00 hardly anybody writes; nothing happens.",
        begins=MONDAY_NIGHT,
        lasts=60,
        world=World(sms_an_hour=600, rhythm=daily),
    ),
    _ai_down(5, "5 minutes"),
    _ai_down(15, "15 minutes"),
    Scenario(
        name="The AI was down, and running failed workflows again makes others late",
        story="The AI is down for 15 minutes. From then on for ten minutes its answers take 4 "
        "seconds in every fourth SMS, because what failed is run again.",
        begins=MONDAY_MORNING,
        lasts=45,
        world=World(
            changes=(Fails(AI, until=15), Slow(AI, seconds=4, since=15, until=25, share=0.25))
        ),
        told=(Told("AIProviderFailing", within=3, over=26),),
    ),
    _ai_down(
        120,
        "2 hours",
        Told("FailedWorkflowsWaiting", TICKET, within=40, over=140),
        # A quarter of the month's budget is gone, as somebody should know when it is over.
        Told("AIAnswersBudgetBurn", TICKET, within=135, about={"slo": "ai_answers"}),
        messages=3,
    ),
    Scenario(
        name="AI slow for 20 minutes",
        story="Each answer of the AI takes 4 seconds, so that no SMS is answered within 2.",
        begins=MONDAY_MORNING,
        lasts=40,
        world=World(changes=(Slow(AI, seconds=4, until=20),)),
        told=(Told("SMSLatencyBudgetBurn", within=11, over=30),),
    ),
    _sms_agent(
        "SMS Agent down for 30 minutes",
        "The SMS Agent refuses connections: no history can be read, no answer be sent.",
        ErrorType.CONNECTION,
    ),
    _sms_agent(
        "The SMS Agent's token was rotated",
        "The SMS Agent refuses every call with 401; no breaker opens, nothing is retried.",
        ErrorType.CLIENT_ERROR,
    ),
    Scenario(
        name="Out of memory with 100 SMS in flight",
        story="The system kills the process, which has 100 SMS in flight, and it starts anew at "
        "once. Five minutes later the sweep marks those as failed, and nobody retries them.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(
            retried_after=None,
            changes=(
                Sets(SMS_IN_FLIGHT, 100, since=-0.5, until=0),
                Restart(0.1),
                Interrupted(100, at=5),
            ),
        ),
        told=(Told("FailedWorkflowsWaiting", TICKET, within=45, says="100"),),
    ),
)
