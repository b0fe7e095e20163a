"""Where an AI answer goes."""

from app.core.catalogue import PlanResult, Route
from app.core.config import Routing
from app.services.escalation_triggers import Trigger


def route_answer(
    confidence: float, trigger: Trigger | None, plan: PlanResult | None, limits: Routing
) -> Route:
    """Sent, queued for a manager or escalated (docs/domain.md, point 6).

    A trigger beats confidence, and only a valid plan is agreed to without a manager.
    """
    if trigger is not None or confidence < limits.escalate_below:
        return Route.ESCALATED
    if confidence > limits.auto_send_above and plan in (None, PlanResult.VALID):
        return Route.AUTO_SENT
    return Route.QUEUED
