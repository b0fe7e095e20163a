"""Growth and limits: how much of each limit is used, how fast that grows, how long it will last.

A limit's usage is the highest of a day, since a mean hides the hour that fails. The trend is a
straight line through four weeks of such days: whole weeks, so that weekends do not tilt it.
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
from alerts.signals import throughput
from alerts.signals.node import DISK_LABELS, DISK_LEFT
from app.core import catalogue
from app.core.events import SMSReceived
from app.core.thresholds import Thresholds

_ON = ("job", "limit")
USAGE = "job_limit:usage:ratio"
CONCURRENT_SMS, AI_CALLS = LIMITS = ("concurrent_sms", "ai_calls")
PEAK = Record("job_limit:usage:peak1d", f"max_over_time({USAGE}[1d])")
LEVEL = Record("job_limit:usage_peak:avg1w", f"avg_over_time({PEAK}[1w])")
# Where half of the four weeks is not known, a slope is chance.
TREND = Record(
    "job_limit:usage_peak:deriv4w",
    f"deriv({PEAK}[4w]) and present_over_time({PEAK}[1w] offset 2w)",
)
TIME_LEFT = Record("job_limit:capacity:seconds_left", f"clamp_min(1 - {LEVEL}, 0) / ({TREND} > 0)")

_DISK_LEVEL = "job_instance_device_mountpoint"
DISK_MEAN = Record(f"{_DISK_LEVEL}:node_filesystem_avail:avg1h", f"avg_over_time({DISK_LEFT}[1h])")
DISK_TIME_LEFT = Record(
    f"{_DISK_LEVEL}:node_filesystem_capacity:seconds_left",
    f"{DISK_MEAN} / (-deriv({DISK_MEAN}[1w]) > 0) and present_over_time({DISK_MEAN}[3d] offset 4d)",
)


def usages(thresholds: Thresholds) -> tuple[Record, ...]:
    """The share of each limit in use."""
    in_flight, capacity = catalogue.SMS_IN_FLIGHT.name, catalogue.SMS_CAPACITY.name
    calls = f'{throughput.RATE_1M}{{flow="ai_calls"}}'
    return (
        Record(
            USAGE,
            f"sum by (job) ({in_flight}) / (sum by (job) ({capacity}) > 0)",
            {"limit": CONCURRENT_SMS},
        ),
        Record(
            USAGE,
            f"sum by (job) ({calls}) * 60 / {thresholds.ai_calls_per_minute}",
            {"limit": AI_CALLS},
        ),
    )


def groups(thresholds: Thresholds) -> tuple[Group, ...]:
    """The rules of limits: their usage each minute, and its trend."""
    return (
        Group(
            name="usage",
            dashboard=Dashboard.TRENDS,
            source="growth",
            about="How much of each limit is in use.",
            interval="1m",
            follows=("throughput",),
            records=usages(thresholds),
            signals=(quota(thresholds),),
        ),
        Group(
            name="growth",
            dashboard=Dashboard.TRENDS,
            source="growth",
            about="How fast the use of limits grows, and how long they will last.",
            interval="5m",
            follows=("usage", "node"),
            records=(PEAK, LEVEL, TREND, DISK_MEAN),
            signals=(time_left(thresholds), disk_time_left(thresholds)),
        ),
    )


def quota(thresholds: Thresholds) -> Signal:
    """How much of the AI provider's quota is in use now."""
    return Signal(
        title="Use of the AI's quota",
        meaning=f"Calls of a minute, of the {thresholds.ai_calls_per_minute:g} that it takes. Good "
        f"is below {Unit.RATIO.text(thresholds.ai_quota_ratio)}; above 100% it refuses calls.",
        unit=Unit.RATIO,
        source=USAGE,
        thresholds=(
            Threshold(
                alert="AIQuotaNearlyUsed",
                comparison=Comparison.ABOVE,
                value=thresholds.ai_quota_ratio,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="{{ $labels.job }} uses almost all of the AI provider's quota",
                description="With a few more calls the provider refuses them, and SMS get no "
                "answer. Share of the calls a minute that it takes.",
                action="See whether more SMS arrive, or failed calls are tried again. Ask the "
                "provider for a higher quota.",
                pending="5m",
                keep_firing="5m",
                matchers=f'limit="{AI_CALLS}"',
                logs=LogQuery((SMSReceived,)),
            ),
        ),
    )


def time_left(thresholds: Thresholds) -> Signal:
    """How long each limit of the service will last."""
    days = thresholds.capacity_days
    return Signal(
        title="Time until a limit is reached",
        meaning="At the growth of the last four weeks. Empty for limits whose use does not "
        f"grow. Good is above {days:g} days.",
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
                action="Plan more capacity now: more instances for SMS, a higher quota for AI "
                "calls.",
                pending="6h",
                keep_firing="1d",
                guards=(Guard(LEVEL, Comparison.AT_LEAST, thresholds.capacity_minimum_usage, _ON),),
                logs=LogQuery((SMSReceived,)),
            ),
        ),
    )


def disk_time_left(thresholds: Thresholds) -> Signal:
    """How long each disk will last, by weeks instead of hours."""
    days = thresholds.capacity_days
    return Signal(
        title="Time until a disk is full, at the growth of a week",
        meaning="Empty for disks that don't fill, or have been known for less than half a week. "
        f"Good is above {days:g} days.",
        unit=Unit.SECONDS,
        source=DISK_TIME_LEFT,
        thresholds=(
            Threshold(
                alert="CapacityLimitNear",
                comparison=Comparison.BELOW,
                value=days * 86400,
                severity=Severity.TICKET,
                team=Team.PLATFORM,
                summary="{{ $labels.mountpoint }} of {{ $labels.instance }} will be full in weeks",
                description="Time left at the growth of the last week.",
                action="Decide now: a larger disk, shorter retention, or data that can be moved.",
                pending="6h",
                keep_firing="1d",
                guards=(
                    Guard(
                        DISK_MEAN,
                        Comparison.BELOW,
                        1 - thresholds.capacity_minimum_usage,
                        DISK_LABELS,
                    ),
                ),
                labels={"limit": "disk"},
            ),
        ),
    )
