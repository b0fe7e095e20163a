"""The answer of `GET /orchestrate/metrics`: which figure of the overview stands in which field."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from app.api.range_answer import share
from app.core import catalogue
from app.core.catalogue import ApprovalAction, Component, Detection, Route
from app.schemas import metrics as schema
from app.services.measures import MEASURES, distribution, evaluate
from app.services.metrics_report import OF_WAITING, MetricsReport, OfferedMeasure
from app.services.overview import Overview, answered
from app.services.rollups import Total, Totals
from app.services.time_ranges import MINUTE
from asgi_observability.catalogue import Outcome

T = TypeVar("T")


async def overview_answer(
    report: MetricsReport, sections: Collection[str] = schema.SECTIONS
) -> schema.MetricsAnswer:
    """The overview, or these sections of it.

    When the store does not answer all is null, but for the health, which says so. When only the
    database of the business does not, what waits is null.
    """
    as_of = datetime.now(UTC).replace(microsecond=0)
    if not sections:
        return schema.MetricsAnswer.model_construct(complete=True, as_of=as_of)
    found = await report.overview(sections)
    chosen = {name: _SECTIONS[name](found) for name in schema.SECTIONS if name in sections}
    return schema.MetricsAnswer.model_construct(
        complete=found.unreadable is None
        and (found.waiting is not None or OF_WAITING.isdisjoint(sections))
        and not any(_is_unknown(value) for value in chosen.values()),
        as_of=as_of,
        **chosen,
    )


def measures_answer(measures: list[OfferedMeasure]) -> schema.Measures:
    """Everything that can be asked for."""
    return schema.Measures(
        as_of=datetime.now(UTC).replace(microsecond=0),
        complete=True,
        measures=[
            schema.MeasureDescription(
                measure=each.measure.name,
                kind=each.measure.kind,
                unit=each.measure.unit,
                description=each.measure.help,
                group_by=each.group_by,
                retention_days=each.retention_days,
            )
            for each in measures
        ],
    )


def _is_unknown(section: object) -> bool:
    """Whether nothing is known of a section, or of a period in it: the clock may have been set."""
    if isinstance(section, schema.Periods):
        return None in (section.last_hour, section.today, section.this_week)
    return section is None


def _known(totals: Totals, section: Callable[[Totals], T]) -> T | None:
    return section(totals) if totals.complete else None


def _periods(found: Overview, section: Callable[[Totals], T]) -> schema.Periods[T] | None:
    if found.unreadable:
        return None
    return schema.Periods[T](
        last_hour=_known(found.hour, section),
        today=_known(found.today, section),
        this_week=_known(found.week, section),
    )


def _ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _distributed(total: Total) -> schema.Distribution:
    value = distribution(total)
    return schema.Distribution(
        count=total.count,
        mean=_rounded(value.value),
        p50=_rounded(value.p50),
        p90=_rounded(value.p90),
        p99=_rounded(value.p99),
        max=_rounded(value.maximum),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _last_hour(totals: Totals) -> schema.LastHour:
    responses = totals.of(catalogue.AI_RESPONSES).count
    auto_sent = totals.of(catalogue.AI_RESPONSES, route=Route.AUTO_SENT).count
    mean = answered(totals).mean
    return schema.LastHour(
        sms_received=totals.of(catalogue.SMS_RECEIVED).count,
        ai_responses=responses,
        auto_approval_rate=_ratio(auto_sent, responses),
        avg_response_time_ms=None if mean is None else round(mean * 1000),
    )


def _sums(totals: Totals) -> dict[str, int]:
    return {
        "total_messages": totals.of(catalogue.SMS_RECEIVED).count,
        "escalations": totals.of(catalogue.ESCALATIONS).count,
        "payment_plans": totals.of(catalogue.PAYMENT_PLANS).count,
    }


def _volume(totals: Totals) -> schema.Volume:
    processed = totals.of(catalogue.SMS_PROCESSING_DURATION)
    return schema.Volume(
        received=totals.of(catalogue.SMS_RECEIVED).count,
        processed=processed.count,
        failed=totals.of(catalogue.SMS_PROCESSING_DURATION, route=Route.FAILED).count,
    )


def _approvals(totals: Totals) -> schema.Approvals:
    def decided(action: ApprovalAction) -> int:
        return totals.of(catalogue.APPROVALS, action=action).count

    auto = totals.of(catalogue.AI_RESPONSES, route=Route.AUTO_SENT).count
    return schema.Approvals(
        auto=auto,
        auto_rate=_ratio(auto, totals.of(catalogue.AI_RESPONSES).count),
        manual=decided(ApprovalAction.APPROVE),
        modified=decided(ApprovalAction.MODIFY),
        escalated=decided(ApprovalAction.ESCALATE),
        waiting_time=_distributed(totals.of(catalogue.APPROVAL_WAIT_DURATION)),
    )


def _escalations(totals: Totals) -> schema.Escalations:
    metric = catalogue.ESCALATIONS
    return schema.Escalations(
        opened=totals.of(metric).count,
        by_type=_counts(totals.by(metric, "type")),
        by_severity=_counts(totals.by(metric, "severity")),
        auto_detected=totals.of(metric, detection=Detection.AUTO).count,
        manual=totals.of(metric, detection=Detection.MANUAL).count,
        resolution_time=_distributed(totals.of(catalogue.ESCALATION_RESOLUTION_DURATION)),
        resolution_time_by_severity={
            severity: _distributed(total)
            for severity, total in sorted(
                totals.by(catalogue.ESCALATION_RESOLUTION_DURATION, "severity").items()
            )
        },
    )


def _open_escalations(found: Overview) -> dict[str, int] | None:
    if found.waiting is None:
        return None
    return {str(severity): count for severity, count in found.waiting.escalations.items()}


def _approval_queue(found: Overview) -> schema.ApprovalQueue | None:
    if found.waiting is None:
        return None
    return schema.ApprovalQueue(
        length=found.waiting.responses,
        oldest_age_seconds=round(found.waiting.oldest_seconds, 1),
    )


def _payment_plans(totals: Totals) -> schema.PaymentPlans:
    examined = totals.of(catalogue.PAYMENT_PLAN_DETECTIONS).count
    found = totals.of(catalogue.PAYMENT_PLAN_DETECTIONS, result="found").count
    confirmed = totals.of(catalogue.PAYMENT_PLANS_AUTO_APPROVED).count
    return schema.PaymentPlans(
        messages_examined=examined,
        detection_rate=_ratio(found, examined),
        by_result=_counts(totals.by(catalogue.PAYMENT_PLANS, "result")),
        auto_approved=confirmed,
        auto_approval_rate=_ratio(confirmed, totals.of(catalogue.PAYMENT_PLANS).count),
    )


def _workflows(totals: Totals) -> schema.Workflows:
    retries = totals.of(catalogue.WORKFLOW_RETRIES).count
    steps = totals.by(catalogue.WORKFLOW_STEP_DURATION, "step", status="completed")
    return schema.Workflows(
        failures=totals.of(catalogue.SMS_PROCESSING_DURATION, route=Route.FAILED).count,
        retries=retries,
        recoveries=totals.of(catalogue.WORKFLOW_RETRIES, result="recovered").count,
        step_times={step: _distributed(total) for step, total in sorted(steps.items())},
    )


def _errors(totals: Totals) -> schema.Errors:
    metric = catalogue.OPERATION_ERRORS
    return schema.Errors(
        total=totals.of(metric).count,
        by_service=_counts(totals.by(metric, "component")),
        by_type=_counts(totals.by(metric, "error_type")),
    )


def _performance(totals: Totals) -> schema.Performance:
    metric = catalogue.OPERATION_DURATION
    services = totals.by(metric, "component")
    pairs = {(labels["component"], labels["operation"]) for labels, _ in totals.series(metric)}
    return schema.Performance(
        message=_distributed(answered(totals)),
        ai=_distributed(services.get(Component.AI_PROVIDER, Total())),
        services={name: _distributed(total) for name, total in sorted(services.items())},
        operations=[_operation(totals, *pair) for pair in sorted(pairs)],
    )


def _operation(totals: Totals, component: str, operation: str) -> schema.Operation:
    labels = {"component": component, "operation": operation}
    total = totals.of(catalogue.OPERATION_DURATION, **labels)
    failed = totals.of(catalogue.OPERATION_DURATION, **labels, outcome=Outcome.ERROR).count
    return schema.Operation(
        component=component,
        operation=operation,
        errors=failed,
        error_rate=_ratio(failed, total.count),
        time=_distributed(total),
    )


def _throughput(found: Overview) -> schema.Throughput:
    def received(totals: Totals) -> int | None:
        return _known(totals, lambda known: known.of(catalogue.SMS_RECEIVED).count)

    hours = [count for totals in found.same_hours if (count := received(totals)) is not None]
    baseline = sum(hours) / len(hours) if hours else None
    last_hour, minutes = received(found.last_full_hour), received(found.last_minutes)
    counted = found.last_minutes.counted_seconds
    return schema.Throughput(
        per_minute=None if minutes is None or not counted else round(minutes / counted * MINUTE, 2),
        per_hour=last_hour,
        per_day=received(found.last_day),
        baseline_per_hour=_rounded(baseline),
        deviation=_rounded(last_hour / baseline - 1)
        if baseline and last_hour is not None
        else None,
    )


def _coverage(found: Overview) -> schema.Periods[float] | None:
    if found.unreadable:
        return None
    return schema.Periods[float](
        last_hour=share(found.hour), today=share(found.today), this_week=share(found.week)
    )


def _counts(totals: Mapping[str, Total]) -> dict[str, int]:
    return {name: total.count for name, total in sorted(totals.items()) if total.count}


def _resources(found: Overview) -> schema.Resources | None:
    if not found.workers:
        return None
    return schema.Resources(
        in_flight=_whole(found.added("in_flight")),
        capacity=found.thresholds.concurrent_sms,
        cpu_cores=_rounded(found.added("cpu_ratio")),
        memory_bytes=_whole(found.added("memory_bytes")),
        event_loop_lag_seconds=_rounded(found.largest("loop_lag_seconds")),
        db_connections=schema.Connections(
            used=_whole(found.added("db_connections_used")),
            max=_whole(found.added("db_connections_max")),
        ),
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _health(found: Overview) -> schema.Health:
    store = found.store
    return schema.Health(
        status=found.status,
        availability=evaluate(MEASURES["http.availability"], found.hour).value,
        uptime_seconds=found.largest("uptime_seconds"),
        dependencies={
            name.value: schema.Dependency.model_validate(use, from_attributes=True)
            for name, use in found.dependencies.items()
        },
        breaker_transitions=found.hour.of(catalogue.CIRCUIT_BREAKER_TRANSITIONS).count
        if found.hour.complete
        else None,
        rollup_store=schema.RollupStore(
            state="down" if found.is_down else "ok",
            reason=found.unreadable or store.reason,
            since=store.since,
            complete=found.unreadable is None,
            unwritten_events=store.unwritten_events,
            lost_events=store.lost_events,
        ),
        workers=None
        if found.workers is None
        else [
            schema.Worker(
                host=worker.host,
                pid=worker.pid,
                uptime_seconds=worker.state.get("uptime_seconds"),
                last_seen=datetime.fromtimestamp(worker.last_seen, UTC),
            )
            for worker in found.workers
        ],
    )


_SECTIONS: dict[str, Callable[[Overview], Any]] = {
    "last_hour": lambda found: _known(found.hour, _last_hour),
    "today": lambda found: _known(found.today, lambda totals: schema.Today(**_sums(totals))),
    "this_week": lambda found: _known(found.week, lambda totals: schema.ThisWeek(**_sums(totals))),
    "sms": lambda found: _periods(found, _volume),
    "performance": lambda found: _known(found.hour, _performance),
    "approvals": lambda found: _periods(found, _approvals),
    "approval_queue": _approval_queue,
    "escalations": lambda found: _periods(found, _escalations),
    "escalations_open": _open_escalations,
    "payment_plans": lambda found: _periods(found, _payment_plans),
    "workflows": lambda found: _periods(found, _workflows),
    "errors": lambda found: _periods(found, _errors),
    "ai_confidence": lambda found: _periods(
        found, lambda totals: _distributed(totals.of(catalogue.AI_CONFIDENCE))
    ),
    "throughput": lambda found: None if found.unreadable else _throughput(found),
    "coverage": _coverage,
    "resources": _resources,
    "thresholds": lambda found: [
        schema.Threshold.model_validate(each, from_attributes=True)
        for each in found.threshold_states
    ],
    "slos": lambda found: (
        None
        if found.slos is None
        else [schema.Slo.model_validate(each, from_attributes=True) for each in found.slos]
    ),
    "health": _health,
}
