"""Measures: what a client of the JSON endpoints can ask for, each declared once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from app.core import catalogue
from app.core.catalogue import UPSTREAMS, ApprovalAction, Component, Route
from app.core.errors import InvalidRequestError
from app.services.rollups import Total, Totals
from asgi_observability.metric import Metric
from asgi_observability.nearest import did_you_mean


class MeasureKind(StrEnum):
    """What the value of a measure is."""

    COUNT = "count"
    DISTRIBUTION = "distribution"
    RATIO = "ratio"
    RATE = "rate"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Part:
    """Series of a metric: those whose labels have these values; ``5*`` is anything with 5 first."""

    metric: Metric
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """One thing to ask for.

    Its value is the count of ``part``; for a distribution its mean, for a gauge its mean over time,
    for a rate its sum a second, for a ratio its count in that of ``whole`` (less it from 1, when
    ``complement``). ``group_by`` names the labels it can be split by.
    """

    name: str
    kind: MeasureKind
    unit: str
    help: str
    part: Part
    whole: Part | None = None
    complement: bool = False
    group_by: tuple[str, ...] = ()

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics it is made of."""
        return (self.part.metric, *([self.whole.metric] if self.whole else []))


@dataclass(frozen=True, slots=True)
class Value:
    """A measure over a range: its value, None where nothing says; a distribution's details."""

    value: float | None
    count: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None

    def details(self) -> dict[str, float | None]:
        """Its parts, by the names that answers and files give them."""
        return {
            "value": self.value,
            "count": self.count,
            "min": self.minimum,
            "max": self.maximum,
            "p50": self.p50,
            "p90": self.p90,
            "p99": self.p99,
        }


def evaluate(measure: Measure, totals: Totals, **labels: str) -> Value:
    """``measure`` in ``totals``; ``labels`` pick a group.

    Where not all is known, nothing is said. A rate is over the time in which there was counting.
    """
    if not totals.complete:
        return Value(None)
    total = totals.of(measure.part.metric, **{**measure.part.labels, **labels})
    match measure.kind:
        case MeasureKind.COUNT:
            return Value(total.count)
        case MeasureKind.RATE:
            seconds = totals.counted_seconds
            return Value(total.sum / seconds if seconds else None)
        case MeasureKind.GAUGE:
            return Value(total.mean, maximum=total.maximum)
        case MeasureKind.RATIO:
            assert measure.whole is not None, "a ratio has a whole"
            whole = totals.of(measure.whole.metric, **{**measure.whole.labels, **labels})
            if not whole.count:
                return Value(None, count=0)
            ratio = total.count / whole.count
            return Value(1 - ratio if measure.complement else ratio, count=whole.count)
        case MeasureKind.DISTRIBUTION:
            return distribution(total)


def distribution(total: Total) -> Value:
    """Mean, extremes and quantiles of a total."""
    return Value(
        total.mean,
        total.count,
        total.minimum,
        total.maximum,
        *(total.quantile(q) for q in (0.5, 0.9, 0.99)),
    )


# What a histogram counts, where its unit is that of the observations.
_COUNTED = {
    catalogue.SMS_PROCESSING_DURATION.name: "messages",
    catalogue.HTTP_SERVER_REQUEST_DURATION.name: "requests",
}


def _count(name: str, help_: str, metric: Metric, *group_by: str, **labels: str) -> Measure:
    unit = _COUNTED.get(metric.name, metric.unit)
    return Measure(name, MeasureKind.COUNT, unit, help_, Part(metric, labels), group_by=group_by)


def _distribution(name: str, help_: str, metric: Metric, *group_by: str, **labels: str) -> Measure:
    part = Part(metric, labels)
    return Measure(name, MeasureKind.DISTRIBUTION, metric.unit, help_, part, group_by=group_by)


def _gauge(name: str, help_: str, metric: Metric, *group_by: str, **labels: str) -> Measure:
    part = Part(metric, labels)
    return Measure(name, MeasureKind.GAUGE, metric.unit, help_, part, group_by=group_by)


def _ratio(name: str, help_: str, part: Part, whole: Part, *, complement: bool = False) -> Measure:
    return Measure(
        name,
        MeasureKind.RATIO,
        unit="ratio",
        help=help_,
        part=part,
        whole=whole,
        complement=complement,
    )


_SMS = catalogue.SMS_PROCESSING_DURATION
_REQUESTS = catalogue.HTTP_SERVER_REQUEST_DURATION
_REQUEST_LABELS = ("http_route", "http_request_method", "http_response_status_code")
_OPERATION_LABELS = ("component", "operation", "outcome")

RESPONSE_TIMES = {
    component: _distribution(
        f"response_time.{'ai' if component is Component.AI_PROVIDER else component}",
        f"time of one call of {component}",
        catalogue.OPERATION_DURATION,
        *_OPERATION_LABELS,
        component=component,
    )
    for component in (*UPSTREAMS, Component.DATABASE)
}

MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        _count("sms.received", "SMS accepted", catalogue.SMS_RECEIVED),
        _count("sms.processed", "SMS whose first run has ended", _SMS, "route"),
        _count("sms.failed", "SMS whose first run failed", _SMS, route=Route.FAILED),
        _distribution(
            "response_time.message",
            "from accepting an SMS to the end of its first run",
            _SMS,
            "route",
        ),
        *RESPONSE_TIMES.values(),
        _distribution("response_time.http", "time of a request", _REQUESTS, *_REQUEST_LABELS),
        _count("ai.responses", "answers of the AI", catalogue.AI_RESPONSES, "route"),
        _distribution("ai.confidence", "confidence of the AI's answers", catalogue.AI_CONFIDENCE),
        _count(
            "approvals.auto",
            "sent without a manager",
            catalogue.AI_RESPONSES,
            route=Route.AUTO_SENT,
        ),
        _ratio(
            "approvals.auto_rate",
            "share of the AI's answers sent without a manager",
            Part(catalogue.AI_RESPONSES, {"route": Route.AUTO_SENT}),
            Part(catalogue.AI_RESPONSES),
        ),
        *(
            _count(f"approvals.{name}", help_, catalogue.APPROVALS, action=action)
            for name, help_, action in (
                ("manual", "approved by a manager as they were", ApprovalAction.APPROVE),
                ("modified", "changed by a manager", ApprovalAction.MODIFY),
                ("escalated", "escalated by a manager", ApprovalAction.ESCALATE),
            )
        ),
        _distribution(
            "approvals.waiting_time",
            "from queueing to a manager's decision",
            catalogue.APPROVAL_WAIT_DURATION,
            "action",
        ),
        _gauge("approvals.queue_length", "waiting responses", catalogue.APPROVAL_QUEUE_LENGTH),
        _gauge("approvals.oldest_age", "age of the oldest", catalogue.APPROVAL_QUEUE_OLDEST_AGE),
        _count(
            "escalations.opened",
            "escalations opened",
            catalogue.ESCALATIONS,
            *("type", "severity", "detection"),
        ),
        _gauge("escalations.open", "not resolved yet", catalogue.ESCALATIONS_OPEN, "severity"),
        _distribution(
            "escalations.resolution_time",
            "from opening to resolving",
            catalogue.ESCALATION_RESOLUTION_DURATION,
            *("type", "severity"),
        ),
        _count("payment_plans.found", "plans found", catalogue.PAYMENT_PLANS, "result"),
        _ratio(
            "payment_plans.detection_rate",
            "share of messages with a plan",
            Part(catalogue.PAYMENT_PLAN_DETECTIONS, {"result": "found"}),
            Part(catalogue.PAYMENT_PLAN_DETECTIONS),
        ),
        _count(
            "payment_plans.auto_approved",
            "valid plans confirmed without a manager",
            catalogue.PAYMENT_PLANS_AUTO_APPROVED,
        ),
        _ratio(
            "payment_plans.auto_approval_rate",
            "share of the plans confirmed without a manager",
            Part(catalogue.PAYMENT_PLANS_AUTO_APPROVED),
            Part(catalogue.PAYMENT_PLANS),
        ),
        _distribution(
            "workflows.step_time",
            "time of a workflow step",
            catalogue.WORKFLOW_STEP_DURATION,
            *("step", "step_type", "status"),
        ),
        _count(
            "workflows.interrupted",
            "cut off by the end of their process",
            catalogue.WORKFLOWS_INTERRUPTED,
        ),
        _count("workflows.retries", "run again on request", catalogue.WORKFLOW_RETRIES, "result"),
        _count(
            "workflows.recoveries",
            "run again with success",
            catalogue.WORKFLOW_RETRIES,
            result="recovered",
        ),
        _count(
            "errors.count",
            "failed operations",
            catalogue.OPERATION_ERRORS,
            *("component", "operation", "error_type"),
        ),
        _count(
            "errors.retries",
            "attempts made again",
            catalogue.OPERATION_RETRIES,
            *("component", "operation"),
        ),
        _count(
            "breakers.transitions",
            "changes of a circuit breaker into a state",
            catalogue.CIRCUIT_BREAKER_TRANSITIONS,
            *("component", "state"),
        ),
        _count("http.requests", "requests answered", _REQUESTS, *_REQUEST_LABELS),
        _ratio(
            "http.availability",
            "share of requests without a 5xx",
            Part(_REQUESTS, {"http_response_status_code": "5*"}),
            Part(_REQUESTS),
            complement=True,
        ),
        _gauge("load.in_flight", "SMS whose workflow runs", catalogue.SMS_IN_FLIGHT),
        _gauge("load.requests", "requests being served", catalogue.HTTP_SERVER_ACTIVE_REQUESTS),
        Measure(
            "resources.cpu",
            MeasureKind.RATE,
            "cores",
            "CPU used by all workers",
            Part(catalogue.PROCESS_CPU),
        ),
        _gauge("resources.memory", "resident memory of all workers", catalogue.PROCESS_MEMORY),
        _distribution("resources.event_loop_lag", "how late timers run", catalogue.EVENT_LOOP_LAG),
        _gauge(
            "resources.db_connections",
            "connections of the pool",
            catalogue.DB_CLIENT_CONNECTIONS,
            "state",
        ),
    )
}


def rolled_up() -> Iterator[Metric]:
    """The metrics that the rollups have to keep, each once."""
    yield from {m.name: m for measure in MEASURES.values() for m in measure.metrics}.values()


def selected(text: str | None, group_by: Sequence[str]) -> tuple[Measure, ...]:
    """The measures named in ``text``; without it all that can be grouped so.

    Raises InvalidRequestError naming what is unknown, and what is like it, or the measure that
    can't be grouped so.
    """
    if text is None:
        return tuple(m for m in MEASURES.values() if set(group_by) <= set(m.group_by))
    found = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        if name not in MEASURES:
            raise InvalidRequestError(unknown("metrics", name, MEASURES), "metrics")
        found.append(MEASURES[name])
    if not found:
        raise InvalidRequestError("metrics: name at least one, such as sms.received", "metrics")
    for measure in found:
        if missing := [label for label in group_by if label not in measure.group_by]:
            can = ", ".join(measure.group_by) or "nothing"
            raise InvalidRequestError(
                f"group_by={missing[0]}: {measure.name} can be grouped by {can}", "group_by"
            )
    return tuple(dict.fromkeys(found))


def grouping(text: str | None) -> tuple[str, ...]:
    """The labels to group by. Raises InvalidRequestError for one that no measure has."""
    known = sorted({label for measure in MEASURES.values() for label in measure.group_by})
    found = [part.strip() for part in (text or "").split(",") if part.strip()]
    for name in found:
        if name not in known:
            raise InvalidRequestError(unknown("group_by", name, known), "group_by")
    return tuple(dict.fromkeys(found))


def unknown(field: str, name: str, known: Iterable[str]) -> str:
    """What to say about a name that isn't there."""
    hint = did_you_mean(name[:60], known, otherwise=f"there are {', '.join(known)}")
    return f"{field}={name[:60]!r}: unknown name; {hint}"
