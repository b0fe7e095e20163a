"""What becomes of the simulated tenants' messages while no fault is on."""

from collections import Counter
from dataclasses import dataclass
from random import Random

from app.core.catalogue import PlanResult, Route
from app.core.config import PaymentPlanLimits, Routing
from app.services.escalation_triggers import Trigger, find_trigger
from app.services.plan_extraction import proposed, validate
from app.services.routing import route_answer
from simulator.ai_provider import CONFIDENCES
from simulator.tenants import SIMULATED, Sender
from simulator.texts import ai_answer, tenant_message

_MESSAGES = 4_000
"""So many are tried that a share is right within 1 %."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One of the ways that an answered SMS can go, and the share of them that go it."""

    share: float
    confidence: float
    plan: PlanResult | None
    trigger: Trigger | None
    route: Route


def outcomes() -> list[Outcome]:
    """Every way, with shares that add up to 1.

    They are not written down but found out, with the simulator's texts and the orchestrator's rules
    in their default settings: a past with other shares would end in a step where real time begins.
    """
    rng, limits, routing = Random(0), PaymentPlanLimits(), Routing()
    messages: Counter[tuple[PlanResult | None, Trigger | None]] = Counter()
    for _ in range(_MESSAGES):
        tenant = Sender(rng.randrange(SIMULATED)).tenant
        text = tenant_message(rng, tenant)
        found = proposed(text, ai_answer(rng, text))
        plan = validate(found, limits, tenant.arrears_dollars) if found else None
        messages[plan, find_trigger(text, plan)] += 1
    return [
        Outcome(
            share=count / _MESSAGES * share,
            confidence=(low + high) / 2,
            plan=plan,
            trigger=trigger,
            route=route_answer((low + high) / 2, trigger, plan, routing),
        )
        for (plan, trigger), count in messages.items()
        for share, low, high in CONFIDENCES
    ]
