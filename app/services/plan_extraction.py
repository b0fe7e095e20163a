"""Payment plans: found in a text, then held against what may be agreed without a person."""

import re
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Self

from app.core.catalogue import PlanResult
from app.core.config import PaymentPlanLimits

_MONEY = (
    r"(?<![\w.,€£-])\$?\s*(?P<amount>\d{1,6}(?:,\d{3})*(?:\.\d{1,2})?)\s*(?:\$|dollars?|bucks)?"
)
_PERIOD = (
    r"(?:a|an|per|each|every|/)\s*(?P<period>week|wk|fortnight|month)"
    r"|(?P<adverb>week|fortnight|month)ly|pw\b"
)
_AMOUNT = re.compile(rf"{_MONEY}\s*(?:{_PERIOD})", re.IGNORECASE)
_DURATION = re.compile(
    r"\b(?:for|over|within|x|next)\s*(?:the\s+next\s+)?(?P<number>\d+)\s*(?P<unit>week|wk|month)",
    re.IGNORECASE,
)
_LONGEST_WEEKS = 9999
"""A longer duration is as far out of bounds as this one."""

_MOST_DOLLARS = 9_999_999.0
"""A larger amount is as far beyond any rent as this one; a longer number is no float."""

_CLAUSE_END = re.compile(r"[.?!;,\n]\s|\b(?:and|but|so|then)\b", re.IGNORECASE)
_AGO = re.compile(r"\s*(?:ago|back|earlier|before)\b", re.IGNORECASE)


def _any(*words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})(?!\w)", re.IGNORECASE)


_NOT_PROPOSED = _any(
    # It was paid, or was to be paid.
    r"(?<!get )paid|sent|gave|transferred|deposited",
    "was paying|have been paying|used to pay|was going to",
    # It is refused.
    r"can'?t|cannot|can not|couldn'?t|could not|won'?t|will not|unable to|not able to|not going to",
    "no way|refuse",
    # Somebody else has said it.
    r"you (?:said|told|want|wanted|ask|asked|charge|demand)|they (?:said|told|want)",
    # It is what the tenant earns, or what a home costs.
    r"I (?:earn|make|get)(?: about| around| only)?\W*$|wages?|salary|income|pension",
    r"rent (?:is|was|went)|costs?|owes?",
)
_TOO_MUCH = _any("too much", "too high", "too expensive", "not possible", "impossible")
_HELLO = r"(?:(?:hi|hello|hey|ok|okay|yes|sure|please|maybe|well|thanks|sorry)\b[\W_]*)*"
_SOFTLY = r"(?:(?:please|just|only|maybe|probably|at least|definitely)\s+)*"
_PAY = (
    r"(?:(?:pay|paying|do|manage|afford|make|give you|offer|send|cover)\b\s*)?"
    r"(?:start(?:ing)? (?:with|paying)\s+)?(?:you\s+)?(?:back\s+)?"
    r"(?:payments? of\s*|instalments? of\s*)?(?:(?:only|just|about|around)\s*)?"
)
_OFFER = re.compile(
    rf"[\W_]*{_HELLO}(?:for \d+ (?:weeks|months)\s+)?(?:"
    rf"(?:can|could|may|might|shall) (?:i|we)\s+{_SOFTLY}{_PAY}"
    rf"|(?:(?:i|we)\s+)?(?:can|could|will|may)\s+{_SOFTLY}{_PAY}"
    rf"|i'?ll\s+{_SOFTLY}{_PAY}|let me\s+{_PAY}"
    rf"|i(?:'?d| would)? (?:like|want) to\s+{_PAY}|i(?:'?m| am) (?:able|happy) to\s+{_PAY}"
    rf"|(?:would|how about|what about)\s*|would you (?:accept|take|agree to)\s*"
    rf"|is it ok(?:ay)? (?:if i|to) {_PAY}"
    r"|(?:my |a )?(?:payment )?(?:plan|offer|proposal)\b(?: is| of)?\W*"
    rf"|{_PAY})[\W_]*",
    re.IGNORECASE,
)
"""All that a clause may say before the amount, for the tenant plainly to mean it."""

_TAKEN_BACK = re.compile(
    r"\b(?:if(?! (?:that|it|this|possible|ok))|unless|provided|as long as|on condition|when|waive"
    r"|no|nope|not|cannot|can'?t|never|wish|as if|kidding|joking|jokes?|laugh\w*|lol|haha\w*)\b",
    re.IGNORECASE,
)
_DECLINES = _any(
    r"can'?t|cannot|can not|unable to|not able to|won'?t|not accept|decline",
    r"sorry,? (?:but|we|no|that)",
    "unfortunately|not possible|not enough",
)
_WEEKS_PER = {"week": 1.0, "wk": 1.0, "fortnight": 2.0, "month": 52 / 12}


@dataclass(frozen=True, slots=True)
class PaymentPlan:
    """Instalments in dollars a week, for a number of weeks; None is what the text did not say.

    ``is_offered`` is False where the text names instalments, and does not plainly say that the
    tenant means to pay them: a person has to read it.
    """

    weekly_dollars: float
    weeks: int | None
    is_offered: bool = True

    @classmethod
    def found_in(cls, text: str) -> Self | None:
        """The first plan that ``text`` proposes, such as "200 a week for 8 weeks"; None if none.

        Fortnightly and monthly instalments are turned into weekly ones.
        """
        amounts = list(_AMOUNT.finditer(text))
        plans = []
        begin = 0
        for amount, following in zip_longest(amounts, amounts[1:]):
            # What stands between an amount and the next is about this one.
            end = following.start() if following else len(text)
            before, after = text[begin : amount.start()], text[amount.end() : end]
            begin = amount.end()
            clause = _CLAUSE_END.split(before)[-1]
            if _AGO.match(after) or _NOT_PROPOSED.search(clause) or _TOO_MUCH.search(after):
                continue
            is_offered = _OFFER.fullmatch(clause) and not _TAKEN_BACK.search(after)
            plans.append(
                cls(
                    _weekly_dollars(amount),
                    _weeks(_DURATION.search(after) or _DURATION.search(before)),
                    bool(is_offered),
                )
            )
        if not plans:
            return None
        # Of several amounts nobody knows which is meant.
        is_one = len({plan.weekly_dollars for plan in plans}) == 1
        return replace(plans[0], is_offered=plans[0].is_offered and is_one)


def _weekly_dollars(amount: re.Match[str]) -> float:
    period = (amount["period"] or amount["adverb"] or "week").lower()
    dollars = min(float(amount["amount"].replace(",", "")), _MOST_DOLLARS)
    return round(dollars / _WEEKS_PER[period], 2)


def _weeks(duration: re.Match[str] | None) -> int | None:
    if duration is None:
        return None
    # Python turns no number of thousands of digits into an int.
    number = int(duration["number"].lstrip("0")[:6] or 0)
    return min(round(number * _WEEKS_PER[duration["unit"].lower()]), _LONGEST_WEEKS)


def proposed(message: str, answer: str | None) -> PaymentPlan | None:
    """The plan of the tenant, completed by what the AI's answer says; None if there is none.

    What the answer alone offers is nobody's proposal yet, and what it declines is not agreed.
    """
    from_message = PaymentPlan.found_in(message)
    if from_message is not None and answer and _DECLINES.search(answer):
        return replace(from_message, is_offered=False)
    from_answer = PaymentPlan.found_in(answer) if answer else None
    if from_message is None or from_answer is None:
        return from_message
    if from_message.weeks is None and from_answer.weekly_dollars == from_message.weekly_dollars:
        return replace(from_message, weeks=from_answer.weeks)
    return from_message


def named_in(answer: str) -> PaymentPlan | None:
    """The plan that an answer to a tenant names, and that the tenant may take as offered."""
    named = PaymentPlan.found_in(answer)
    return replace(named, is_offered=True) if named else None


def validate(
    plan: PaymentPlan, limits: PaymentPlanLimits, arrears_dollars: float | None
) -> PlanResult:
    """As `held_against`; and a plan needs review that may not cover the tenant's arrears.

    Nobody knows that where the arrears are not known (None).
    """
    result = held_against(plan, limits)
    if result is not PlanResult.VALID:
        return result
    covered = plan.weekly_dollars * (plan.weeks or 0)
    is_covered = arrears_dollars is not None and covered >= arrears_dollars
    return PlanResult.VALID if is_covered else PlanResult.NEEDS_REVIEW


def held_against(plan: PaymentPlan, limits: PaymentPlanLimits) -> PlanResult:
    """``invalid`` breaks a limit; ``needs_review`` leaves open what a person must judge.

    That is: the text may not be an offer, or no duration was named. What the tenant owes is not
    looked at.
    """
    if not plan.is_offered:
        return PlanResult.NEEDS_REVIEW
    if plan.weekly_dollars < limits.min_weekly_dollars:
        return PlanResult.INVALID
    if plan.weeks is None:
        return PlanResult.NEEDS_REVIEW
    if not 1 <= plan.weeks <= limits.max_weeks:
        return PlanResult.INVALID
    return PlanResult.VALID
