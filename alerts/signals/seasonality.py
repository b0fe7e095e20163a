"""Bands by hour of the week: what the same hour of past weeks lets expect, and what is unusual.

Each of the past four weeks says what this hour was like, scaled to today's level, so that growth is
no anomaly. The baseline is their median, which a holiday or an outage in one of them hardly moves.
The band around it is as wide as past weeks disagree, by the median of their deviations, but never
narrower than a share of the baseline. Everything is measured in band widths: within ±1 is usual.

The method is the one of published anomaly rules for Prometheus: medians across week offsets, a
minimum band, a minimum of traffic.
"""

from dataclasses import dataclass

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
from alerts.signals import sms, throughput
from app.core import catalogue
from app.core.catalogue import ApprovalAction
from app.core.events import ResponseApproved, ResponseEscalated, ResponseModified, SMSReceived
from app.core.thresholds import Thresholds
from asgi_observability.events import OperationSlow

WEEKS = (1, 2, 3, 4)
"""The past weeks that are asked."""

NORMAL = 1.4826
"""Standard deviations in a median absolute deviation, where values scatter normally."""

_ON = ("job", "signal")
_NAME = "job_signal:seasonal_value"
VALUE = f"{_NAME}:avg1h"
# Of whole weeks only: the median of some days of one is another level.
LEVEL = Record(
    f"{_NAME}:median1w",
    f"quantile_over_time(0.5, {VALUE}[1w]) and present_over_time({VALUE}[1d] offset 6d)",
)
SCALED = "job_signal_week:seasonal_value:scaled"
BASELINE = Record(f"{_NAME}:baseline", f"quantile by (job, signal) (0.5, {SCALED})")
SPREAD = Record(
    f"{_NAME}:spread",
    f"quantile by (job, signal) (0.5, abs({SCALED} - on (job, signal) group_left () {BASELINE}))",
)
WIDTH = f"{_NAME}:band_width"
UPPER = Record(f"{_NAME}:upper", f"{BASELINE} + {WIDTH}")
LOWER = Record(f"{_NAME}:lower", f"clamp_min({BASELINE} - {WIDTH}, 0)")
DEVIATION = Record(f"{_NAME}:deviation", f"({VALUE} - {BASELINE}) / ({WIDTH} > 0)")
WEEKS_KNOWN = Record(
    "job_signal:seasonal_history:weeks", f"count by (job, signal) ({SCALED}) or 0 * {VALUE}"
)
DECISIONS = Record(
    f"job:{catalogue.APPROVALS.name.removesuffix('_total')}:increase1h",
    f"sum by (job) (increase({catalogue.APPROVALS.name}[1h]))",
)


@dataclass(frozen=True, slots=True)
class Seasonal:
    """Something with a rhythm. ``value`` is PromQL for its average of the last hour by job.

    ``band`` is the least width of its band, as a share of the baseline.
    """

    signal: str
    title: str
    value: str
    band: float


def seasonal(thresholds: Thresholds) -> tuple[Seasonal, ...]:
    """What bands are kept of."""
    approved = f'{catalogue.APPROVALS.name}{{action="{ApprovalAction.APPROVE}"}}'
    return (
        Seasonal(
            "sms_volume",
            "SMS received",
            f'sum by (job) ({throughput.RATE_1H}{{flow="sms"}})',
            thresholds.sms_volume_band,
        ),
        Seasonal(
            "approval_ratio",
            "Answers that managers approve unchanged",
            ratio(f"sum by (job) (increase({approved}[1h]))", f"{DECISIONS}"),
            thresholds.approval_ratio_band,
        ),
        Seasonal(
            "latency",
            "Time to process nine SMS in ten",
            f"avg_over_time({sms.P90}[1h])",
            thresholds.latency_band,
        ),
    )


def group(thresholds: Thresholds) -> Group:
    """The rules of the bands."""
    every = seasonal(thresholds)
    return Group(
        name="seasonality",
        dashboard=Dashboard.TRENDS,
        about="Bands by hour of the week, from the four weeks before.",
        interval="5m",
        follows=("throughput_long", "sms"),
        records=(
            DECISIONS,
            *(Record(VALUE, one.value, {"signal": one.signal}) for one in every),
            LEVEL,
            *(_scaled(week) for week in WEEKS),
            WEEKS_KNOWN,
            BASELINE,
            SPREAD,
            *(_width(one, thresholds) for one in every),
            UPPER,
            LOWER,
        ),
        signals=(
            volume(thresholds),
            approvals(thresholds),
            latency(thresholds),
            _history(thresholds),
        ),
    )


def _scaled(week: int) -> Record:
    """This hour of an earlier week, times what has grown since."""
    grown = f"{LEVEL} / ({LEVEL} offset {week}w > 0)"
    return Record(SCALED, f"{VALUE} offset {week}w * ({grown})", {"week": str(week)})


def _width(one: Seasonal, thresholds: Thresholds) -> Record:
    scattered = f"{thresholds.seasonal_deviations * NORMAL:g} * {SPREAD}"
    least = f"{one.band:g} * {BASELINE}"
    # The larger of the two.
    expr = f'{least}{{signal="{one.signal}"}} + clamp_min({scattered} - {least}, 0)'
    return Record(WIDTH, expr, {"signal": one.signal})


def _enough_history(thresholds: Thresholds) -> Guard:
    return Guard(WEEKS_KNOWN, Comparison.AT_LEAST, thresholds.seasonal_minimum_weeks, _ON)


def volume(thresholds: Thresholds) -> Signal:
    """How far the number of SMS is from its band."""
    page_at = thresholds.sms_volume_page_widths
    enough = (
        _enough_history(thresholds),
        Guard(
            BASELINE,
            Comparison.AT_LEAST,
            thresholds.sms_volume_minimum_per_hour,
            _ON,
            times=3600,
        ),
    )

    def threshold(
        comparison: Comparison, widths: float, severity: Severity, direction: str, text: str
    ) -> Threshold:
        return Threshold(
            alert="SMSVolumeAnomaly",
            comparison=comparison,
            value=widths,
            severity=severity,
            team=Team.ORCHESTRATOR,
            summary=f"{{{{ $labels.job }}}} receives far {text} SMS than usual at this hour",
            description="The last hour's SMS are outside the band for this hour of the week. "
            "Distance from the baseline in band widths.",
            action="Is it a holiday or a campaign? If not, ask the team of the SMS Agent whether "
            "it has a problem.",
            pending="15m",
            keep_firing="15m",
            matchers='signal="sms_volume"',
            guards=enough,
            labels={"direction": direction},
            logs=LogQuery((SMSReceived,)),
            absence="TargetDown",
        )

    return Signal(
        title="SMS received, compared with the same hour of past weeks",
        meaning="In band widths. Good is between -1 and 1. Below -1, SMS may not arrive.",
        unit=Unit.BAND_WIDTHS,
        source=DEVIATION,
        thresholds=(
            threshold(Comparison.BELOW, -page_at, Severity.PAGE, "below", "fewer"),
            threshold(Comparison.BELOW, -1, Severity.TICKET, "below", "fewer"),
            threshold(Comparison.ABOVE, 1, Severity.TICKET, "above", "more"),
        ),
    )


def approvals(thresholds: Thresholds) -> Signal:
    """How far the approval rate is from its band."""
    return Signal(
        title="Approval rate, compared with the same hour of past weeks",
        meaning="Share of managers' decisions that approve the AI's answer unchanged, in band "
        "widths. Good is above -1.",
        unit=Unit.BAND_WIDTHS,
        source=DEVIATION,
        thresholds=(
            Threshold(
                alert="ApprovalRateAnomaly",
                comparison=Comparison.BELOW,
                value=-1,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="Managers of {{ $labels.job }} approve far fewer answers than usual",
                description="The share approved unchanged over the last hour is below the band "
                "for this hour of the week. Distance from the baseline in band widths.",
                action="Read some of the changed answers: has the model, the prompt or the policy "
                "changed?",
                pending="15m",
                keep_firing="15m",
                matchers='signal="approval_ratio"',
                guards=(
                    _enough_history(thresholds),
                    Guard(
                        DECISIONS, Comparison.AT_LEAST, thresholds.approval_ratio_minimum_decisions
                    ),
                ),
                logs=LogQuery((ResponseApproved, ResponseModified, ResponseEscalated)),
            ),
        ),
    )


def latency(thresholds: Thresholds) -> Signal:
    """How far the processing time is from its band."""
    return Signal(
        title="Processing time, compared with the same hour of past weeks",
        meaning="Time within which nine SMS in ten are processed, in band widths. Good is below 1.",
        unit=Unit.BAND_WIDTHS,
        source=DEVIATION,
        thresholds=(
            Threshold(
                alert="LatencyAnomaly",
                comparison=Comparison.ABOVE,
                value=1,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="{{ $labels.job }} takes far longer for an SMS than usual at this hour",
                description="The time to process nine SMS in ten is above the band for this hour "
                "of the week, averaged over the last hour. Distance from the baseline in band "
                "widths.",
                action="See which step and which upstream became slower, and what changed before "
                "that.",
                pending="15m",
                keep_firing="15m",
                matchers='signal="latency"',
                guards=(
                    _enough_history(thresholds),
                    Guard(
                        throughput.RATE_1H,
                        Comparison.AT_LEAST,
                        thresholds.latency_minimum_sms_per_hour,
                        times=3600,
                        matchers='flow="sms"',
                    ),
                ),
                logs=LogQuery((OperationSlow,)),
            ),
        ),
    )


def _history(thresholds: Thresholds) -> Signal:
    needed = thresholds.seasonal_minimum_weeks
    return Signal(
        title="Past weeks that the bands are computed from",
        meaning=f"With fewer than {needed}, dashboards show the bands, but no alert fires. Good "
        f"is {len(WEEKS)}.",
        unit=Unit.COUNT,
        source=WEEKS_KNOWN,
        thresholds=(
            Threshold(
                alert="SeasonalHistoryShort",
                comparison=Comparison.BELOW,
                value=needed,
                severity=Severity.INFO,
                team=Team.PLATFORM,
                summary="Not enough history of {{ $labels.signal }} to know what is unusual",
                description=f"Bands need {needed} weeks before their alerts can fire. Weeks known.",
                action="Do nothing: it ends by itself. To end it at once, type `python -m alerts "
                "backfill`.",
                pending="30m",
            ),
        ),
    )
