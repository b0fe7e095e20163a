"""SMS that don't arrive, or whose workflows fail.

What is usual needs weeks. These are given as what is recorded of them: the SMS a second, by the
tenants' local time.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from alerts.scenarios.changes import Fails, Restart, Sets
from alerts.scenarios.scenario import MONDAY_MORNING, MONDAY_NIGHT, PAGE, TICKET, Scenario, Told
from alerts.scenarios.world import Change, Rhythm, World, daily
from app.core import catalogue
from app.core.catalogue import Component, ErrorType

_DAY = 24 * 60
_WEEK = 7 * _DAY
_FOUR_WEEKS = 4 * _WEEK
_GROUPS = ("seasonality", "arrivals")
_EVERY = 240
_BERLIN = ZoneInfo("Europe/Berlin")

Share = Callable[[datetime], float]
"""What comes at a moment, as a share of what would if all were well."""


def _arrive(an_hour: float, *shares: Share, rhythm: Rhythm = daily) -> dict[str, Rhythm]:
    """SMS received: ``an_hour`` at ten in the morning of a workday, times each of ``shares``."""
    ten = rhythm(MONDAY_MORNING)

    def a_second(moment: datetime) -> float:
        value = an_hour * rhythm(moment) / ten / 3600
        for share in shares:
            value *= share(moment.replace(tzinfo=None))
        return value

    return {'job:orchestrator_sms_received:rate5m{job="orchestrator"}': a_second}


def _only(share: float, since: datetime, minutes: float) -> Share:
    """``share`` of what is usual for a while."""
    until = since + timedelta(minutes=minutes)
    return lambda moment: share if since <= moment < until else 1


def _on_days(share: float, *days: date) -> Share:
    return lambda moment: share if moment.date() in days else 1


def _weeks_before(begins: datetime, *weeks: int) -> Share:
    """A holiday a number of weeks before: a quarter of the SMS."""
    return _on_days(0.25, *(begins.date() - timedelta(weeks=each) for each in weeks))


def _office(moment: datetime) -> float:
    """100 SMS at 8:00 where 600 come at 9:00, as from an office."""
    if moment.weekday() >= 5:
        return 0.05
    return {8: 1 / 6, 18: 0.5}.get(moment.hour, 1 if 9 <= moment.hour < 18 else 0.05)


def _weeks(
    name: str,
    story: str,
    given: dict[str, Rhythm],
    *told: Told,
    begins: datetime = MONDAY_MORNING,
    lasts: float = 300,
    lead: float = _FOUR_WEEKS,
) -> Scenario:
    return Scenario(
        name=name,
        story=story,
        begins=begins,
        lasts=lasts,
        told=told,
        lead=lead,
        step=_EVERY,
        groups=_GROUPS,
        given=given,
    )


def _missing(
    within: float = 20, over: float | None = None, notifications: int = 2, says: str = "0 SMS in"
) -> Told:
    # Told again each hour.
    return Told(
        "SMSMissing", PAGE, within=within, notifications=notifications, over=over, says=says
    )


def _few(within: float, over: float | None = None, says: str = "") -> Told:
    return Told("SMSMissing", TICKET, within=within, over=over, says=says)


_TWO_HOURS = _only(0, MONDAY_MORNING, 120)
_SPRING = datetime(2026, 3, 29, 12, tzinfo=_BERLIN)
_AUTUMN = datetime(2026, 10, 25, 12, tzinfo=_BERLIN)
_AFTER_SPRING = datetime(2026, 4, 2, 9, 30)
_AFTER_AUTUMN = datetime(2026, 10, 29, 9, 30)
_SATURDAY = datetime(2026, 3, 7, 10)

_ARRIVALS = (
    _weeks(
        "SMS stop on a Monday morning",
        "870 SMS an hour are usual at 10:00; from then on none come. At noon they do again.",
        _arrive(870, _TWO_HOURS),
        _missing(over=145),
    ),
    _weeks(
        "SMS stop on a holiday",
        "A quarter of the usual SMS come on a holiday, until they stop at 10:00.",
        _arrive(600, _on_days(0.25, MONDAY_MORNING.date()), _TWO_HOURS),
        _missing(over=145),
    ),
    _weeks(
        "A holiday",
        "A quarter of the usual 600 SMS an hour come all day; nobody needs to be woken for that.",
        _arrive(600, _on_days(0.25, MONDAY_MORNING.date() + timedelta(days=1))),
        _few(within=24 * 60),
        lasts=30 * 60,
        begins=MONDAY_NIGHT,
    ),
    _weeks(
        "SMS stop after a holiday two weeks ago",
        "As on a usual Monday, though a quarter of the SMS came on the Monday two weeks before.",
        _arrive(600, _weeks_before(MONDAY_MORNING, 2), _TWO_HOURS),
        _missing(over=145),
    ),
    _weeks(
        "SMS stop after two holidays",
        "Two of the four past Mondays were holidays.",
        _arrive(600, _weeks_before(MONDAY_MORNING, 1, 2), _TWO_HOURS),
        _missing(over=145),
    ),
    _weeks(
        "SMS stop after an outage a week ago",
        "On the Monday before, none had come either for two hours.",
        _arrive(600, _TWO_HOURS, _only(0, MONDAY_MORNING - timedelta(weeks=1), 120)),
        _missing(over=145),
    ),
    _weeks(
        "SMS stop in the second week of life",
        "Of one week it is known what is usual.",
        _arrive(600, _TWO_HOURS),
        _missing(over=145),
        lead=_WEEK + 120,
    ),
    _weeks(
        "SMS stop in the first week of life",
        "What is usual is known of three days only; that wakes nobody, but is written down.",
        _arrive(600, _only(0, datetime(2026, 3, 5, 10), 240)),
        _few(within=75, over=330),
        begins=datetime(2026, 3, 5, 10),
        lead=3 * _DAY,
        lasts=360,
    ),
    _weeks(
        "Few SMS at night",
        "Some SMS an hour come at night; from 1:00 to 5:00 none do, as it can happen.",
        _arrive(60, _only(0, datetime(2026, 3, 2, 1), 240)),
        begins=datetime(2026, 3, 2, 1),
        lasts=720,
    ),
    _weeks(
        "SMS stop at night",
        "85 SMS an hour are usual at 2:00, and none come until 8:00: within an hour it is sure.",
        _arrive(1200, _only(0, MONDAY_NIGHT, 360)),
        _missing(within=65, over=385),
        begins=MONDAY_NIGHT,
        lasts=480,
    ),
    _weeks(
        "Six SMS in ten are missing",
        "From 13:00 to 16:00 one of two carriers delivers nothing.",
        _arrive(600, _only(0.4, datetime(2026, 3, 2, 13), 180)),
        _few(within=75, over=240, says="usually"),
        begins=datetime(2026, 3, 2, 13),
    ),
    _weeks(
        "Two weeks after the clocks went forward",
        "Tenants write an hour earlier than before, in UTC: 100 SMS at 8:00, 600 at 9:00.",
        _arrive(600, rhythm=_office),
        begins=_SPRING,
        lasts=14 * _DAY,
    ),
    _weeks(
        "Two weeks after the clocks went back",
        "Tenants write an hour later than before, in UTC: 100 SMS at 8:00, 600 at 9:00.",
        _arrive(600, rhythm=_office),
        begins=_AUTUMN,
        lasts=14 * _DAY,
    ),
    _weeks(
        "SMS stop after the clocks went forward",
        "On the Thursday after, none come from 9:30 on, until 12:30.",
        _arrive(600, _only(0, _AFTER_SPRING, 180), rhythm=_office),
        _missing(within=25, over=210),
        begins=_AFTER_SPRING.replace(tzinfo=_BERLIN),
    ),
    _weeks(
        "SMS stop after the clocks went back",
        "On the Thursday after, none come from 9:30 on, until 12:30.",
        _arrive(600, _only(0, _AFTER_AUTUMN, 180), rhythm=_office),
        _missing(within=65, over=210),
        begins=_AFTER_AUTUMN.replace(tzinfo=_BERLIN),
    ),
    _weeks(
        "Four SMS an hour",
        "So few come that an hour without any says nothing; a day without any does.",
        _arrive(4, _only(0, MONDAY_MORNING, 2 * _DAY), rhythm=lambda _moment: 1),
        _missing(within=24 * 60, over=3 * _DAY),
        lasts=3 * _DAY,
    ),
    _weeks(
        "A thousand SMS a second stop",
        "From 10:00 to noon none of them come.",
        _arrive(3_600_000, _TWO_HOURS),
        _missing(over=145),
    ),
    _weeks(
        "The first Saturday of life",
        "Half as many SMS as on a Friday come on the first Saturday that is known.",
        _arrive(600),
        begins=_SATURDAY,
        lead=5 * _DAY,
        lasts=_DAY,
    ),
)


def _failing(component: Component, since: float, until: float | None, share: float = 1) -> Change:
    # Not tried again, so that each call that fails is a workflow that does.
    return Fails(component, since, until, share, ErrorType.INVALID_RESPONSE)


_MONITOR = Component.COLLECTIONS_MONITOR
_FAILING = "SMSWorkflowsFailing"
_WAITING = "FailedWorkflowsWaiting"

_WORKFLOWS = (
    Scenario(
        name="Sixteen workflows fail in one scrape",
        story="Collections Monitor gives nonsense for a few seconds. What failed is run again.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(sms_an_hour=3840, changes=(_failing(_MONITOR, 10, 10.25),)),
        fails_today="UpstreamFailing tells of one burst",
    ),
    Scenario(
        name="Every workflow fails",
        story="Collections Monitor gives nonsense from 10:00 to 10:20.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(changes=(_failing(_MONITOR, 0, 20),)),
        told=(
            Told(_FAILING, within=3.5, over=27, about={"cause": "other"}, says="tenant_context"),
            Told("UpstreamFailing", TICKET, within=10, over=35),
        ),
        fails_today="the budget of SMS in time and the open breaker are told beside it",
    ),
    Scenario(
        name="The AI and the SMS Agent are down together",
        story="The AI is down from 10:00 to 10:30, and so is the SMS Agent from 10:10 on.",
        begins=MONDAY_MORNING,
        lasts=30,
        world=World(
            changes=(
                Fails(Component.AI_PROVIDER, until=30),
                _failing(Component.SMS_AGENT, 10, 30, share=0.5),
            )
        ),
        told=(
            Told("AIProviderFailing", within=3),
            Told(_FAILING, within=14, about={"cause": "other"}),
        ),
        fails_today="AIProviderFailing holds back workflows that fail for another cause",
    ),
    Scenario(
        name="Failed workflows are left over",
        story="An outage ended at 10:00. Nobody runs its 37 workflows again until 11:30.",
        begins=MONDAY_MORNING,
        lasts=120,
        world=World(
            changes=(
                Sets(catalogue.WORKFLOWS_FAILED, 37, 0, 90),
                Sets(catalogue.WORKFLOWS_FAILED_OLDEST_AGE, 600, 0, 90, per_minute=60),
            )
        ),
        told=(Told(_WAITING, TICKET, within=30, over=100, says="37 tenants wrote"),),
    ),
    Scenario(
        name="Killed with 100 SMS in flight",
        story="The process is killed at 10:00. The sweep finds its 100 workflows at 10:15; they "
        "wait until somebody runs them again at 11:30.",
        begins=MONDAY_MORNING,
        lasts=120,
        world=World(
            changes=(
                Restart(at=0),
                Sets(catalogue.WORKFLOWS_FAILED, 100, 15, 90),
                Sets(catalogue.WORKFLOWS_FAILED_OLDEST_AGE, 0, 15, 90, per_minute=60),
            )
        ),
        told=(Told(_WAITING, TICKET, within=55, over=100, says="100 tenants wrote"),),
    ),
)

SCENARIOS = (*_ARRIVALS, *_WORKFLOWS)
