"""The overview: is it well, and if not, where to look next."""

from grafanalib import core

from alerts.model import DASHBOARD_UID, Record, Severity, Team, Unit
from alerts.promql import quantile
from alerts.signals import business, http, operations, slo, sms
from app.core import catalogue
from app.core.catalogue import Component
from app.core.thresholds import Thresholds
from dashboards.house_style import (
    TARGET_INSTANCES,
    TARGETS,
    Query,
    Row,
    dashboard,
    good_above,
    good_below,
    neutral,
    signal_steps,
    stat,
    timeseries,
)

_SMS_BUCKET = catalogue.SMS_PROCESSING_DURATION.bucket


def overview(thresholds: Thresholds) -> core.Dashboard:
    """The dashboard that alerts link to."""
    return dashboard(
        uid=DASHBOARD_UID,
        title="SMS orchestrator: overview",
        description="Whether the SMS orchestrator is well: promises, golden signals, upstreams, "
        "AI, business and process.",
        tags=["sms-orchestrator"],
        job_metric=catalogue.SMS_RECEIVED.name,
        rows=(
            _promises(thresholds),
            _requests(thresholds),
            _sms(thresholds),
            _upstreams(thresholds),
            _ai(),
            _business(),
            _process(),
        ),
    )


def _promises(thresholds: Thresholds) -> Row:
    severities = "|".join((Severity.PAGE, Severity.TICKET))
    _, in_time, *_ = slo.objectives(thresholds)
    breakers = operations.breakers_not_closed()
    return Row(
        "Is it well?",
        height=5,
        panels=(
            stat(
                "Firing alerts",
                "Alerts that fire now and ask something of people. Good is 0.",
                Unit.COUNT,
                Query(
                    f'count(ALERTS{{alertstate="firing",severity=~"{severities}",'
                    f'team=~"{"|".join(Team)}"}}) or vector(0)',
                    "firing",
                ),
                good_below(1),
                no_value="Prometheus evaluates no rules",
            ),
            stat(
                "Availability, last hour",
                "Requests not answered 5xx, probes left out. Good is at or above the objective of "
                f"{Unit.RATIO.text(thresholds.availability_objective)}.",
                Unit.RATIO,
                Query(f"1 - max({_slo('1h', 'availability')})", "availability"),
                good_above(thresholds.availability_objective),
                no_value="no requests",
            ),
            stat(
                f"SMS processed within {Unit.SECONDS.text(thresholds.sms_latency_seconds)}",
                f"Promised: {Unit.RATIO.text(in_time.objective)} of {in_time.promise}.",
                Unit.RATIO,
                Query(f"1 - max({_slo('5m', 'sms_latency')})", "in time"),
                good_above(thresholds.sms_latency_objective),
                no_value="no SMS",
            ),
            stat(
                "SMS per minute",
                "SMS accepted, repeated deliveries left out. Follows the hour of the day.",
                Unit.COUNT,
                Query(f"60 * sum({_of(sms.RECEIVED)})", "SMS per minute"),
                neutral(),
                no_value="no SMS yet",
            ),
            stat(
                "Sent without a manager, last hour",
                "Answers of the AI that were sent at once, of all it wrote. A fall means that "
                "managers have more to do.",
                Unit.RATIO,
                Query(f"min({_of(business.AUTO_SENT_RATIO)})", "sent at once"),
                neutral(),
                no_value="no answers",
            ),
            stat(
                breakers.title,
                breakers.meaning,
                breakers.unit,
                Query(f"sum({_of(breakers.source)})", "not closed"),
                signal_steps(breakers),
                no_value="orchestrator not scraped",
            ),
        ),
    )


def _requests(thresholds: Thresholds) -> Row:
    availability, *_ = slo.objectives(thresholds)
    return Row(
        "Requests",
        (
            timeseries(
                "Requests by route",
                "Requests served a second, by route template.",
                Unit.PER_SECOND,
                Query(f"sum by (http_route) ({_of(http.RATE)})", "{{http_route}}"),
            ),
            timeseries(
                "Error ratio",
                "Requests answered 5xx, probes left out, over each window. The lines are the burn "
                "rates that page: the upper one over 1h, the lower one over 6h.",
                Unit.RATIO,
                *(
                    Query(f"max({_slo(window, 'availability')})", window)
                    for window in ("5m", "1h", "6h")
                ),
                signals=tuple(
                    slo.burning(availability, burn, thresholds) for burn in slo.BURN_RATES[:2]
                ),
            ),
            timeseries(
                "Slowest 1% of requests by route",
                "99th percentile of request duration. A release that brings it above 5 s is to be "
                "rolled back.",
                Unit.SECONDS,
                Query(f"max by (http_route) ({_of(http.P99)})", "{{http_route}}"),
            ),
        ),
    )


def _sms(thresholds: Thresholds) -> Row:
    _, in_time, *_ = slo.objectives(thresholds)
    return Row(
        "SMS",
        (
            timeseries(
                "SMS per minute by where they ended",
                "failed: a workflow that an upstream's failure ended; it can be retried. Good is "
                "none of those.",
                Unit.COUNT,
                Query(f"60 * sum by (route) ({_of(sms.BY_ROUTE)})", "{{route}}"),
            ),
            timeseries(
                f"SMS processed within {Unit.SECONDS.text(thresholds.sms_latency_seconds)}",
                f"Promised: {Unit.RATIO.text(in_time.objective)} of {in_time.promise}.",
                Unit.RATIO,
                Query(f"1 - max({_slo('5m', 'sms_latency')})", "in time"),
            ),
            timeseries(
                "Time to process an SMS",
                "From accepting an SMS to its routing being carried out. The promise is "
                f"{Unit.SECONDS.text(thresholds.sms_latency_seconds)}.",
                Unit.SECONDS,
                Query(f"max({_of(sms.P50)})", "p50"),
                Query(f"max({_of(sms.P90)})", "p90"),
                # Of the buckets themselves: recorded series have no exemplars.
                Query(
                    quantile(0.99, f"{_SMS_BUCKET}{{{TARGETS}}}", "job", "$__rate_interval"),
                    "p99",
                    exemplars=True,
                ),
            ),
        ),
    )


def _upstreams(thresholds: Thresholds) -> Row:
    failing = operations.failing(thresholds)
    breakers = operations.breakers_not_closed()
    return Row(
        "Upstreams and database",
        (
            timeseries(
                failing.title,
                failing.meaning,
                failing.unit,
                Query(f"max by (component) ({_of(failing.source)})", "{{component}}"),
                signals=(failing,),
            ),
            timeseries(
                "Slowest 1% of calls by operation",
                "99th percentile of calls that succeeded. A call is given up after 30 s.",
                Unit.SECONDS,
                Query(
                    f"max by (component, operation) ({_of(operations.P99)})",
                    "{{component}} {{operation}}",
                ),
            ),
            timeseries(
                breakers.title,
                breakers.meaning,
                breakers.unit,
                Query(f"sum by (component) ({_of(breakers.source)})", "{{component}}"),
                signals=(breakers,),
            ),
        ),
    )


def _ai() -> Row:
    ai = f'component="{Component.AI_PROVIDER}"'
    return Row(
        "AI",
        (
            timeseries(
                "Failed AI calls per minute by reason",
                "circuit_open: refused by our own breaker after other failures. Good is none.",
                Unit.COUNT,
                Query(
                    f"60 * sum by (error_type) ({_of(operations.ERRORS_BY_TYPE, ai)})",
                    "{{error_type}}",
                ),
            ),
            timeseries(
                "Time for an AI answer",
                "One attempt that succeeded. It is most of an SMS's processing time.",
                Unit.SECONDS,
                Query(f"max({_of(operations.P50, ai)})", "p50"),
                Query(f"max({_of(operations.P99, ai)})", "p99"),
            ),
            timeseries(
                "Confidence of AI answers",
                "Mean, and what one answer in ten stays below. Above 0.85 an answer is sent, below "
                "0.60 a person takes over.",
                Unit.RATIO,
                Query(f"min({_of(business.CONFIDENCE_MEAN)})", "mean"),
                Query(f"min({_of(business.CONFIDENCE_P10)})", "p10"),
            ),
        ),
    )


def _business() -> Row:
    def of_last_hour(title: str, description: str, record: Record, label: str) -> core.TimeSeries:
        query = Query(f"sum by ({label}) ({_of(record)})", f"{{{{{label}}}}}")
        return timeseries(title, description, Unit.COUNT, query)

    return Row(
        "Business, counts of the last hour",
        (
            of_last_hour(
                "AI answers by route",
                "Sent at once, queued for a manager, or escalated.",
                business.RESPONSES,
                "route",
            ),
            of_last_hour(
                "Managers' decisions",
                "On answers that were queued for approval.",
                business.APPROVALS,
                "action",
            ),
            of_last_hour(
                "Escalations by type",
                "Conversations handed to a person. A surge of one type has one cause.",
                business.ESCALATIONS,
                "type",
            ),
            of_last_hour(
                "Payment plans by validation",
                "Plans found in messages and answers. None for hours means that the extraction "
                "is broken.",
                business.PAYMENT_PLANS,
                "result",
            ),
        ),
    )


def _process() -> Row:
    cpu = catalogue.PROCESS_CPU.name
    memory = catalogue.PROCESS_MEMORY.name
    pool = catalogue.DB_CLIENT_CONNECTION_COUNT.name
    started = catalogue.PROCESS_START_TIME.name
    return Row(
        "Process",
        (
            timeseries(
                "CPU cores in use",
                "Of all workers of an instance. One worker can use one core.",
                Unit.COUNT,
                Query(f"rate({cpu}{{{TARGET_INSTANCES}}}[$__rate_interval])", "{{instance}}"),
            ),
            timeseries(
                "Resident memory",
                "Of all workers of an instance. A steady rise is a leak.",
                Unit.BYTES,
                Query(f"{memory}{{{TARGET_INSTANCES}}}", "{{instance}}"),
            ),
            timeseries(
                "Database connections",
                "Used ones near the limit mean that requests wait for one.",
                Unit.COUNT,
                Query(
                    f'sum by (instance) ({pool}{{state="used",{TARGET_INSTANCES}}})',
                    "{{instance}} used",
                ),
                Query(
                    f"{catalogue.DB_CLIENT_CONNECTION_MAX.name}{{{TARGET_INSTANCES}}}",
                    "{{instance}} limit",
                ),
            ),
            timeseries(
                "Uptime",
                "Since the oldest worker started; a fall to 0 is a restart.",
                Unit.SECONDS,
                Query(f"time() - {started}{{{TARGET_INSTANCES}}}", "{{instance}}"),
            ),
        ),
    )


def _slo(window: str, objective: str) -> str:
    """The share of events that failed, of one objective."""
    return _of(slo.error_ratio(window), f'slo="{objective}"')


def _of(source: Record | str, matchers: str = "") -> str:
    """The recorded series ``source`` of the jobs chosen on the dashboard."""
    return f"{source}{{{','.join(filter(None, (matchers, TARGETS)))}}}"
