"""Payment plans, looked for and stored: those of other services, and once each."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.catalogue import PlanResult
from app.core.config import PaymentPlanLimits
from app.core.database import Database
from app.core.events import PaymentPlanDetected, PaymentPlanNotFound, PaymentPlanValidated
from app.models import PaymentPlanAttempt
from app.services.conversations import lock_conversation
from app.services.inserts import insert_unless
from app.services.plan_extraction import held_against, proposed
from asgi_observability import correlation
from asgi_observability.logging import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A payment plan as it is stored: dollars a week, for so many weeks if that was said."""

    id: str
    weekly_dollars: float | None
    weeks: int | None
    result: PlanResult


class PaymentPlans:
    """Finds, validates and stores plans."""

    def __init__(self, limits: PaymentPlanLimits, database: Database) -> None:
        self._limits = limits
        self._database = database

    async def detect(
        self, conversation_id: str, tenant_id: str, message: str, answer: str | None
    ) -> StoredPlan | None:
        """The plan that message or answer propose, stored; None when they propose none."""
        correlation.identify(tenant_id=tenant_id, conversation_id=conversation_id)
        plan = proposed(message, answer)
        if plan is None:
            async with self._database.writing() as session:
                session.tell(log, PaymentPlanNotFound())
            return None
        result = held_against(plan, self._limits)
        attempt = PaymentPlanAttempt(
            conversation_id=conversation_id,
            tenant_id=tenant_id,
            weekly_dollars=plan.weekly_dollars,
            weeks=plan.weeks,
            result=result,
        )
        async with self._database.writing() as session:
            await lock_conversation(self._database, session, conversation_id)
            stored = await store_once(session, attempt)
            if stored is attempt:
                session.tell(log, PaymentPlanDetected())
                session.tell(log, PaymentPlanValidated(result=result))
        return StoredPlan(stored.id, stored.weekly_dollars, stored.weeks, stored.result)


async def store_once(session: AsyncSession, attempt: PaymentPlanAttempt) -> PaymentPlanAttempt:
    """``attempt``, stored; or the same plan of the same conversation, stored before.

    The transaction has locked the conversation.
    """
    same = (
        PaymentPlanAttempt.conversation_id == attempt.conversation_id,
        PaymentPlanAttempt.weekly_dollars == attempt.weekly_dollars,
        PaymentPlanAttempt.weeks.is_not_distinct_from(attempt.weeks),
    )
    if await insert_unless(session, attempt, select(PaymentPlanAttempt.id).where(*same).exists()):
        return attempt
    known = await session.scalars(
        select(PaymentPlanAttempt).where(*same).order_by(PaymentPlanAttempt.created_at).limit(1)
    )
    return known.one()
