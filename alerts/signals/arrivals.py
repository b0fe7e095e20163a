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
    """The lowest of the hours that ended between an hour before then and two hours after.

    An hour to each side for the clock, and one more for an hour whose end is quieter than it. Known
    if the first of them is.
    """
    lowest = f"min_over_time({_AN_HOUR}[3h] offset {hours_ago - 2}h)"
    return f"min by (job) ({lowest} and {_AN_HOUR} offset {hours_ago + 1}h)"


IN_WEEK = f"job_week:{_NAME}:usual_avg1h"
WEEKS_KNOWN = Record(f"job:{_NAME}:usual_weeks", f"count by (job) ({IN_WEEK})")
USUAL = Record(f"job:{_NAME}:usual_avg1h", f"quantile by (job) (0.5, {IN_WEEK}) or {_quietest(24)}")
"""A second."""


# The steps are said: a sum must not depend on how often rules are evaluated.
_MINUTES, _FIVES = ("1m", 60), ("5m", 300)
_WINDOWS = {"10m": _MINUTES, "1h": _MINUTES, "1d": _FIVES}


def _received(window: str) -> Record:
    step, seconds = _WINDOWS[window]
    return Record(
        f"job:{_NAME}:received{window}",
        f"sum_over_time({sms.RECEIVED}[{window}:{step}]) * {seconds}",
    )


def _expected(window: str, usual: str) -> Record:
    step, seconds = _WINDOWS[window]
    known = f"count_over_time({sms.RECEIVED}[{window}:{step}]) * {seconds}"
    return Record(f"job:{_NAME}:usual{window}", f"{usual} * on (job) {known}")


RECEIVED = {window: _received(window) for window in _WINDOWS}
EXPECTED = {
    "10m": _expected("10m", f"{USUAL}"),
    "1h": _expected("1h", f"{USUAL}"),
    "1d": _expected("1d", f"avg_over_time({USUAL}[1d])"),
}
_STILL = 1.5
LAST_HOUR = Record(f"job:{_NAME}:to_usual_ratio1h", ratio(f"{RECEIVED['1h']}", f"{EXPECTED['1h']}"))


def to_usual(thresholds: Thresholds) -> Record:
    """Over the shortest time in which some are sure to come."""
    enough = thresholds.sms_missing_usual
    shares = (f"{RECEIVED[window]} / ({EXPECTED[window]} >= {enough:g})" for window in _WINDOWS)
    return Record(f"job:{_NAME}:to_usual_ratio", " or ".join(shares))


def silence(thresholds: Thresholds) -> Signal:
    """Hardly any SMS."""
    enough = thresholds.sms_missing_usual
    return Signal(
        title="SMS received vs usual",
        meaning=f"Over 10 minutes, or over the hour or day where fewer than {enough:g} are usual. "
        "Good is around 100% and more. Not known during the first day.",
        unit=Unit.RATIO,
        source=to_usual(thresholds),
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
        title="SMS of an hour vs usual",
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
                        to_usual(thresholds),
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
            *(*usual, WEEKS_KNOWN, USUAL),
            *(*RECEIVED.values(), *EXPECTED.values()),
        ),
        signals=(silence(thresholds), fewer(thresholds)),
    )
