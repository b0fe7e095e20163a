"""The overview: is it well, and if not, where to look next."""

from grafanalib import core

from alerts.exporters import UP
from alerts.model import Dashboard, Record, Severity, Unit
from alerts.promql import quantile
from alerts.signals import business, operations, release, slo, sms
from app.core import catalogue
from app.core.thresholds import Thresholds
from dashboards.board import Row, dashboard
from dashboards.choices import of
from dashboards.colours import Colour, neutral, signal_steps, steps
from dashboards.grafana import Panel
from dashboards.panels import Query, stacked, stat, timeseries
from dashboards.services import breakers_timeline
from dashboards.signals import signal
from dashboards.slos_and_alerts import budget_left, firing, firing_alerts

_WINDOW = "$__rate_interval"


def overview(thresholds: Thresholds) -> core.Dashboard:
    """The dashboard to begin with."""
    return dashboard(
        Dashboard.OVERVIEW,
        "overview",
        "For people on call: does it work well, and where to look next. From top to bottom: "
        "promises, alerts, golden signals, business.",
        rows=(
            _is_it_well(thresholds),
            _promises(thresholds),
            _golden_signals(thresholds),
            _upstreams(thresholds),
            _business(thresholds),
        ),
    )


def _is_it_well(thresholds: Thresholds) -> Row:
    (in_time,) = (
        each.objective for each in slo.promised(thresholds) if each.objective.name == "sms_latency"
    )
    breakers = operations.breakers_not_closed()
    waiting = business.queue_age(thresholds)
    return Row(
        "Does it work well?",
        height=5,
        panels=(
            stat(
                "Pages",
                "Alerts that fire now and call somebody at night. Good is 0.",
                Unit.COUNT,
                Query(firing(Severity.PAGE), "pages"),
                steps(Colour.GOOD, (1, Colour.BAD)),
                links=(Dashboard.ALERTS,),
            ),
            stat(
                "Tickets",
                "Alerts that fire now and can wait for the morning. Good is 0.",
                Unit.COUNT,
                Query(firing(Severity.TICKET), "tickets"),
                steps(Colour.GOOD, (1, Colour.WARNING)),
                links=(Dashboard.ALERTS,),
            ),
            stat(
                "Availability, last hour",
                "Requests that were not answered 5xx, without probes. Good is at or above the "
                f"objective of {Unit.RATIO.text(thresholds.availability_objective)}.",
                Unit.RATIO,
                Query(f"1 - max({_slo('1h', 'availability')})", "availability"),
                steps(Colour.BAD, (thresholds.availability_objective, Colour.GOOD)),
                empty="Not known yet",
                links=(Dashboard.SERVICES,),
            ),
            stat(
                f"SMS within {Unit.SECONDS.text(thresholds.sms_latency_seconds)}",
                f"Of the last 5 minutes. Promised: {Unit.RATIO.text(in_time.objective)} of "
                f"{in_time.promise}.",
                Unit.RATIO,
                Query(f"1 - max({_slo('5m', 'sms_latency')})", "in time"),
                steps(Colour.BAD, (thresholds.sms_latency_objective, Colour.GOOD)),
                empty="No SMS",
                links=(Dashboard.SERVICES,),
            ),
            stat(
                "SMS per minute",
                "SMS accepted, without repeated deliveries. Good follows the hour of the week: "
                "see the trends.",
                Unit.COUNT,
                Query(f"60 * sum({of(sms.RECEIVED)}) or vector(0)", "SMS per minute"),
                neutral(),
                links=(Dashboard.TRENDS,),
            ),
            stat(
                waiting.title,
                waiting.meaning,
                waiting.unit,
                Query(f"max({of(waiting.source)})", "oldest"),
                signal_steps(waiting),
                links=(Dashboard.AI,),
            ),
            stat(
                "Breakers not closed",
                breakers.meaning,
                breakers.unit,
                Query(f"sum({of(breakers.source)})", "not closed"),
                signal_steps(breakers),
                links=(Dashboard.SERVICES,),
            ),
            stat(
                "Instances up",
                "Instances of the orchestrator that Prometheus reaches. Good is all of them.",
                Unit.COUNT,
                Query(f"sum({of(UP)}) or vector(0)", "up"),
                steps(Colour.BAD, (1, Colour.GOOD)),
                links=(Dashboard.RUNTIME,),
            ),
        ),
    )


def _promises(thresholds: Thresholds) -> Row:
    return Row(
        "Promises and alerts",
        (
            budget_left(),
            timeseries(
                "How fast the error budgets burn",
                "Burn rate over an hour: at 1 the budget lasts exactly its period, at "
                f"{slo.BURN_RATES[0].factor(thresholds.slo_period_days):g} somebody is called. "
                "Good is below 1.",
                Unit.COUNT,
                Query(f"max by (slo) ({of(slo.burn_rate('1h'))})", "{{slo}}"),
                empty="Nothing known of the last hour",
                links=(Dashboard.ALERTS,),
            ),
            firing_alerts(),
        ),
    )


def _golden_signals(thresholds: Thresholds) -> Row:
    return Row(
        "Golden signals: latency, traffic, errors, saturation",
        (
            timeseries(
                "Time to process an SMS",
                "From accepting an SMS until it is sent, queued or escalated. Good is a p99 "
                f"below {Unit.SECONDS.text(thresholds.sms_latency_seconds)}, the promise.",
                Unit.SECONDS,
                Query(f"max({of(sms.P50)})", "p50", colour=Colour.GOOD),
                Query(f"max({of(sms.P90)})", "p90", colour=Colour.WARNING),
                # Of the buckets themselves: recorded series have no exemplars.
                Query(
                    quantile(0.99, of(catalogue.SMS_PROCESSING_DURATION.bucket), "job", _WINDOW),
                    "p99",
                    exemplars=True,
                    colour=Colour.BAD,
                ),
                empty="No SMS",
                links=(Dashboard.SERVICES,),
            ),
            stacked(
                "SMS per minute by where they ended",
                "failed: an upstream's failure ended the workflow; it can be retried. Good is no "
                "failed ones.",
                Unit.COUNT,
                Query(f"60 * sum by (route) ({of(sms.BY_ROUTE)})", "{{route}}"),
                links=(Dashboard.BUSINESS,),
            ),
            signal(release.failing(thresholds), "version", empty="No requests"),
            signal(sms.concurrency(thresholds)),
        ),
    )


def _upstreams(thresholds: Thresholds) -> Row:
    return Row(
        "Upstreams",
        (
            signal(operations.failing(thresholds), "component", empty="No calls"),
            timeseries(
                "Slowest 1% of calls",
                "99th percentile of successful calls, for the slowest operation of each "
                "component. Good is well below the 30 s after which a call is given up.",
                Unit.SECONDS,
                Query(f"max by (component) ({of(operations.P99)})", "{{component}}"),
                empty="No calls",
                links=(Dashboard.SERVICES,),
            ),
            breakers_timeline(links=(Dashboard.SERVICES,)),
        ),
    )


def _business(thresholds: Thresholds) -> Row:
    def of_last_hour(
        title: str, description: str, record: Record, label: str, leads_to: Dashboard
    ) -> Panel:
        query = Query(f"sum by ({label}) ({of(record)})", f"{{{{{label}}}}}")
        return stacked(title, description, Unit.COUNT, query, links=(leads_to,))

    return Row(
        "Business, counts of the last hour",
        (
            of_last_hour(
                "AI answers by route",
                "Sent at once, queued for a manager, or escalated. Usual is 60 to 70% sent at "
                "once. If it falls, managers have more to do.",
                business.RESPONSES,
                "route",
                Dashboard.AI,
            ),
            timeseries(
                "Answers waiting for a manager",
                "Answers of the AI that wait for a decision now. Good is when the number falls to "
                "a few several times a day.",
                Unit.COUNT,
                Query(f"max({of(business.QUEUE_LENGTH)})", "waiting"),
            ),
            of_last_hour(
                "Escalations by type",
                "Conversations handed to a person. Good is as many as usual at this hour. If one "
                "type rises, look for one cause.",
                business.ESCALATIONS,
                "type",
                Dashboard.BUSINESS,
            ),
            of_last_hour(
                "Payment plans by validation",
                "Plans found in messages and answers. Good is some each hour; none for hours means "
                "that the detection is broken.",
                business.PAYMENT_PLANS,
                "result",
                Dashboard.BUSINESS,
            ),
        ),
    )


def _slo(window: str, objective: str) -> str:
    """The share of events that failed, of one objective."""
    return of(slo.error_ratio(window), f'slo="{objective}"')
