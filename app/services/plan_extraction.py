"""Payment plans: found in a text, then held against what may be agreed without a person."""

import re
from dataclasses import dataclass
from typing import Self

from app.core.catalogue import PlanResult
from app.core.config import PaymentPlanLimits

_MONEY = r"\$?\s*(?P<amount>\d{1,6}(?:,\d{3})*(?:\.\d{1,2})?)\s*(?:\$|dollars?|bucks)?"
_PERIOD = (
    r"(?:a|an|per|each|every|/)\s*(?P<period>week|wk|fortnight|month)"
    r"|(?P<adverb>week|fortnight|month)ly|pw\b"
)
_AMOUNT = re.compile(rf"{_MONEY}\s*(?:{_PERIOD})", re.IGNORECASE)
_WEEKS = re.compile(
    r"\b(?:for|over|in|within|x|next)\s*(?:the\s+next\s+)?(?P<weeks>\d{1,4})\s*(?P<unit>week|wk|month)",
    re.IGNORECASE,
)
_AGO = re.compile(r"\s*(?:ago|back|earlier|before)\b", re.IGNORECASE)
_CLAUSE_END = re.compile(r"[.?!;,\n]\s|\b(?:and|but|so|then)\b", re.IGNORECASE)
_NOT_PROPOSED = re.compile(
    r"\b(?:paid|sent|gave|transferred|deposited|was paying|have been paying|used to pay"
    r"|can'?t|cannot|can not|couldn'?t|could not|won'?t|will not|unable to|not able to)\b",
    re.IGNORECASE,
)
_WEEKS_PER = {"week": 1.0, "wk": 1.0, "fortnight": 2.0, "month": 52 / 12}


@dataclass(frozen=True, slots=True)
class PaymentPlan:
    """Instalments in dollars a week, for a number of weeks; None is what the text did not say."""

    weekly_dollars: float
    weeks: int | None

    @classmethod
    def found_in(cls, text: str) -> Self | None:
        """The first plan that ``text`` proposes, such as "200 a week for 8 weeks"; None if none.

        Fortnightly and monthly instalments are turned into weekly ones.
        """
        amount = next((each for each in _AMOUNT.finditer(text) if _is_proposed(text, each)), None)
        if amount is None:
            return None
        period = (amount["period"] or amount["adverb"] or "week").lower()
        dollars = float(amount["amount"].replace(",", "")) / _WEEKS_PER[period]
        duration = _WEEKS.search(text)
        weeks = None
        if duration:
            weeks = round(int(duration["weeks"]) * _WEEKS_PER[duration["unit"].lower()])
        return cls(round(dollars, 2), weeks)


def _is_proposed(text: str, amount: re.Match[str]) -> bool:
    """Whether the instalment is meant for the future: not paid already, not refused."""
    if _AGO.match(text, amount.end()):
        return False
    # Of the clause before it, for "I paid 300 last week, and can pay 200 a week" proposes.
    clause = _CLAUSE_END.split(text[: amount.start("amount")])[-1]
    return not _NOT_PROPOSED.search(clause)


def proposed(message: str, answer: str | None) -> PaymentPlan | None:
    """The plan of the tenant, completed by what the AI's answer says; None if there is none.

    What the answer alone offers is nobody's proposal yet.
    """
    from_message = PaymentPlan.found_in(message)
    from_answer = PaymentPlan.found_in(answer) if answer else None
    if from_message is None or from_answer is None:
        return from_message
    if from_message.weeks is None and from_answer.weekly_dollars == from_message.weekly_dollars:
        return from_answer
    return from_message


def validate(
    plan: PaymentPlan, limits: PaymentPlanLimits, arrears_dollars: float | None
) -> PlanResult:
    """``invalid`` breaks a limit; ``needs_review`` leaves open what a person must judge.

    That is: no duration was named, or the instalments do not cover the arrears.
    """
    if plan.weekly_dollars < limits.min_weekly_dollars:
        return PlanResult.INVALID
    if plan.weeks is None:
        return PlanResult.NEEDS_REVIEW
    if not 1 <= plan.weeks <= limits.max_weeks:
        return PlanResult.INVALID
    if arrears_dollars is not None and plan.weekly_dollars * plan.weeks < arrears_dollars:
        return PlanResult.NEEDS_REVIEW
    return PlanResult.VALID
