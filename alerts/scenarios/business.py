"""What waits for people, and what the AI and the managers decide.

What needs days is given as what is recorded of it.
"""

from datetime import datetime

from alerts.scenarios.changes import Counts, Sets
from alerts.scenarios.scenario import MONDAY_MORNING, TICKET, Scenario, Told
from alerts.scenarios.world import Rhythm, World
from alerts.signals import business
from app.core import catalogue
from app.core.catalogue import ApprovalAction, EscalationType, Severity

_DAY = 24 * 60
_WEEK = 7 * _DAY
_JOB = '{job="orchestrator"}'
_EVERY = 240


def _are_at_work(moment: datetime) -> bool:
    return moment.weekday() < 5 and 8 <= moment.hour < 17


def _decided(an_hour: float) -> Rhythm:
    return lambda moment: an_hour if _are_at_work(moment) else 0


def _waiting_overnight(most: float) -> Rhythm:
    """Answers pile up while managers sleep, and are worked off in the first half of the day."""

    def waiting(moment: datetime) -> float:
        hours = (moment.hour + moment.minute / 60 - 17) % 24
        return most * (hours / 15 if hours <= 15 else max(0.0, 1 - (hours - 15) / 4.5))

    return waiting


def _queue(decided: Rhythm, waiting: Rhythm) -> dict[str, Rhythm]:
    return {
        f"{business.DECIDED}{_JOB}": decided,
        f"{business.QUEUE_LENGTH}{_JOB}": waiting,
    }


_DISPUTE = {
    "type": EscalationType.PAYMENT_DISPUTE.value,
    "severity": Severity.MEDIUM.value,
    "detection": "auto",
}

_REFUSED = {"action": ApprovalAction.ESCALATE.value}


def _from(since: datetime, before: float, then: float) -> Rhythm:
    return lambda moment: then if moment >= since else before


def _at_hours(from_hour: dict[int, float]) -> Rhythm:
    """On Monday each value from its hour on; the first one all the week before."""

    def at(moment: datetime) -> float:
        if moment.date() != MONDAY_MORNING.date():
            return next(iter(from_hour.values()))
        return next(value for hour, value in reversed(from_hour.items()) if moment.hour >= hour)

    return at


def _days(
    name: str, story: str, group: str, given: dict[str, Rhythm], *told: Told, lasts: float = 600
) -> Scenario:
    return Scenario(
        name=name,
        story=story,
        begins=MONDAY_MORNING,
        lasts=lasts,
        told=told,
        lead=_WEEK,
        step=_EVERY,
        groups=(group,),
        given=given,
    )


def _critical(since: float, until: float | None) -> World:
    labels = {"severity": Severity.CRITICAL}
    return World(
        changes=(
            Sets(catalogue.ESCALATIONS_OPEN, 1, since, until, labels),
            Sets(catalogue.ESCALATIONS_OLDEST_AGE, 0, since, until, labels, per_minute=60),
        )
    )


SCENARIOS = (
    Scenario(
        name="A critical escalation stays open",
        story="A tenant threatens to hurt somebody at 10:00. A manager closes it at 10:50.",
        begins=MONDAY_MORNING,
        lasts=90,
        world=_critical(0, 50),
        told=(Told("CriticalEscalationsUnhandled", within=33, over=55),),
    ),
    Scenario(
        name="A critical escalation is taken over",
        story="A manager closes a critical escalation after 20 minutes.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=_critical(0, 20),
    ),
    Scenario(
        name="A mailing with wrong balances",
        story="From 10:00 to 10:40, four in ten SMS dispute a balance.",
        begins=MONDAY_MORNING,
        lasts=90,
        world=World(changes=(Counts(catalogue.ESCALATIONS, 4, 0, 40, labels=_DISPUTE),)),
        told=(Told("EscalationSurge", TICKET, within=40, over=70),),
    ),
    Scenario(
        name="Many escalations within one scrape",
        story="A list of 120 disputes is opened at once, and none after.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(changes=(Counts(catalogue.ESCALATIONS, labels=_DISPUTE, amount=120, at=10),)),
    ),
    _days(
        "Managers sleep at night",
        "60 answers an hour are decided on in working hours; 300 wait each morning, five hours of "
        "work, and are done by one o'clock.",
        "business_week",
        _queue(_decided(60), _waiting_overnight(300)),
        lasts=_WEEK,
    ),
    _days(
        "The approval queue is really too long",
        "Managers decide on 15 answers an hour. 240 wait from 10:00 on, two days' work; from noon "
        "on 250, of which some wait for a third day; from 14:00 on few.",
        "business_week",
        _queue(_decided(15), _at_hours({0: 20, 10: 240, 12: 250, 14: 20})),
        Told(
            "ApprovalQueueLong",
            TICKET,
            within=165,
            over=262,
            says="250 answers wait: about 16h 40m 0s",
        ),
    ),
    _days(
        "The approval queue of a small customer is too long",
        "Managers decide on one answer an hour, and 20 wait from 10:00 on: 20 hours of work.",
        "business_week",
        _queue(_decided(1), _from(MONDAY_MORNING, 1, 20)),
        Told("ApprovalQueueLong", TICKET, within=45),
    ),
    Scenario(
        name="Forty answers refused within one scrape",
        story="Somebody clears the queue at once: 40 answers are escalated in the same seconds. "
        "Nothing was decided on before, and nothing is after.",
        begins=MONDAY_MORNING,
        lasts=90,
        world=World(
            sms_an_hour=0,
            changes=(Counts(catalogue.APPROVALS, labels=_REFUSED, amount=40, at=10),),
        ),
        step=60,
        groups=("business_hours",),
    ),
    Scenario(
        name="Managers refuse most answers",
        story="From 10:00 on managers escalate 40 answers an hour, and approve of none.",
        begins=MONDAY_MORNING,
        lasts=120,
        world=World(
            sms_an_hour=0,
            changes=(Counts(catalogue.APPROVALS, 40 / 60, 0, labels=_REFUSED),),
        ),
        step=60,
        groups=("business_hours",),
        told=(Told("ApprovalRateLow", TICKET, within=90),),
    ),
    _days(
        "The AI's confidence falls",
        "From 10:00 on the AI is sure of its answers by 0.6 where it was by 0.8.",
        "business_week",
        {
            f"{business.CONFIDENCE_MEAN_1H}{_JOB}": _from(MONDAY_MORNING, 0.8, 0.6),
            f"{business.ANSWERS}{_JOB}": _from(MONDAY_MORNING, 400, 400),
            f"{business.ANSWERING}{_JOB}": _from(MONDAY_MORNING, 0.1, 0.1),
        },
        Told("AIConfidenceDrift", TICKET, within=30),
    ),
    _days(
        "Payment plans are no longer found",
        "A release breaks the detection: from 10:00 on 1 % of the messages have a plan, not 10 %.",
        "business_week",
        {
            f"{business.FOUND_RATIO}{_JOB}": _from(MONDAY_MORNING, 0.1, 0.01),
            f"{business.LOOKED_THROUGH}{_JOB}": _from(MONDAY_MORNING, 2000, 2000),
            f"{business.LOOKING}{_JOB}": _from(MONDAY_MORNING, 0.1, 0.1),
        },
        Told("PaymentPlanDetectionCollapsed", TICKET, within=45),
    ),
    _days(
        "The AI's quota is nearly used",
        "3,300 of the 3,500 calls a minute are made from 10:00 to 11:00.",
        "usage",
        {
            'job_flow:throughput:rate1m{job="orchestrator",flow="ai_calls"}': lambda moment: (
                55 if MONDAY_MORNING <= moment < MONDAY_MORNING.replace(hour=11) else 20
            )
        },
        Told("AIQuotaNearlyUsed", TICKET, within=15, over=75),
    ),
)
