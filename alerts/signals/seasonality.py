"""What the same hour of past weeks lets expect: the bands of the dashboards.

Each of the past four weeks says what this hour was like, scaled to today's level, so that growth is
nothing unusual. The baseline is their median, which a holiday or an outage in one of them hardly
moves; the band reaches from the lowest of them to the highest.
"""

from dataclasses import dataclass

from alerts.model import Dashboard, Group, Record
from alerts.promql import ratio
from alerts.signals import business, sms
from app.core.catalogue import ApprovalAction

WEEKS = (1, 2, 3, 4)
"""The past weeks that are asked."""

_NAME = "job_signal:seasonal_value"
VALUE = f"{_NAME}:avg1h"
# Of whole weeks only: the median of some days of one is another level.
LEVEL = Record(
    f"{_NAME}:median1w",
    f"quantile_over_time(0.5, {VALUE}[1w]) and present_over_time({VALUE}[1d] offset 6d)",
)
SCALED = "job_signal_week:seasonal_value:scaled"
BASELINE = Record(f"{_NAME}:baseline", f"quantile by (job, signal) (0.5, {SCALED})")
UPPER = Record(f"{_NAME}:upper", f"max by (job, signal) ({SCALED})")
LOWER = Record(f"{_NAME}:lower", f"min by (job, signal) ({SCALED})")
TO_BASELINE = Record(f"{_NAME}:to_baseline_ratio", ratio(VALUE, BASELINE.name))
WEEKS_KNOWN = Record(
    "job_signal:seasonal_history:weeks", f"count by (job, signal) ({SCALED}) or 0 * {VALUE}"
)


@dataclass(frozen=True, slots=True)
class Seasonal:
    """Something with a rhythm. ``value`` is PromQL for its average of the last hour by job."""

    signal: str
    title: str
    value: str


_DECISIONS = business.APPROVALS
SEASONAL = (
    Seasonal(
        "sms_volume",
        "SMS received",
        f"avg_over_time({sms.RECEIVED}[1h])",
    ),
    Seasonal(
        "approval_ratio",
        "Answers that managers approve unchanged",
        ratio(
            f'sum by (job) ({_DECISIONS}{{action="{ApprovalAction.APPROVE}"}})',
            f"sum by (job) ({_DECISIONS})",
        ),
    ),
    Seasonal(
        "latency",
        "Time to process nine SMS in ten",
        f"avg_over_time({sms.P90}[1h])",
    ),
)
"""What bands are kept of."""


def group() -> Group:
    """The rules of the bands."""
    return Group(
        name="seasonality",
        dashboard=Dashboard.TRENDS,
        about="Bands by hour of the week, from the four weeks before.",
        interval="5m",
        follows=("sms", "business"),
        records=(
            *(Record(VALUE, one.value, {"signal": one.signal}) for one in SEASONAL),
            LEVEL,
            *(_scaled(week) for week in WEEKS),
            *(WEEKS_KNOWN, BASELINE, UPPER, LOWER, TO_BASELINE),
        ),
        signals=(),
    )


def _scaled(week: int) -> Record:
    """This hour of an earlier week, times what has grown since."""
    grown = f"{LEVEL} / ({LEVEL} offset {week}w > 0)"
    return Record(SCALED, f"{VALUE} offset {week}w * ({grown})", {"week": str(week)})
