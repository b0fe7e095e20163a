"""What tenants write, and what the AI answers."""

import re
from random import Random

from simulator.tenants import Tenant

_GREETINGS = ("", "", "Hi, ", "Hello, ", "Hey, ", "Good day, ", "Hi there, ", "Kia ora, ")
_CLOSINGS = ("", "", "", " Thanks.", " Thank you!", " Cheers", " Please let me know.", " Sorry.")

_ORDINARY = (
    "how much do I still have to pay?",
    "I get paid on {day}, I will pay then.",
    "I transferred ${part} this morning, can you see it?",
    "can I get a few more days?",
    "I lost some shifts and can't pay all of it on {day}.",
    "what is the account number to pay into?",
    "can somebody call me on {day} after 5?",
    "I was sick and missed the payment, what can I do?",
    "I will pay ${part} on {day} and the rest later.",
    "could you send me a receipt for {day}?",
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_PLANS = (
    "can I pay {weekly} a week for {weeks} weeks?",
    "I could do ${weekly} per week for {weeks} weeks.",
    "would ${weekly} each week over {weeks} weeks be ok?",
    "I can manage {weekly} dollars a week for the next {weeks} weeks.",
)
_OPEN_PLANS = (
    "can I pay {weekly} a week until it is sorted?",
    "I could do ${weekly} per week from {day}.",
)
_UNREALISTIC_PLANS = (
    "can I pay 10 a week for 60 weeks?",
    "I can only do $5 per week for {weeks} weeks.",
    "{weekly} a week for 52 weeks is all I can do.",
)
_DISPUTES = (
    "I already paid this on {day}, check your records.",
    "the amount is wrong, I don't owe ${part}.",
    "I was overcharged by ${part} and I dispute this.",
    "talk to my lawyer about the ${part}.",
)
_HOSTILE = (
    "you are all idiots, leave me alone!",
    "go to hell with your ${part}!",
    "what kind of bastards write to people on a {day}?",
    "stop texting me you scumbags!",
    "one more text and I burn the place down.",
)
# Templates and how often, of 100 messages, one of them is sent.
_MIX = (
    (_ORDINARY, 62),
    (_PLANS, 22),
    (_OPEN_PLANS, 8),
    (_UNREALISTIC_PLANS, 3),
    (_DISPUTES, 4),
    (_HOSTILE, 1),
)


def tenant_message(rng: Random, tenant: Tenant) -> str:
    """A message as ``tenant`` might write it; a plan in it mostly covers what is owed."""
    templates = rng.choices([t for t, _ in _MIX], [share for _, share in _MIX])[0]
    return _written(rng, tenant, templates)


def hostile_message(rng: Random, tenant: Tenant) -> str:
    """A message that a person has to deal with."""
    return _written(rng, tenant, _HOSTILE)


def _written(rng: Random, tenant: Tenant, templates: tuple[str, ...]) -> str:
    weeks = rng.randint(3, 12)
    # Rounded up to the next $5.
    weekly = -(-tenant.arrears_dollars // (weeks * 5)) * 5
    text = rng.choice(templates).format(
        weeks=weeks, weekly=weekly, part=rng.randrange(20, 400, 5), day=rng.choice(_DAYS)
    )
    text = rng.choice(_GREETINGS) + text
    return text[0].upper() + text[1:] + rng.choice(_CLOSINGS)


_PLAN = re.compile(
    r"\$?(?P<weekly>\d+)(?: dollars)? (?:a|per|each) week(?:\D+(?P<weeks>\d+) weeks)?"
)
# The first pattern that is found in a message has the answers to it.
_ANSWERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "idiots|go to hell|bastards|scumbags|burn",
        ("I'm sorry that this upsets you. I'll ask a colleague to get in touch with you.",),
    ),
    (
        "already paid|is wrong|overcharged|lawyer",
        ("Thanks for telling us. I'll have your account checked and come back to you.",),
    ),
    (
        "how much|account number|receipt",
        (
            "Your balance and the payment details are in the tenant portal under Payments.",
            "I've sent the details to the address that we have on file for you.",
        ),
    ),
    (
        "transferred",
        (
            "Thanks! Transfers take up to two working days to show up with us.",
            "Thank you, I've made a note of that on your account.",
        ),
    ),
    ("call me", ("Of course. Somebody from our team will ring you then.",)),
)
_OTHER_ANSWERS = (
    "Thanks for letting us know. What amount could you pay this week?",
    "I understand. Would paying in smaller weekly amounts help you?",
    "Thank you for getting in touch. Let's find a way that works for you.",
)


def ai_answer(rng: Random, message: str) -> str:
    """What the AI would write back to ``message``."""
    for pattern, answers in _ANSWERS:
        if re.search(pattern, message, re.IGNORECASE):
            return rng.choice(answers)
    plan = _PLAN.search(message)
    if plan is None:
        return rng.choice(_OTHER_ANSWERS)
    if plan["weeks"] is None:
        return f"${plan['weekly']} a week is a good start. For how many weeks can you keep it up?"
    return (
        f"Thank you. I've noted ${plan['weekly']} a week for {plan['weeks']} weeks; "
        "you'll get a confirmation."
    )
