"""Payment plans that other services bring in."""

from app.core import correlation
from app.core.catalogue import PlanResult
from app.core.config import PaymentPlanLimits
from app.core.database import Database
from app.core.events import PaymentPlanDetected, PaymentPlanValidated
from app.core.logging import get_logger
from app.models import PaymentPlanAttempt
from app.services.metrics_service import MetricsService
from app.services.payment_plans import proposed, validate

log = get_logger(__name__)


class PlanDetection:
    """Finds, validates and stores plans."""

    def __init__(
        self, limits: PaymentPlanLimits, database: Database, metrics: MetricsService
    ) -> None:
        self._limits = limits
        self._database = database
        self._metrics = metrics

    async def detect(
        self, conversation_id: str, tenant_id: str, message: str, answer: str | None
    ) -> PaymentPlanAttempt | None:
        """The plan that message or answer propose, stored; None when they propose none."""
        correlation.identify(tenant_id=tenant_id, conversation_id=conversation_id)
        plan = proposed(message, answer)
        self._metrics.payment_plan_looked_for(found=plan is not None)
        if plan is None:
            return None
        log.event(PaymentPlanDetected())
        result: PlanResult = validate(plan, self._limits, arrears_dollars=None)
        attempt = PaymentPlanAttempt(
            conversation_id=conversation_id,
            tenant_id=tenant_id,
            weekly_dollars=plan.weekly_dollars,
            weeks=plan.weeks,
            result=result,
        )
        async with self._database.writing() as session:
            session.add(attempt)
        log.event(PaymentPlanValidated(result=result))
        self._metrics.payment_plan_validated(result)
        return attempt
