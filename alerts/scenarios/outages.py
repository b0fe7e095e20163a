"""Upstreams and the orchestrator itself are down, slow or refuse us for a while."""

from alerts.scenarios.changes import Fails, Interrupted, Restart, Sets, Slow
from alerts.scenarios.scenario import MONDAY_MORNING, MONDAY_NIGHT, TICKET, Scenario, Told
from alerts.scenarios.world import World, daily
from app.core.catalogue import SMS_IN_FLIGHT, Component, ErrorType

AI, SMS_AGENT = Component.AI_PROVIDER, Component.SMS_AGENT

_CAUSE_PAGES_TOO = "the budget's page and that of its cause both come"
_TOO_LATE = "the budget's page comes after 10 minutes"


def _ai_down(minutes: float, name: str, fails_today: str, messages: int = 1) -> Scenario:
    return Scenario(
        name=f"AI down for {name}",
        story=f"The AI provider answers every call with 503 for {name}; SMS fail meanwhile.",
        begins=MONDAY_MORNING,
        lasts=minutes + 40,
        world=World(changes=(Fails(AI, until=minutes),)),
        told=(
            Told("SMSLatencyBudgetBurn", within=5, over=minutes + 15, notifications=messages),
            Told("AIProviderFailing", TICKET, within=5, over=minutes + 15),
        ),
        fails_today=fails_today,
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
    _ai_down(5, "5 minutes", _CAUSE_PAGES_TOO),
    _ai_down(15, "15 minutes", _CAUSE_PAGES_TOO),
    _ai_down(120, "2 hours", _CAUSE_PAGES_TOO, messages=2),
    Scenario(
        name="AI slow for 20 minutes",
        story="Each answer of the AI takes 4 seconds, so that no SMS is answered within 2.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(changes=(Slow(AI, seconds=4, until=20),)),
        told=(
            Told("SMSLatencyBudgetBurn", within=5, over=35),
            Told("AIAnswersSlow", TICKET, within=12, over=40),
        ),
        fails_today=_TOO_LATE,
    ),
    Scenario(
        name="SMS Agent down for 30 minutes",
        story="The SMS Agent refuses connections: no history can be read, no answer be sent.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(changes=(Fails(SMS_AGENT, until=30, error=ErrorType.CONNECTION),)),
        told=(
            Told("SMSLatencyBudgetBurn", within=5, over=45),
            Told("UpstreamFailing", TICKET, within=6, over=50),
        ),
        fails_today=_CAUSE_PAGES_TOO,
    ),
    Scenario(
        name="The SMS Agent's token was rotated",
        story="The SMS Agent refuses every call with 401; no breaker opens, nothing is retried.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(changes=(Fails(SMS_AGENT, until=30, error=ErrorType.CLIENT_ERROR),)),
        told=(
            Told("SMSLatencyBudgetBurn", within=5, over=45),
            Told("UpstreamFailing", TICKET, within=6, over=50),
        ),
        fails_today=_CAUSE_PAGES_TOO,
    ),
    Scenario(
        name="Out of memory with 100 SMS in flight",
        story="The system kills the process, which has 100 SMS in flight, and it starts anew at "
        "once. Five minutes later the sweep marks those as failed, and nobody retries them.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(
            sms_an_hour=1200,
            retried_after=None,
            changes=(
                Sets(SMS_IN_FLIGHT, 100, since=-0.5, until=0),
                Restart(0.1),
                Interrupted(100, at=5),
            ),
        ),
        told=(Told("FailedWorkflowsWaiting", TICKET, within=40, says="100"),),
        fails_today="failed workflows that wait are shown nowhere",
    ),
)
