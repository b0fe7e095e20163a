"""The overview: what `GET /orchestrate/metrics` says without being asked anything."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

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
from app.services.alert_limits import Now, called, limits, worst
from app.services.measures import MEASURES, Measure, distribution, evaluate, rolled_up
from app.services.objectives import Objectives
from app.services.rollups import (
    Rollups,
    StoreUnreadableError,
    Total,
    Totals,
    WriterState,
    added_up,
)
from app.services.rollups.rollups import retentions
from app.services.rollups.tables import KIND_OF
from app.services.time_ranges import (
    DAY,
    HOUR,
    MINUTE,
    clock_hour,
    days_earlier,
    midnight,
    monday,
    spelled,
)

T = TypeVar("T")

RECENT = 5 * MINUTE
BASELINE_WEEKS = 4
_WORST = (BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED)


@dataclass(frozen=True, slots=True)
class _Data:
    """Everything the sections are made of; ``unreadable`` says why nothing is known."""

    hour: Totals
    today: Totals
    week: Totals
    recent: Totals
    last_minutes: Totals
    last_full_hour: Totals
    last_day: Totals
    same_hours: Sequence[Totals]
    workers: list[WriterState] | None
    slos: list[schema.Slo] | None
    unreadable: str | None = None

    @property
    def states(self) -> list[Mapping[str, Any]]:
        """What the live workers said last; every key may be missing."""
        return [worker.state for worker in self.workers or ()]

    def told(self, key: str) -> list[Any]:
        """A figure of each worker that knows it."""
        return [state[key] for state in self.states if state.get(key) is not None]

    def added(self, key: str) -> float | None:
        """A figure of the workers, added up; None where none knows it."""
        return sum(told) if (told := self.told(key)) else None

    def largest(self, key: str) -> float | None:
        """The largest of a figure that each worker has; None where none knows it."""
        return max(self.told(key), default=None)

    @property
    def breakers(self) -> dict[str, BreakerState | None]:
        """The worst state of each breaker over the workers; None where none knows it."""
        found: dict[str, BreakerState | None] = {}
        for component in UPSTREAMS:
            its = {(state.get("breakers") or {}).get(component) for state in self.states}
            found[component] = next((s for s in _WORST if s in its), None)
        return found


class MetricsReport:
    """Builds the overview from one reading of the rollups."""

    def __init__(self, settings: Settings, rollups: Rollups) -> None:
        self._settings = settings
        self._rollups = rollups
        self._metrics = list(rolled_up())
        self._objectives = Objectives(settings.thresholds, rollups)

    async def overview(self, sections: Collection[str] = schema.SECTIONS) -> schema.MetricsAnswer:
        """The overview, or these sections of it.

        "Last hour" is the minute that runs and the 59 before it; today and this week begin at
        midnight of the configured time zone, the week on Monday. When the store does not answer
        all is null, but for the health, which says so.
        """
        as_of = datetime.now(UTC).replace(microsecond=0)
        if not sections:
            return schema.MetricsAnswer.model_construct(complete=True, as_of=as_of)
        try:
            data = await self._read(sections)
        except StoreUnreadableError as error:
            data = _data([], unreadable=str(error))
        make: dict[str, Callable[[], Any]] = {
            "last_hour": lambda: _known(data.hour, _last_hour),
            "today": lambda: _known(data.today, lambda totals: schema.Today(**_sums(totals))),
            "this_week": lambda: _known(data.week, lambda totals: schema.ThisWeek(**_sums(totals))),
            "sms": lambda: _periods(data, _volume),
            "performance": lambda: _known(data.hour, _performance),
            "approvals": lambda: _periods(data, _approvals),
            "approval_queue": lambda: _approval_queue(data),
            "escalations": lambda: _periods(data, _escalations),
            "escalations_open": lambda: _open_escalations(data),
            "payment_plans": lambda: _periods(data, _payment_plans),
            "workflows": lambda: _periods(data, _workflows),
            "errors": lambda: _periods(data, _errors),
            "ai_confidence": lambda: _periods(
                data, lambda totals: _distributed(totals.of(catalogue.AI_CONFIDENCE))
            ),
            "throughput": lambda: None if data.unreadable else _throughput(data),
            "resources": lambda: self._resources(data),
            "thresholds": lambda: self._thresholds(data),
            "slos": lambda: data.slos,
            "health": lambda: self._health(data),
        }
        return schema.MetricsAnswer.model_construct(
            complete=data.unreadable is None,
            as_of=as_of,
            **{name: make[name]() for name in schema.SECTIONS if name in sections},
        )

    def measures(self) -> schema.Measures:
        """What can be asked for."""
        return schema.Measures(
            as_of=datetime.now(UTC).replace(microsecond=0),
            complete=True,
            measures=[self._described(measure) for measure in MEASURES.values()],
        )

    def _described(self, measure: Measure) -> schema.MeasureDescription:
        kinds = {KIND_OF[metric.kind] for metric in measure.metrics}
        labels = {name: measure.part.metric.label(name).values for name in measure.group_by}
        return schema.MeasureDescription(
            measure=measure.name,
            kind=measure.kind,
            unit=measure.unit,
            description=measure.help,
            group_by={
                name: None if values is None else [*values] for name, values in labels.items()
            },
            retention_days={
                spelled(seconds): min(getattr(days, kind) for kind in kinds)
                for seconds, days in retentions(self._settings.rollups).items()
            },
        )

    async def _read(self, sections: Collection[str]) -> _Data:
        """Raises StoreUnreadableError."""
        this_minute = int(time.time()) // MINUTE * MINUTE
        until = this_minute + MINUTE
        zone = self._settings.zone
        this_hour = clock_hour(this_minute, zone)
        ranges = [
            (until - HOUR, until),
            (midnight(this_minute, zone), until),
            (monday(this_minute, zone), until),
            (until - RECENT, until),
            # Whole ones: a minute that runs would look like a drop.
            (this_minute - RECENT, this_minute),
            (this_hour - HOUR, this_hour),
            (this_hour - DAY, this_hour),
        ]
        # A short question is not made to pay for the long ones.
        asked = ranges[:1] if set(sections) == {"last_hour"} else ranges
        totals = await self._rollups.stored(asked, self._metrics)
        same_hours: list[Totals] = []
        if "throughput" in sections:
            hours = _same_hours(this_hour, zone)
            same_hours = await self._rollups.stored(hours, [catalogue.SMS_RECEIVED])
        slos = None
        if not {"slos", "health"}.isdisjoint(sections):
            slos = await self._objectives.status()
        try:
            workers = await self._rollups.writers()
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnreadableError(str(getattr(error, "orig", error))) from error
        return _data(totals, same_hours, workers, slos)

    def _thresholds(self, data: _Data) -> list[schema.Threshold]:
        return limits(
            self._settings.thresholds,
            Now(
                recent=data.recent,
                in_flight=data.added("in_flight"),
                instances=len({worker.host for worker in data.workers or ()}),
                breakers=data.breakers,
                waiting=data.largest("queue_length"),
                oldest_waiting_seconds=data.largest("queue_oldest_age_seconds"),
            ),
        )

    def _resources(self, data: _Data) -> schema.Resources | None:
        if not data.workers:
            return None
        return schema.Resources(
            in_flight=int(data.added("in_flight") or 0),
            capacity=self._settings.thresholds.concurrent_sms,
            cpu_cores=round(data.added("cpu_ratio") or 0, 3),
            memory_bytes=int(data.added("memory_bytes") or 0),
            event_loop_lag_seconds=round(data.largest("loop_lag_seconds") or 0, 4),
            db_connections=schema.Connections(
                used=int(data.added("db_connections_used") or 0),
                max=int(data.added("db_connections_max") or 0),
            ),
        )

    def _health(self, data: _Data) -> schema.Health:
        store = self._rollups.health
        dependencies = {component: self._dependency(data, component) for component in Component}
        is_down = not store.is_up or data.unreadable is not None
        states = [threshold.state for threshold in self._thresholds(data)]
        states += [slo.state for slo in data.slos or ()]
        states += ["warning" for each in dependencies.values() if self._alarms(each)]
        now = time.time()
        return schema.Health(
            status="critical" if is_down else worst(states),
            availability=evaluate(MEASURES["http.availability"], data.hour, HOUR).value,
            uptime_seconds=None
            if data.workers is None
            else round(max((now - started for started in data.told("started")), default=0), 1),
            dependencies={**dependencies},
            breaker_transitions=data.hour.of(catalogue.CIRCUIT_BREAKER_TRANSITIONS).count
            if data.hour.complete
            else None,
            rollup_store=schema.RollupStore(
                state="down" if is_down else "ok",
                reason=data.unreadable or store.reason,
                since=store.since,
                complete=data.unreadable is None,
                unwritten_events=store.unwritten_events,
                lost_events=store.lost_events,
            ),
            workers=None
            if data.workers is None
            else [
                schema.Worker(
                    host=worker.host,
                    pid=worker.pid,
                    uptime_seconds=round(now - (worker.state.get("started") or now), 1),
                    last_seen=datetime.fromtimestamp(worker.last_seen, UTC),
                )
                for worker in data.workers
            ],
        )

    def _dependency(self, data: _Data, component: Component) -> schema.Dependency:
        breaker = data.breakers.get(component)
        if not data.recent.complete:
            return schema.Dependency(state="unknown", breaker=breaker, calls=None, errors=None)
        total = data.recent.of(catalogue.OPERATION_DURATION, component=component)
        found = called(data.recent, component)
        is_failing = breaker is BreakerState.OPEN or 2 * found.part > found.whole
        return schema.Dependency(
            state="failing" if is_failing else "ok" if found.whole else "unused",
            breaker=breaker,
            calls=total.count,
            errors=found.part,
        )

    def _alarms(self, dependency: schema.Dependency) -> bool:
        """Whether it fails for sure: one call of one that failed calls nobody."""
        enough = (dependency.errors or 0) >= self._settings.thresholds.minimum_failures
        return dependency.state == "failing" and (enough or dependency.breaker is BreakerState.OPEN)


def _data(
    totals: Sequence[Totals],
    same_hours: Sequence[Totals] = (),
    workers: list[WriterState] | None = None,
    slos: list[schema.Slo] | None = None,
    unreadable: str | None = None,
) -> _Data:
    """What was read; of totals that are missing nothing is known."""
    missing = (Totals(complete=False) for _ in range(7 - len(totals)))
    hour, today, week, recent, last_minutes, last_full_hour, last_day = (*totals, *missing)
    return _Data(
        hour=hour,
        today=today,
        week=week,
        recent=recent,
        last_minutes=last_minutes,
        last_full_hour=last_full_hour,
        last_day=last_day,
        same_hours=same_hours,
        workers=workers,
        slos=slos,
        unreadable=unreadable,
    )


def _same_hours(this_hour: int, zone: ZoneInfo) -> list[tuple[int, int]]:
    """The local hour before ``this_hour``, in each of the weeks before.

    An hour that a clock change made longer or shorter is left out.
    """
    found = [
        tuple(days_earlier(edge, 7 * week, zone) for edge in (this_hour - HOUR, this_hour))
        for week in range(1, BASELINE_WEEKS + 1)
    ]
    return [(start, end) for start, end in found if end - start == HOUR]


def _known(totals: Totals, section: Callable[[Totals], T]) -> T | None:
    return section(totals) if totals.complete else None


def _periods(data: _Data, section: Callable[[Totals], T]) -> schema.Periods[T] | None:
    if data.unreadable:
        return None
    return schema.Periods[T](
        last_hour=_known(data.hour, section),
        today=_known(data.today, section),
        this_week=_known(data.week, section),
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
    mean = _answered(totals).mean
    return schema.LastHour(
        sms_received=totals.of(catalogue.SMS_RECEIVED).count,
        ai_responses=responses,
        auto_approval_rate=_ratio(auto_sent, responses),
        avg_response_time_ms=None if mean is None else round(mean * 1000),
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
        resolution_time_by_severity={
            severity: _distributed(total)
            for severity, total in sorted(
                totals.by(catalogue.ESCALATION_RESOLUTION_DURATION, "severity").items()
            )
        },
    )


def _open_escalations(data: _Data) -> dict[str, int] | None:
    told = data.told("open_escalations")
    found: dict[str, int] = {}
    for counts in told:
        for severity, count in counts.items():
            found[severity] = max(found.get(severity, 0), int(count))
    return found if told else None


def _approval_queue(data: _Data) -> schema.ApprovalQueue | None:
    length, age = data.largest("queue_length"), data.largest("queue_oldest_age_seconds")
    if length is None or age is None:
        return None
    return schema.ApprovalQueue(length=int(length), oldest_age_seconds=round(age, 1))


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
    def received(totals: Totals) -> int | None:
        return _known(totals, lambda known: known.of(catalogue.SMS_RECEIVED).count)

    hours = [count for totals in data.same_hours if (count := received(totals)) is not None]
    baseline = sum(hours) / len(hours) if hours else None
    last_hour, minutes = received(data.last_full_hour), received(data.last_minutes)
    return schema.Throughput(
        per_minute=None if minutes is None else round(minutes / (RECENT // MINUTE), 2),
        per_hour=last_hour,
        per_day=received(data.last_day),
        baseline_per_hour=_rounded(baseline),
        deviation=_rounded(last_hour / baseline - 1)
        if baseline and last_hour is not None
        else None,
    )


def _counts(totals: Mapping[str, Total]) -> dict[str, int]:
    return {name: total.count for name, total in sorted(totals.items()) if total.count}
