"""Trends and capacity: this hour beside past weeks, growth, and how long the limits will last."""

from grafanalib import core

from alerts.model import Dashboard, Record, Unit
from alerts.signals import arrivals, growth, seasonality, throughput
from app.core.thresholds import Thresholds
from dashboards.board import Row, dashboard
from dashboards.choices import NODES, of
from dashboards.colours import DISTINCT, Colour, signal_steps
from dashboards.deployments import BY
from dashboards.grafana import Panel
from dashboards.known import now
from dashboards.panels import (
    Query,
    band,
    bar_gauge,
    over,
    state_timeline,
    timeseries,
)
from dashboards.panels.numbers import or_unknown
from dashboards.signals import alerts_in_words, signal
from dashboards.sources import Source

_HOUR, _DAY = 3600, 86400
_YEAR = 365 * _DAY
_SMS = 'flow="sms"'
_HOURLY_SMS = of(throughput.RATE_1H, _SMS)
_FIVE_WEEKS = "35d"


def trends(thresholds: Thresholds) -> core.Dashboard:
    """What is unusual by the hour of the week, and what will not be enough in some weeks."""
    return dashboard(
        Dashboard.TRENDS,
        "trends and capacity",
        "For capacity planning, and for people who ask whether this is normal: this hour "
        "compared with the same hour of past weeks, growth from week to week, and when "
        "limits will be reached.",
        rows=(
            _bands(),
            _beside_usual(thresholds),
            _growth(),
            _limits(thresholds),
            Row("", (over(_FIVE_WEEKS, _history()),), height=6),
        ),
        last="7d",
        refresh="5m",
    )


def _bands() -> Row:
    def of_signal(name: str, title: str, text: str, unit: Unit, total: str = "avg") -> Panel:
        matchers = f'signal="{name}"'

        def query(record: Record | str, legend: str) -> Query:
            return Query(f"{total}({of(record, matchers)})", legend)

        return band(
            title,
            f"{text} Good is near the band: from the lowest to the highest of the same hour in the "
            "past four weeks, growth taken into account. Where there is a line without a band, no "
            "past week is known.",
            unit=unit,
            value=query(seasonality.VALUE, "last hour"),
            baseline=query(seasonality.BASELINE, "usual"),
            lower=query(seasonality.LOWER, "usual at least"),
            upper=query(seasonality.UPPER, "usual at most"),
        )

    return Row(
        "",
        (
            of_signal(
                "sms_volume",
                "SMS an hour in their band",
                "SMS received in the hour before.",
                Unit.COUNT,
                total=f"{_HOUR} * sum",
            ),
            of_signal(
                "approval_ratio",
                "Approval rate in its band",
                "Share of managers' decisions of an hour that change nothing.",
                Unit.RATIO,
            ),
            of_signal(
                "latency",
                "Processing time in its band",
                "Time within which nine SMS in ten are processed, over an hour.",
                Unit.SECONDS,
            ),
        ),
        height=10,
    )


def _beside_usual(thresholds: Thresholds) -> Row:
    return Row(
        "How far is it from usual, and what is the rhythm of a week?",
        (_sms_vs_usual(thresholds), _weeks()),
        height=10,
    )


def _sms_vs_usual(thresholds: Thresholds) -> Panel:
    """Over the time in which enough are usual, which pages, and over an hour, a ticket."""
    few, fewer = arrivals.silence(thresholds), arrivals.fewer(thresholds)
    return timeseries(
        "SMS vs usual",
        f"SMS received, as a share of the quietest of the same hours in past weeks. {few.meaning}"
        f"\n\n{alerts_in_words(few)}\n{alerts_in_words(fewer)}",
        Unit.RATIO,
        Query(f"min({of(few.source)})", "10 min, or more", colour=Colour.NEUTRAL),
        Query(f"min({of(fewer.source)})", "an hour", colour=Colour.MUTED),
        signals=(few, fewer),
        empty="Not known; needs a day",
    )


def _history() -> Panel:
    """Since when the bands can be trusted."""
    # Longer texts are cut where the number changed a day ago.
    known = {"0": ("none", Colour.WARNING)} | {
        str(weeks): (f"{weeks} w", Colour.GOOD) for weeks in range(1, len(seasonality.WEEKS) + 1)
    }
    return state_timeline(
        "Is enough history known?",
        f"Past weeks that each band is computed from. Good is {len(seasonality.WEEKS)}; with "
        "fewer, an unusual week moves the band.",
        *(
            Query(f"min by ({BY}) ({of(seasonality.WEEKS_KNOWN, each)})", lane, of=(Source.RULES,))
            for lane, name in (
                ("SMS", "sms_volume"),
                ("approvals", "approval_ratio"),
                ("latency", "latency"),
            )
            if (each := f'signal="{name}"')
        ),
        states=known,
        empty="Not known; needs a week",
    )


def _weeks() -> Panel:
    def sms_an_hour(ago: str, legend: str, step: str = "", colour: str | None = None) -> Query:
        offset = f" offset {ago}" if ago else ""
        return Query(f"{_HOUR} * sum({_HOURLY_SMS}{offset})", legend, colour=colour, step=step)

    before = [
        sms_an_hour(f"{week}w", f"{week} w before", colour=colour)
        for week, colour in zip(seasonality.WEEKS, DISTINCT[1:], strict=False)
    ]
    return timeseries(
        "SMS an hour, compared with the weeks before",
        "The chosen range, and the same hours of the four weeks before it. Usual is the same "
        "shape, a little higher each week. If one week differs from all others, that week was "
        "unusual.",
        Unit.COUNT,
        sms_an_hour("", "chosen range"),
        *before,
        links=(Dashboard.BUSINESS,),
    )


def _growth() -> Row:
    return Row(
        "How fast does it grow?",
        (
            over(
                _FIVE_WEEKS,
                timeseries(
                    "Throughput of a day",
                    "SMS, requests and AI calls of the 24 hours before. Usual is a slow rise, "
                    "with less at weekends; AI calls growing faster than SMS are retries.",
                    Unit.COUNT,
                    Query(f"{_DAY} * sum by (flow) ({of(throughput.RATE_1D)})", "{{flow}}"),
                    links=(Dashboard.SERVICES,),
                ),
            ),
            over(
                _FIVE_WEEKS,
                timeseries(
                    "Growth from week to week",
                    "The 7 days before each moment, compared with the 7 days before those. Usual "
                    "is a few percent; something new can double for a while.",
                    Unit.RATIO,
                    Query(f"avg by (flow) ({of(throughput.GROWTH_1W)}) - 1", "{{flow}}"),
                    empty="Not known; needs a week",
                ),
            ),
        ),
    )


def _limits(thresholds: Thresholds) -> Row:
    watched_from = Unit.RATIO.text(thresholds.capacity_minimum_usage)
    limits = "concurrent_sms: SMS processed at the same time; ai_calls: the provider's quota."
    return Row(
        "How long will the limits last, and is enough history known?",
        (
            over(
                _FIVE_WEEKS,
                timeseries(
                    "Daily peak use",
                    f"The highest use of the 24 hours before. {limits} Good is far below 100%, and "
                    f"no rise from week to week; above {watched_from} growth can cause an alert.",
                    Unit.RATIO,
                    Query(f"max by (limit) ({of(growth.PEAK)})", "{{limit}}"),
                ),
            ),
            signal(growth.quota(thresholds), "job"),
            _time_left(thresholds),
        ),
        widths=(12, 12, 24),
    )


def _time_left(thresholds: Thresholds) -> Panel:
    """Of the service's limits and of disks: the one that is reached first is the next to raise."""
    limits, disks = growth.time_left(thresholds), growth.disk_time_left(thresholds)
    return bar_gauge(
        "Time left until full",
        f"{limits.meaning} And of each disk, at the growth of a week. Good is more than the "
        "alert's limit, where a bar turns orange. Known after two weeks.",
        limits.unit,
        # One bar alone would have no name.
        *(
            Query(or_unknown(now(f"min({of(limits.source, each)})", Source.RULES)), name)
            for name in growth.LIMITS
            if (each := f'limit="{name}"')
        ),
        Query(
            f"min by ({BY}, instance, mountpoint) ({of(disks.source, among=NODES)})",
            "{{instance}} {{mountpoint}}",
        ),
        steps=signal_steps(limits),
        empty="Not known; needs two weeks",
        links=(Dashboard.RUNTIME,),
        limits=(0, _YEAR),
    )
