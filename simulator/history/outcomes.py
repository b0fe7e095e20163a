"""What becomes of the simulated tenants' messages while no fault is on."""

from collections import Counter
from dataclasses import dataclass
from functools import cache
from random import Random

from app.core.catalogue import PlanResult, Route
from app.core.config import PaymentPlanLimits, Routing
from app.services.escalation_triggers import Trigger, find_trigger
from app.services.payment_plans import proposed, validate
from app.services.routing import route_answer
from simulator.ai_provider import CONFIDENCES
from simulator.tenants import SIMULATED, Sender
from simulator.texts import ai_answer, tenant_message

_MESSAGES = 10_000
"""So many are tried that a share of 1 % is right within 0.1 %."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One of the ways that an answered SMS can go, and the share of them that go it.

    ``confidence`` is the place of the AI's range in ``CONFIDENCES``.
    """

    share: float
    confidence: int
    plan: PlanResult | None
    trigger: Trigger | None
    route: Route


@cache
def outcomes() -> tuple[Outcome, ...]:
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
    return tuple(
        Outcome(
            share=count / _MESSAGES * share,
            confidence=place,
            plan=plan,
            trigger=trigger,
            route=route_answer((low + high) / 2, trigger, plan, routing),
        )
        for (plan, trigger), count in messages.items()
        for place, (share, low, high) in enumerate(CONFIDENCES)
    )
