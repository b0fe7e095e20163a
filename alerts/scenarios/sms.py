"""SMS that don't arrive, or whose workflows fail.

What is usual needs weeks. These are given as what is recorded of them: the SMS a second, and of an
hour, by the tenants' local time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from alerts.scenarios.changes import Fails, Restart, Sets, Traffic
from alerts.scenarios.scenario import MONDAY_MORNING, MONDAY_NIGHT, PAGE, TICKET, Scenario, Told
from alerts.scenarios.world import Change, Rhythm, World, daily
from app.core import catalogue
from app.core.catalogue import Component, ErrorType

_DAY = 24 * 60
_WEEK = 7 * _DAY
_FOUR_WEEKS = 4 * _WEEK
_GROUPS = ("arrivals",)
_EVERY = 240
_BERLIN = ZoneInfo("Europe/Berlin")

Share = Callable[[datetime], float]
"""What comes at a moment, as a share of what would if all were well."""


_JOB = 'job="orchestrator"'


@dataclass(frozen=True)
class _Arrivals:
    """SMS received: ``an_hour`` at ten in the morning of a workday, times each of ``shares``.

    What was different ``before`` is only remembered: nobody has to be told of it now.
    """

    an_hour: float
    shares: tuple[Share, ...] = ()
    rhythm: Rhythm = daily
    before: tuple[Share, ...] = ()

    def given(self, begins: datetime) -> dict[str, Rhythm]:
        """The records of a scenario: the last day as it was, the time before by the hour."""
        plenty, yesterday = self.an_hour, begins - timedelta(days=1)

        def a_second(moment: datetime) -> float:
            # Whoever looks at a week ago reads the hours; what fired then is not asked.
            return self._a_second(moment, self.shares) if moment >= yesterday else plenty

        return {
            f"job:orchestrator_sms_received:rate5m{{{_JOB}}}": a_second,
            f'job_signal:seasonal_value:avg1h{{{_JOB},signal="sms_volume"}}': self._of_an_hour,
        }

    def _a_second(self, moment: datetime, shares: Sequence[Share]) -> float:
        value = self.an_hour * self.rhythm(moment) / self.rhythm(MONDAY_MORNING) / 3600
        for share in shares:
            value *= share(moment.replace(tzinfo=None))
        return value

    def _of_an_hour(self, moment: datetime) -> float:
        utc = moment.astimezone(UTC) if moment.tzinfo else moment
        fives = (utc - timedelta(minutes=minutes) for minutes in range(0, 60, 5))
        local = (each.astimezone(moment.tzinfo) if moment.tzinfo else each for each in fives)
        return sum(self._a_second(each, (*self.shares, *self.before)) for each in local) / 12


def _arrive(
    an_hour: float, *shares: Share, rhythm: Rhythm = daily, before: Sequence[Share] = ()
) -> _Arrivals:
    return _Arrivals(an_hour, shares, rhythm, tuple(before))


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
    arrivals: _Arrivals,
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
        given=arrivals.given(begins),
    )


def _missing(
    within: float = 20, over: float | None = None, notifications: int = 2, says: str = "0 SMS in"
) -> Told:
    # Told again each hour.
    return Told(
        "SMSMissing", PAGE, within=within, notifications=notifications, over=over, says=says
    )


def _few(within: float, over: float | None = None, notifications: int = 1, says: str = "") -> Told:
    return Told(
        "SMSMissing", TICKET, within=within, notifications=notifications, over=over, says=says
    )


_STOPPED = _only(0, MONDAY_MORNING, 90)
_SPRING = datetime(2026, 3, 29, 12, tzinfo=_BERLIN)
_AUTUMN = datetime(2026, 10, 25, 12, tzinfo=_BERLIN)
_AFTER_SPRING = datetime(2026, 4, 2, 9, 30)
_AFTER_AUTUMN = datetime(2026, 10, 29, 9, 30)
_SATURDAY = datetime(2026, 3, 7, 10)

_ARRIVALS = (
    _weeks(
        "SMS stop on a Monday morning",
        "870 SMS an hour are usual at 10:00; from then on none come. At 11:30 they do again.",
        _arrive(870, _STOPPED),
        _missing(over=115),
    ),
    _weeks(
        "SMS stop on a holiday",
        "A quarter of the usual SMS come on a holiday, until they stop from 10:00 to 11:00.",
        _arrive(600, _on_days(0.25, MONDAY_MORNING.date()), _only(0, MONDAY_MORNING, 60)),
        _few(within=600),
        _missing(within=620, over=690),
        begins=datetime(2026, 3, 2),
        lasts=720,
    ),
    _weeks(
        "A holiday",
        "A quarter of the usual 600 SMS an hour come all day; nobody needs to be woken for that.",
        _arrive(600, _on_days(0.25, MONDAY_MORNING.date())),
        _few(within=600, over=25 * 60, notifications=2),
        begins=datetime(2026, 3, 2),
        lasts=26 * 60,
    ),
    _weeks(
        "SMS stop after a holiday two weeks ago",
        "As on a usual Monday, though a quarter of the SMS came on the Monday two weeks before.",
        _arrive(600, _STOPPED, before=[_weeks_before(MONDAY_MORNING, 2)]),
        _missing(over=115),
    ),
    _weeks(
        "SMS stop after two holidays",
        "Two of the four past Mondays were holidays.",
        _arrive(600, _STOPPED, before=[_weeks_before(MONDAY_MORNING, 1, 2)]),
        _missing(over=115),
    ),
    _weeks(
        "SMS stop after an outage a week ago",
        "On the Monday before, none had come either for 90 minutes.",
        _arrive(600, _STOPPED, before=[_only(0, MONDAY_MORNING - timedelta(weeks=1), 90)]),
        _missing(over=115),
    ),
    _weeks(
        "SMS stop in the second week of life",
        "Of one week it is known what is usual.",
        _arrive(600, _STOPPED),
        _missing(over=115),
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
        "85 SMS an hour are usual at 2:00, and none come until 4:00: within an hour it is sure.",
        _arrive(1200, _only(0, MONDAY_NIGHT, 120)),
        _missing(within=65, over=150),
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
        "On the Thursday after, none come from 9:30 to 11:00.",
        _arrive(600, _only(0, _AFTER_SPRING, 90), rhythm=_office),
        _missing(within=70, over=115, notifications=1),
        begins=_AFTER_SPRING.replace(tzinfo=_BERLIN),
    ),
    _weeks(
        "SMS stop after the clocks went back",
        "On the Thursday after, none come from 9:30 to 11:00.",
        _arrive(600, _only(0, _AFTER_AUTUMN, 90), rhythm=_office),
        _missing(within=70, over=115),
        begins=_AFTER_AUTUMN.replace(tzinfo=_BERLIN),
    ),
    _weeks(
        "Four SMS an hour",
        "So few come that an hour without any says nothing; a day without any does.",
        _arrive(4, _only(0, MONDAY_MORNING, _DAY), rhythm=lambda _moment: 1),
        _missing(within=24 * 60, over=2 * _DAY, notifications=5),
        lasts=3 * _DAY,
    ),
    _weeks(
        "A thousand SMS a second stop",
        "From 10:00 to 11:30 none of them come.",
        _arrive(3_600_000, _STOPPED),
        _missing(over=115),
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

_AS_COUNTED = Scenario(
    name="SMS stop, as it is counted",
    story="Of one week it is known that 870 SMS an hour are usual; from 10:00 to 10:20 none come.",
    begins=MONDAY_MORNING,
    lasts=60,
    world=World(sms_an_hour=870, changes=(Traffic(0, until=20),)),
    told=(
        # 133; on Prometheus 2, whose windows hold one sample more, 147.
        Told("SMSMissing", within=15, over=45, says="0 SMS in the last 10 minutes, usually 1"),
    ),
    given={
        f'job_week:orchestrator_sms_received:usual_avg1h{{{_JOB},week="1",cluster="main",'
        'environment="production"}': lambda _moment: 800 / 3600
    },
)

_WORKFLOWS = (
    Scenario(
        name="Sixteen workflows fail in one scrape",
        story="Collections Monitor gives nonsense for a few seconds. What failed is run again.",
        begins=MONDAY_MORNING,
        lasts=60,
        world=World(sms_an_hour=3840, changes=(_failing(_MONITOR, 10, 10.25),)),
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
    ),
    Scenario(
        name="The AI and the SMS Agent are down together",
        story="The AI is down from 10:00 on, and so is the SMS Agent from 10:10 on: it is asked "
        "first, so that nothing asks the AI any more.",
        begins=MONDAY_MORNING,
        lasts=30,
        world=World(
            changes=(
                Fails(Component.AI_PROVIDER, until=30),
                _failing(Component.SMS_AGENT, 10, 30, share=0.5),
            )
        ),
        told=(
            Told("AIProviderFailing", within=3, over=21),
            Told("UpstreamFailing", TICKET, within=14, about={"component": Component.SMS_AGENT}),
            Told(_FAILING, within=14, about={"cause": "sms_agent"}),
            # Nobody knows whether the AI is back.
            Told(
                "CircuitBreakerOpen",
                TICKET,
                within=22,
                about={"component": Component.AI_PROVIDER},
            ),
        ),
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

SCENARIOS = (*_ARRIVALS, _AS_COUNTED, *_WORKFLOWS)
