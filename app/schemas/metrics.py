"""Answers of the JSON metrics endpoints. Times are in seconds unless a name says otherwise.

Null is what isn't known: where `complete` is false because the store did not answer, because what
was counted has expired, or because nobody counted then; else because there was nothing to measure.
"""

from datetime import datetime
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, Field, RootModel

from app.core.catalogue import BreakerState
from app.core.thresholds import State

T = TypeVar("T")


class LastHour(BaseModel):
    """The minute that runs and the 59 before it."""

    sms_received: int = Field(description="SMS accepted", examples=[120])
    ai_responses: int = Field(description="answers the AI wrote", examples=[118])
    auto_approval_rate: float | None = Field(
        ge=0,
        le=1,
        description="share of the AI's answers sent without a manager; null without answers",
        examples=[0.71],
    )
    avg_response_time_ms: int | None = Field(
        description="mean time from accepting an SMS to its routing, ms; null when there were none",
        examples=[840],
    )


class Today(BaseModel):
    """Since midnight in the configured time zone."""

    total_messages: int = Field(description="SMS accepted", examples=[1450])
    escalations: int = Field(description="escalations opened", examples=[31])
    payment_plans: int = Field(description="payment plans found", examples=[88])


class ThisWeek(Today):
    """Since Monday's midnight in the configured time zone."""


class Periods(BaseModel, Generic[T]):
    """The same figures for the last hour, today and this week; null where not all is known."""

    last_hour: T | None
    today: T | None
    this_week: T | None


class Distribution(BaseModel):
    """How a value is distributed; all but the count are null when there was none."""

    count: int
    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    max: float | None = None


class Volume(BaseModel):
    """SMS received, processed and failed; each counts once, also when it is run again."""

    received: int
    processed: int = Field(description="SMS whose first run has ended, failed ones included")
    failed: int = Field(description="SMS whose first run failed; see workflows for those run again")


class Approvals(BaseModel):
    """Decisions on the AI's answers."""

    auto: int = Field(description="sent without a manager")
    auto_rate: float | None = Field(description="share of the AI's answers, 0 to 1")
    manual: int = Field(description="approved unchanged by a manager")
    modified: int
    escalated: int
    waiting_time: Distribution = Field(description="time from queueing to the decision")


class ApprovalQueue(BaseModel):
    """What waits for a manager now."""

    length: int
    oldest_age_seconds: float


class Escalations(BaseModel):
    """Escalations opened, and how long resolved ones were open."""

    opened: int
    by_type: dict[str, int]
    by_severity: dict[str, int]
    auto_detected: int
    manual: int
    resolution_time: Distribution
    resolution_time_by_severity: dict[str, Distribution]


class PaymentPlans(BaseModel):
    """Payment plans looked for, found, validated and confirmed."""

    messages_examined: int
    detection_rate: float | None = Field(description="share of the messages with a plan, 0 to 1")
    by_result: dict[str, int]
    auto_approved: int
    auto_approval_rate: float | None = Field(description="share of the plans found, 0 to 1")


class Workflows(BaseModel):
    """Workflows: their steps, failures and recoveries."""

    failures: int
    retries: int
    recoveries: int
    step_times: dict[str, Distribution]


class Operation(BaseModel):
    """One kind of call."""

    component: str
    operation: str
    errors: int
    error_rate: float | None = Field(description="share of the calls, 0 to 1")
    time: Distribution


class Errors(BaseModel):
    """Failed operations by service and by reason."""

    total: int
    by_service: dict[str, int]
    by_type: dict[str, int]


class Performance(BaseModel):
    """The last hour's response times."""

    message: Distribution = Field(
        description="an SMS, from accepting it to the end of its workflow"
    )
    ai: Distribution = Field(description="one call to the AI")
    services: dict[str, Distribution] = Field(description="one call, by service")
    operations: list[Operation] = Field(description="each operation of each service")


class Throughput(BaseModel):
    """SMS received, beside what is usual; null where too little of that time was counted."""

    per_minute: float | None = Field(
        description="mean over what was counted of the last 5 whole minutes; null below one minute"
    )
    per_hour: int | None = Field(
        description="in the last whole hour of the local clock; null unless 95 % of it was counted"
    )
    per_day: int | None = Field(
        description="in the last 24 whole hours; null unless 95 % of them was counted"
    )
    baseline_per_hour: float | None = Field(
        description="mean of the same hour of the local week, in those of the past 4 weeks of "
        "which it is known"
    )
    deviation: float | None = Field(
        description="per_hour divided by its baseline, minus 1: -0.2 is a fifth less than usual"
    )


class Dependency(BaseModel):
    """One dependency, by what its calls of the last 5 minutes gave."""

    state: Literal["ok", "failing", "unused", "unknown"] = Field(
        description="failing: its breaker is open, it asked not to be called, most calls failed, "
        "or more than its alert's limit allows"
    )
    breaker: BreakerState | None = Field(
        description="the worst state over all workers; the database has no breaker"
    )
    calls: int | None = Field(description="those that ended, and those refused before they began")
    errors: int | None = Field(description="those of the calls that failed or were refused")
    asked_to_wait_until: datetime | None = Field(
        None, description="it answered 429 with Retry-After; no call is made before this"
    )


class RollupStore(BaseModel):
    """The store behind these figures."""

    state: Literal["ok", "down"]
    reason: str | None
    since: datetime | None
    complete: bool = Field(description="false: the store does not answer, so nothing is known")
    unwritten_events: int
    lost_events: int


class Worker(BaseModel):
    """One worker process of some replica."""

    host: str
    pid: int
    uptime_seconds: float | None
    last_seen: datetime


class Health(BaseModel):
    """Whether all is well."""

    status: Literal["ok", "warning", "critical", "unknown"] = Field(
        description="the worst of the thresholds, objectives, dependencies and the rollup store: "
        "critical is what would page somebody, warning what would open a ticket; unknown is where "
        "nothing of the last minutes is known"
    )
    availability: float | None = Field(
        description="share of the last hour's requests that were not answered 5xx"
    )
    uptime_seconds: float | None = Field(description="of the oldest worker")
    dependencies: dict[str, Dependency]
    breaker_transitions: int | None = Field(description="in the last hour")
    rollup_store: RollupStore
    workers: list[Worker] | None


class Connections(BaseModel):
    """Connections of the database pools."""

    used: int | None
    max: int | None


class Slo(BaseModel):
    """A service level objective, and how much may still go wrong."""

    name: str
    promise: str
    objective: float = Field(description="share of the events that must succeed")
    period_days: int = Field(description="days that the error budget covers")
    events: int | None = Field(description="in the period, as far back as there was counting")
    failed: int | None
    budget_left: float | None = Field(
        description="share of the errors allowed in the period that are left; below 0 the promise "
        "is broken. Null without events"
    )
    burn_rate_1h: float | None = Field(
        description="last hour's errors; at 1 the budget lasts exactly the period"
    )
    state: State
    complete: bool
    as_of: datetime


class Resources(BaseModel):
    """What the workers use now; null is what none of them knows yet."""

    in_flight: int | None = Field(description="SMS whose workflow is running")
    capacity: int = Field(
        description="SMS that can be processed at the same time without getting slower"
    )
    cpu_cores: float | None
    memory_bytes: int | None
    event_loop_lag_seconds: float | None = Field(description="the highest of the workers")
    db_connections: Connections


class Threshold(BaseModel):
    """A limit of an alert, and where its value stands: what is well here does not alert."""

    name: str
    description: str
    alert: str = Field(description="the alert that this limit is of")
    value: float | None
    unit: str
    warning: float | None = Field(description="above it a ticket is opened; null: none is")
    critical: float | None = Field(description="above it somebody is paged; null: nobody is")
    state: State


_COVERAGE = Field(
    description="share of the time up to now in which the service counted; above 1 where the clock "
    "was set back and passed some of it twice"
)


class RangeValue(BaseModel):
    """A measure over a range, or over one group of it."""

    labels: dict[str, str] = Field(default={}, description="the group")
    value: int | float | None
    count: int | None = None
    min: float | None = None
    max: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    complete: bool = Field(description="false: it isn't known, so the value is null")
    coverage: float | None = _COVERAGE
    as_of: datetime = Field(description="what was counted until then is in it")


class RangeMeasure(BaseModel):
    """One measure over a range: its values, one a group."""

    measure: str
    kind: str
    unit: str
    values: list[RangeValue]
    compared: list[RangeValue] | None = Field(
        None, description="the same range, earlier by `compare`"
    )
    points: list["Point"] | None = Field(None, description="one point per step")


class Point(RangeValue):
    """A measure over one step."""

    time: datetime = Field(description="the beginning of the step")


class Range(BaseModel):
    """Measures over a range. It is widened to what is kept at its age."""

    start: datetime = Field(serialization_alias="from")
    end: datetime = Field(serialization_alias="to")
    step_seconds: int | None = None
    compared_start: datetime | None = None
    compared_end: datetime | None = None
    complete: bool
    as_of: datetime
    measures: list[RangeMeasure]


class SeriesRow(BaseModel, extra="allow"):
    """One measure in one group over one step; labels are members of their own."""

    time: datetime
    measure: str
    unit: str
    value: int | float | None
    count: int | None
    min: float | None
    max: float | None
    p50: float | None
    p90: float | None
    p99: float | None
    complete: bool
    coverage: float | None = _COVERAGE
    as_of: datetime


class Series(RootModel[list[SeriesRow]]):
    """Flat rows, oldest first."""


class MeasureDescription(BaseModel):
    """One thing that can be asked for."""

    measure: str
    kind: str = Field(description="count, distribution, ratio, rate or gauge")
    unit: str
    description: str
    group_by: dict[str, list[str] | None] = Field(
        description="labels it can be split by, with their values; null: any"
    )
    retention_days: dict[str, float] = Field(
        description="how long it is kept in steps of 1m, 5m, 1h and 1d (UTC)"
    )


class Measures(BaseModel):
    """Everything that can be asked for."""

    as_of: datetime
    complete: bool
    measures: list[MeasureDescription]


class MetricsAnswer(BaseModel):
    """The business at a glance. Sections that were not asked for are left out.

    A section is null while nothing is known of it.
    """

    complete: bool = Field(description="false: not all could be read, and what could not is null")
    as_of: datetime = Field(description="what was counted until then is in it")
    last_hour: LastHour | None = None
    today: Today | None = None
    this_week: ThisWeek | None = None
    sms: Periods[Volume] | None = None
    performance: Performance | None = None
    approvals: Periods[Approvals] | None = None
    approval_queue: ApprovalQueue | None = None
    escalations: Periods[Escalations] | None = None
    escalations_open: dict[str, int] | None = Field(None, description="now, by severity")
    payment_plans: Periods[PaymentPlans] | None = None
    workflows: Periods[Workflows] | None = None
    errors: Periods[Errors] | None = None
    ai_confidence: Periods[Distribution] | None = None
    throughput: Throughput | None = None
    coverage: Periods[float] | None = Field(
        None,
        description="share of each period up to now in which the service counted: 0.5 where it was "
        "down for half of it. Above 1 where the clock was set back and passed some of it twice",
    )
    resources: Resources | None = None
    thresholds: list[Threshold] | None = None
    slos: list[Slo] | None = None
    health: Health | None = None
    range: Range | None = None


SECTIONS = tuple(
    name for name in MetricsAnswer.model_fields if name not in ("complete", "as_of", "range")
)
