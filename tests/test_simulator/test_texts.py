"""The texts mean to the orchestrator what they are meant to."""

from random import Random

import pytest

from app.core.catalogue import EscalationType, PlanResult
from app.core.config import PaymentPlanLimits
from app.schemas.orchestrate import SMSReceived
from app.services.escalation_triggers import find_trigger
from app.services.plan_extraction import PaymentPlan, proposed, validate
from simulator.tenants import SIMULATED, Sender
from simulator.texts import ai_answer, hostile_message, tenant_message
from tests.not_empty import not_empty

LIMITS = PaymentPlanLimits()


def _messages(count: int) -> list[tuple[Sender, str]]:
    rng = Random(11)
    senders = [Sender(rng.randrange(SIMULATED)) for _ in range(count)]
    return [(sender, tenant_message(rng, sender.tenant)) for sender in senders]


def test_messages_are_a_mixture_of_all_that_happens() -> None:
    plans = []
    triggers = []
    for sender, text in _messages(3000):
        plan = PaymentPlan.found_in(text)
        arrears = sender.tenant.arrears_dollars
        plans.append(validate(plan, LIMITS, arrears) if plan else None)
        triggers.append(find_trigger(text, plans[-1]))

    def share(found: int) -> float:
        return found / len(plans)

    assert share(plans.count(PlanResult.VALID)) == pytest.approx(0.22, abs=0.04)
    assert share(plans.count(PlanResult.NEEDS_REVIEW)) == pytest.approx(0.08, abs=0.03)
    assert share(plans.count(PlanResult.INVALID)) == pytest.approx(0.03, abs=0.02)
    types = [trigger.type for trigger in triggers if trigger]
    assert share(types.count(EscalationType.PAYMENT_DISPUTE)) == pytest.approx(0.04, abs=0.02)
    assert 0 < share(types.count(EscalationType.HOSTILE_LANGUAGE)) < 0.03


def test_hostile_messages_are_recognised() -> None:
    rng = Random(12)
    for number in range(200):
        trigger = find_trigger(hostile_message(rng, Sender(number).tenant), None)
        assert trigger
        assert trigger.type is EscalationType.HOSTILE_LANGUAGE


def test_answers_never_change_the_plan_under_discussion() -> None:
    rng = Random(13)
    for _, text in not_empty(_messages(1000)):
        assert proposed(text, ai_answer(rng, text)) == PaymentPlan.found_in(text)


def test_the_orchestrator_accepts_every_sender() -> None:
    for number in (0, SIMULATED - 1):
        sender = Sender(number)
        SMSReceived(
            tenant_id=sender.tenant.tenant_id,
            phone_number=sender.phone_number,
            content="Hi",
            conversation_id=sender.conversation_id,
        )


@pytest.mark.parametrize("strange", ["", " ", "\n", "💸" * 500, "can I pay a week for weeks?"])
def test_the_ai_answers_anything(strange: str) -> None:
    assert ai_answer(Random(14), strange)
