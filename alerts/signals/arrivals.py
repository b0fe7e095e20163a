"""Whether SMS still arrive: those received beside what is usual at this hour.

If a sender can't reach the service, nothing fails here, and nothing else tells of it. Usual is the
median of this hour in the past weeks. Of each week it takes the quietest of the hours around, so
that neither a morning's rise nor a clock that was changed makes an hour look too quiet: habits
follow local time, data is in UTC. A service without a whole week behind it has yesterday.

Counts are of the minutes that are known, on both sides alike: a gap in the metrics is no silence.
"""

from alerts.logs import LogQuery
from alerts.model import (
    Comparison,
    Dashboard,
    Group,
    Guard,
    Record,
    Severity,
    Signal,
    Team,
    Threshold,
    Unit,
)
from alerts.promql import ratio
from alerts.second_value import number_of, same_service
from alerts.signals import sms
from alerts.signals.seasonality import VALUE, WEEKS
from app.core import catalogue
from app.core.events import SMSReceived
from app.core.thresholds import Thresholds

_NAME = catalogue.SMS_RECEIVED.name.removesuffix("_total")
_AN_HOUR = f'{VALUE}{{signal="sms_volume"}}'
_WEEK_HOURS = 7 * 24


def _quietest(hours_ago: int) -> str:
    """The lowest an hour was that ended within an hour of then."""
    return f"min by (job) (min_over_time({_AN_HOUR}[2h] offset {hours_ago - 1}h))"


IN_WEEK = f"job_week:{_NAME}:usual_avg1h"
WEEKS_KNOWN = Record(f"job:{_NAME}:usual_weeks", f"count by (job) ({IN_WEEK})")
USUAL = Record(f"job:{_NAME}:usual_avg1h", f"quantile by (job) (0.5, {IN_WEEK}) or {_quietest(24)}")
# A rate a second, of the moments at which it is known what is received.
USUAL_NOW = Record(f"job:{_NAME}:usual_rate5m", f"{USUAL} and on (job) {sms.RECEIVED}")


def _counted(rate: Record, window: str, step: str, seconds: int, what: str) -> Record:
    # The step is said: the sum must not depend on how often the rule is evaluated.
    return Record(
        f"job:{_NAME}:{what}{window}", f"sum_over_time({rate}[{window}:{step}]) * {seconds}"
    )


_WINDOWS = (("10m", "1m", 60), ("1h", "1m", 60), ("1d", "5m", 300))
"""Each with the step at which it is added up, also in seconds."""
RECEIVED = {one[0]: _counted(sms.RECEIVED, *one, "received") for one in _WINDOWS}
EXPECTED = {one[0]: _counted(USUAL_NOW, *one, "usual") for one in _WINDOWS}
_STILL = 1.5
LAST_HOUR = Record(f"job:{_NAME}:to_usual_ratio1h", ratio(f"{RECEIVED['1h']}", f"{EXPECTED['1h']}"))


def _to_usual(thresholds: Thresholds) -> Record:
    """Over the shortest time in which some are sure to come."""
    enough = thresholds.sms_missing_usual
    shares = (
        f"{RECEIVED[window]} / ({EXPECTED[window]} >= {enough:g})" for window, _, _ in _WINDOWS
    )
    return Record(f"job:{_NAME}:to_usual_ratio", " or ".join(shares))


def silence(thresholds: Thresholds) -> Signal:
    """Hardly any SMS."""
    enough = thresholds.sms_missing_usual
    return Signal(
        title="SMS received, share of what is usual",
        meaning=f"Over 10 minutes, or over the hour or day where fewer than {enough:g} are usual. "
        "Good is around 100% and more. Not known during the first day.",
        unit=Unit.RATIO,
        source=_to_usual(thresholds),
        thresholds=(
            Threshold(
                alert="SMSMissing",
                comparison=Comparison.BELOW,
                value=thresholds.sms_missing_page_ratio,
                severity=Severity.PAGE,
                team=Team.ORCHESTRATOR,
                summary="Hardly any SMS reach {{ $labels.job }}",
                description=f"{same_service()}{_in_words('1h', 'hour')} "
                f"{_in_words('10m', '10 minutes')} Tenants may write to us in vain. Share of what "
                "is usual.",
                action="Send an SMS from a telephone. If it does not arrive, call the team of the "
                "SMS Agent, and ask the carrier.",
                pending="2m",
                # Longer than the ticket, which would otherwise tell of it once more.
                keep_firing="15m",
                # What was usual yesterday says too little of a Saturday to wake somebody.
                guards=(Guard(WEEKS_KNOWN, Comparison.AT_LEAST, 1),),
                logs=LogQuery((SMSReceived,)),
                absence="TargetDown",
            ),
        ),
    )


def fewer(thresholds: Thresholds) -> Signal:
    """Far fewer SMS than usual: a part of them is lost, or it is a holiday."""
    return Signal(
        title="SMS of an hour, share of what is usual",
        meaning="SMS received in the hour before, as a share of the quietest of the same hours in "
        "past weeks. Good is around 100% and more. Not known during the first day.",
        unit=Unit.RATIO,
        source=LAST_HOUR,
        thresholds=(
            Threshold(
                alert="SMSMissing",
                comparison=Comparison.BELOW,
                value=thresholds.sms_missing_ticket_ratio,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="{{ $labels.job }} receives far fewer SMS than usual at this hour",
                description=f"{same_service()}{_in_words('1h', 'hour')} Share of what is usual.",
                action="Is it a holiday? If not, ask the team of the SMS Agent whether a carrier "
                "or a number has a problem.",
                pending="15m",
                keep_firing="5m",
                guards=(
                    Guard(
                        EXPECTED["1h"],
                        Comparison.AT_LEAST,
                        thresholds.sms_missing_usual_per_hour,
                    ),
                    # They still are missing. Chance alone makes ten minutes look better than they
                    # are, so this asks for less.
                    Guard(
                        _to_usual(thresholds),
                        Comparison.BELOW,
                        _STILL * thresholds.sms_missing_ticket_ratio,
                    ),
                ),
                logs=LogQuery((SMSReceived,)),
                absence="TargetDown",
            ),
        ),
    )


def _in_words(window: str, text: str) -> str:
    return (
        f"{number_of(RECEIVED[window])} SMS in the last {text}, usually "
        f"{number_of(EXPECTED[window])}."
    )


def group(thresholds: Thresholds) -> Group:
    """The rules of arrivals: what is usual, and what is received beside it.

    In one group, so that they agree: what is evaluated once in five minutes is five minutes old
    when it is next, and then no longer there for others.
    """
    usual = (Record(IN_WEEK, _quietest(week * _WEEK_HOURS), {"week": str(week)}) for week in WEEKS)
    return Group(
        name="arrivals",
        dashboard=Dashboard.TRENDS,
        about="SMS received, beside what is usual at this hour.",
        interval="1m",
        follows=("seasonality", "sms"),
        records=(
            *(*usual, WEEKS_KNOWN, USUAL, USUAL_NOW),
            *(*RECEIVED.values(), *EXPECTED.values()),
        ),
        signals=(silence(thresholds), fewer(thresholds)),
    )
