"""Growth and limits: how much of each limit is used, how fast that grows, how long it will last.

A limit's usage is the highest of a day, since a mean hides the hour that fails. The trend is a
straight line through four weeks of such days: whole weeks, so that weekends do not tilt it.
"""

from alerts.logs import LogQuery
from alerts.model import Comparison, Group, Guard, Record, Severity, Signal, Team, Threshold, Unit
from alerts.signals import throughput
from app.core import catalogue
from app.core.events import SMSReceived
from app.core.thresholds import Thresholds

_ON = ("job", "limit")
USAGE = "job_limit:usage:ratio"
PEAK = Record("job_limit:usage:peak1d", f"max_over_time({USAGE}[1d])")
LEVEL = Record("job_limit:usage_peak:avg1w", f"avg_over_time({PEAK}[1w])")
# Where half of the four weeks is not known, a slope is chance.
TREND = Record(
    "job_limit:usage_peak:deriv4w",
    f"deriv({PEAK}[4w]) and present_over_time({PEAK}[1w] offset 2w)",
)
TIME_LEFT = Record("job_limit:capacity:seconds_left", f"clamp_min(1 - {LEVEL}, 0) / ({TREND} > 0)")


def usages(thresholds: Thresholds) -> tuple[Record, ...]:
    """The share of each limit in use."""
    in_flight, capacity = catalogue.SMS_IN_FLIGHT.name, catalogue.SMS_CAPACITY.name
    calls = f'{throughput.RATE_1M}{{flow="ai_calls"}}'
    return (
        Record(
            USAGE,
            f"sum by (job) ({in_flight}) / (sum by (job) ({capacity}) > 0)",
            {"limit": "concurrent_sms"},
        ),
        Record(
            USAGE,
            f"sum by (job) ({calls}) * 60 / {thresholds.ai_calls_per_minute}",
            {"limit": "ai_calls"},
        ),
    )


def groups(thresholds: Thresholds) -> tuple[Group, ...]:
    """The rules of limits: their usage each minute, and its trend."""
    return (
        Group(
            name="usage",
            source="growth",
            about="How much of each limit is in use.",
            interval="1m",
            follows=("throughput",),
            records=usages(thresholds),
            signals=(),
        ),
        Group(
            name="growth",
            source="growth",
            about="How fast the use of limits grows, and how long they will last.",
            interval="5m",
            follows=("usage",),
            records=(PEAK, LEVEL, TREND),
            signals=(_time_left(thresholds),),
        ),
    )


def _time_left(thresholds: Thresholds) -> Signal:
    days = thresholds.capacity_days
    return Signal(
        title="Time until a limit is reached",
        meaning="At the growth of the last four weeks. Nothing is shown for what does not grow. "
        f"Good is above {days:g} days.",
        unit=Unit.SECONDS,
        source=TIME_LEFT,
        thresholds=(
            Threshold(
                alert="CapacityLimitNear",
                comparison=Comparison.BELOW,
                value=days * 86400,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="{{ $labels.job }} will reach its limit of {{ $labels.limit }} in weeks",
                description="The daily peak of {{ $labels.limit }} grows towards its limit. Time "
                "left at the growth of the last four weeks.",
                action="Decide on the next step of capacity now: workers, instances, a higher "
                "quota.",
                pending="6h",
                keep_firing="1d",
                guards=(Guard(LEVEL, Comparison.AT_LEAST, thresholds.capacity_minimum_usage, _ON),),
                logs=LogQuery((SMSReceived,)),
            ),
        ),
    )
