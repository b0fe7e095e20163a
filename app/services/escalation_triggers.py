"""What in a message means that a person must take over."""

import re
from dataclasses import dataclass

from app.core.catalogue import EscalationType, PlanResult, Severity


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why a conversation is escalated, and how urgently."""

    type: EscalationType
    severity: Severity


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(alternatives)})\b", re.IGNORECASE)


# Most urgent first: the first that matches is the trigger.
_LANGUAGE = (
    (
        _words(
            r"kill (?:you|myself)", r"burn (?:it|the place) down", r"hurt (?:you|myself)", "gun"
        ),
        Trigger(EscalationType.HOSTILE_LANGUAGE, Severity.CRITICAL),
    ),
    (
        _words(r"f+u+c+k\w*", "bastards?", "assholes?", "scumbags?", r"go to hell", "idiots?"),
        Trigger(EscalationType.HOSTILE_LANGUAGE, Severity.HIGH),
    ),
    (
        _words("lawyers?", "attorney", "tribunal", "court", r"legal action"),
        Trigger(EscalationType.PAYMENT_DISPUTE, Severity.HIGH),
    ),
    (
        _words(
            r"disput\w+",
            r"already paid",
            r"(?:do not|don'?t|never) owe",
            r"(?:is|are|was) wrong",
            r"not my debt",
            r"overcharged",
        ),
        Trigger(EscalationType.PAYMENT_DISPUTE, Severity.MEDIUM),
    ),
)


def find_trigger(message: str, plan: PlanResult | None) -> Trigger | None:
    """The most urgent trigger of ``message`` and of the plan it proposes; None when there is none.

    ``no_response`` is not in a message: the sweep looks for it.
    """
    for pattern, trigger in _LANGUAGE:
        if pattern.search(message):
            return trigger
    if plan is PlanResult.INVALID:
        return Trigger(EscalationType.UNREALISTIC_PROPOSAL, Severity.LOW)
    return None
