"""What becomes of the simulated tenants' messages while no fault is on."""

from collections import defaultdict
from random import Random
from typing import NamedTuple

from app.core.catalogue import EscalationType, PlanResult, Route, Severity
from app.core.config import PaymentPlanLimits, Routing
from app.services.escalation_triggers import find_trigger
from app.services.plan_extraction import proposed, validate
from app.services.routing import route_answer
from simulator.ai_provider import CONFIDENCES
from simulator.tenants import SIMULATED, Sender
from simulator.texts import ai_answer, tenant_message

_MESSAGES = 4_000
"""So many are tried that a share is right within 1 %."""
_FAILED_SHARE = 0.0008
"""Of the messages, those that the AI doesn't answer."""


class Outcome(NamedTuple):
    """One of the ways that an SMS can go; ``escalated`` says as what, if it was."""

    plan: PlanResult | None
    escalated: tuple[EscalationType, Severity] | None
    route: Route


def outcomes() -> dict[Outcome, float]:
    """Every way, and the share of the SMS that go it.

    They are not written down but found out, with the simulator's texts and the orchestrator's rules
    in their default settings: a past with other shares would end in a step where real time begins.
    """
    rng, limits, routing = Random(0), PaymentPlanLimits(), Routing()
    shares = defaultdict(float, {Outcome(None, None, Route.FAILED): _FAILED_SHARE})
    for _ in range(_MESSAGES):
        tenant = Sender(rng.randrange(SIMULATED)).tenant
        text = tenant_message(rng, tenant)
        found = proposed(text, ai_answer(rng, text))
        plan = validate(found, limits, tenant.arrears_dollars) if found else None
        trigger = find_trigger(text, plan)
        cause = (
            (trigger.type, trigger.severity)
            if trigger
            else (EscalationType.LOW_CONFIDENCE, Severity.LOW)
        )
        for share, low, high in CONFIDENCES:
            route = route_answer((low + high) / 2, trigger, plan, routing)
            escalated = cause if route is Route.ESCALATED else None
            shares[Outcome(plan, escalated, route)] += share * (1 - _FAILED_SHARE) / _MESSAGES
    return shares
