"""The overview: what `GET /orchestrate/metrics` says without being asked anything."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from app.core import catalogue
from app.core.catalogue import (
    UPSTREAMS,
    ApprovalAction,
    BreakerState,
    Component,
    Detection,
    Outcome,
    Route,
)
from app.core.config import Settings
from app.schemas import metrics as schema
from app.services.measures import MEASURES, distribution, evaluate, rolled_up
from app.services.metrics_query import DAY, MINUTE, midnight, monday
from app.services.rollups import Rollups, Total, Totals, WriterState, added_up
from app.services.thresholds import Now, thresholds

T = TypeVar("T")

HOUR, WEEK = 3600, 7 * DAY
RECENT = 5 * MINUTE
BASELINE_WEEKS = 4
_WORST = (BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED)


@dataclass(frozen=True, slots=True)
class _Data:
    """Everything the sections are made of, read at once."""

    hour: Totals
    today: Totals
    week: Totals
    recent: Totals
    last_minutes: Totals
    last_full_hour: Totals
    last_day: Totals
    same_hours: list[Totals]
    workers: list[WriterState]

    @property
    def states(self) -> list[Mapping[str, Any]]:
        """What the live workers said last; every key may be missing."""
        return [worker.state for worker in self.workers]

    def added(self, key: str) -> float:
        """A figure of the workers, added up."""
        return sum(state.get(key) or 0 for state in self.states)

    def worst(self, key: str) -> float:
        """The largest of a figure that each worker has."""
        return max((state.get(key) or 0 for state in self.states), default=0)

    @property
    def breakers(self) -> dict[str, BreakerState]:
        """The worst state of each breaker over the workers."""
        found: dict[str, BreakerState] = {}
        for component in UPSTREAMS:
            its = {(state.get("breakers") or {}).get(component) for state in self.states}
            found[component] = next((s for s in _WORST if s in its), BreakerState.CLOSED)
        return found


class MetricsReport:
    """Builds the overview from one reading of the rollups."""

    def __init__(self, settings: Settings, rollups: Rollups) -> None:
        self._settings = settings
        self._rollups = rollups
        self._metrics = list(rolled_up())

    async def overview(self, sections: Collection[str] = schema.SECTIONS) -> schema.MetricsAnswer:
        """The overview, or these sections of it.

        "Last hour" is the minute that runs and the 59 before it; today and this week begin at
        midnight of the configured time zone, the week on Monday.
        """
        if not sections:
            return schema.MetricsAnswer.model_construct()
        data = await self._read(sections)
        make: dict[str, Callable[[], Any]] = {
            "last_hour": lambda: _last_hour(data.hour),
            "today": lambda: schema.Today(**_sums(data.today)),
            "this_week": lambda: schema.ThisWeek(**_sums(data.week)),
            "sms": lambda: _periods(data, _volume),
            "performance": lambda: _performance(data.hour),
            "approvals": lambda: _periods(data, _approvals),
            "approval_queue": lambda: schema.ApprovalQueue(
                length=int(data.worst("queue_length")),
                oldest_age_seconds=round(data.worst("queue_oldest_age_seconds"), 1),
            ),
            "escalations": lambda: _periods(data, _escalations),
            "escalations_open": lambda: _open_escalations(data),
            "payment_plans": lambda: _periods(data, _payment_plans),
            "workflows": lambda: _periods(data, _workflows),
            "errors": lambda: _periods(data, _errors),
            "ai_confidence": lambda: _periods(
                data, lambda totals: _distributed(totals.of(catalogue.AI_CONFIDENCE))
            ),
            "throughput": lambda: _throughput(data),
            "resources": lambda: self._resources(data),
            "thresholds": lambda: self._thresholds(data),
            "health": lambda: self._health(data),
        }
        return schema.MetricsAnswer.model_construct(
            **{name: make[name]() for name in schema.SECTIONS if name in sections}
        )

    async def _read(self, sections: Collection[str]) -> _Data:
        this_minute = int(time.time()) // MINUTE * MINUTE
        until = this_minute + MINUTE
        this_hour = this_minute // HOUR * HOUR
        zone = self._settings.zone
        ranges = [
            (until - HOUR, until),
            (midnight(this_minute, zone), until),
            (monday(this_minute, zone), until),
            (until - RECENT, until),
            # Whole ones: a minute that runs would look like a drop.
            (this_minute - RECENT, this_minute),
            (this_hour - HOUR, this_hour),
            (this_hour - DAY, this_hour),
            *((this_hour - HOUR - w * WEEK, this_hour - w * WEEK) for w in _weeks()),
        ]
        # A short question is not made to pay for the long ones.
        asked = ranges[:1] if set(sections) == {"last_hour"} else ranges
        totals = await self._rollups.read(asked, self._metrics)
        totals += [Totals() for _ in ranges[len(asked) :]]
        try:
            workers = await self._rollups.writers()
        except (SQLAlchemyError, OSError):
            workers = []
        hour, today, week, recent, last_minutes, last_full_hour, last_day, *same_hours = totals
        return _Data(
            hour,
            today,
            week,
            recent,
            last_minutes,
            last_full_hour,
            last_day,
            same_hours,
            workers,
        )

    def _thresholds(self, data: _Data) -> list[schema.Threshold]:
        return thresholds(
            self._settings,
            Now(
                data.recent,
                data.hour,
                int(data.added("in_flight")),
                data.worst("queue_oldest_age_seconds"),
                data.breakers,
            ),
        )

    def _resources(self, data: _Data) -> schema.Resources:
        return schema.Resources(
            in_flight=int(data.added("in_flight")),
            capacity=self._settings.thresholds.concurrent_sms,
            cpu_cores=round(data.added("cpu_ratio"), 3),
            memory_bytes=int(data.added("memory_bytes")),
            event_loop_lag_seconds=round(data.worst("loop_lag_seconds"), 4),
            db_connections=schema.Connections(
                used=int(data.added("db_connections_used")),
                max=int(data.added("db_connections_max")),
            ),
        )

    def _health(self, data: _Data) -> schema.Health:
        store = self._rollups.health
        states = [threshold.state for threshold in self._thresholds(data)]
        is_down = not store.is_up or not data.hour.complete
        now = time.time()
        return schema.Health(
            status="critical"
            if "critical" in states or is_down
            else "warning"
            if "warning" in states
            else "ok",
            availability=evaluate(MEASURES["http.availability"], data.hour, HOUR).value,
            uptime_seconds=round(
                max((now - (s.get("started") or now) for s in data.states), default=0), 1
            ),
            dependencies={component: _dependency(data, component) for component in Component},
            breaker_transitions=data.hour.of(catalogue.CIRCUIT_BREAKER_TRANSITIONS).count,
            rollup_store=schema.RollupStore(
                state="down" if is_down else "ok",
                reason=store.reason,
                since=store.since,
                complete=data.hour.complete,
                unwritten_events=store.unwritten_events,
                lost_events=store.lost_events,
            ),
            workers=[
                schema.Worker(
                    host=worker.host,
                    pid=worker.pid,
                    uptime_seconds=round(now - (worker.state.get("started") or now), 1),
                    last_seen=datetime.fromtimestamp(worker.last_seen, UTC),
                )
                for worker in data.workers
            ],
        )


def _weeks() -> range:
    return range(1, BASELINE_WEEKS + 1)


def _periods(data: _Data, section: Callable[[Totals], T]) -> schema.Periods[T]:
    return schema.Periods[T](
        last_hour=section(data.hour), today=section(data.today), this_week=section(data.week)
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
    return schema.LastHour(
        sms_received=totals.of(catalogue.SMS_RECEIVED).count,
        ai_responses=responses,
        auto_approval_rate=_ratio(auto_sent, responses) or 0.0,
        avg_response_time_ms=round((_answered(totals).mean or 0) * 1000),
    )


def _answered(totals: Totals) -> Total:
    """SMS that were sent, queued or escalated: how long a failure took is no response time."""
    routes = totals.by(catalogue.SMS_PROCESSING_DURATION, "route")
    return added_up(total for route, total in routes.items() if route != Route.FAILED)


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
    )


def _open_escalations(data: _Data) -> dict[str, int]:
    found: dict[str, int] = {}
    for state in data.states:
        for severity, count in (state.get("open_escalations") or {}).items():
            found[severity] = max(found.get(severity, 0), int(count))
    return found


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
        message=_distributed(_answered(totals)),
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


def _throughput(data: _Data) -> schema.Throughput:
    metric = catalogue.SMS_RECEIVED
    hours = [each.of(metric).count for each in data.same_hours]
    with_data = [count for count in hours if count]
    baseline = sum(with_data) / len(with_data) if with_data else None
    last_hour = data.last_full_hour.of(metric).count
    return schema.Throughput(
        per_minute=round(data.last_minutes.of(metric).count / (RECENT // MINUTE), 2),
        per_hour=last_hour,
        per_day=data.last_day.of(metric).count,
        baseline_per_hour=_rounded(baseline),
        deviation=_rounded(last_hour / baseline - 1) if baseline else None,
    )


def _dependency(data: _Data, component: Component) -> schema.Dependency:
    total = data.recent.of(catalogue.OPERATION_DURATION, component=component)
    errors = data.recent.of(catalogue.OPERATION_ERRORS, component=component).count
    breaker = data.breakers.get(component)
    is_failing = breaker is BreakerState.OPEN or 2 * errors > max(total.count, errors)
    return schema.Dependency(
        state="failing" if is_failing else "ok" if total.count else "unused",
        breaker=breaker,
        calls=total.count,
        errors=errors,
    )


def _counts(totals: Mapping[str, Total]) -> dict[str, int]:
    return {name: total.count for name, total in sorted(totals.items()) if total.count}
