"""The catalogue: every metric the service exposes, declared once.

Instruments, recording rules, alerts, dashboards, the metrics reference and the JSON endpoint take
names, labels and allowed values from here. A metric named by a string anywhere else is a defect.

Two families share the catalogue. Metrics without the ``orchestrator_`` prefix belong to the
instrumentation layer and mean the same in any service that adopts it; HTTP and pool metrics follow
the OpenTelemetry semantic conventions in their Prometheus spelling. ``orchestrator_`` metrics count
what this business does.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

OTHER = "other"
"""What a label value outside its closed set is folded into."""


class Kind(StrEnum):
    """Prometheus metric types in use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Label:
    """A label and the closed set of values it may take.

    ``values`` is None where the set is bounded by something other than this file (route templates,
    the release's version); the instrument that uses such a label has to bound it.
    """

    name: str
    values: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it is exposed.

    ``name`` carries its unit and, on counters, ``_total``. ``buckets`` are upper bounds in
    ``unit``. ``merge`` says how a gauge of several live workers becomes one number.
    """

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()
    merge: str = "livesum"

    @property
    def label_names(self) -> tuple[str, ...]:
        return tuple(label.name for label in self.labels)

    @property
    def series_names(self) -> tuple[str, ...]:
        """The names under which Prometheus stores this metric."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return (self.name,)

    @property
    def bucket(self) -> str:
        """The histogram's bucket series."""
        return f"{self.name}_bucket"

    @property
    def sum(self) -> str:
        """The histogram's sum series."""
        return f"{self.name}_sum"

    @property
    def count(self) -> str:
        """The histogram's count series."""
        return f"{self.name}_count"

    def label(self, name: str) -> Label:
        """The label called ``name``; KeyError names the metric when it has none."""
        for label in self.labels:
            if label.name == name:
                return label
        raise KeyError(f"{self.name} has no label {name!r}; it has {', '.join(self.label_names)}")


# --- Label values that code and rules share ------------------------------------------------------


class Component(StrEnum):
    """What the orchestrator calls: its four upstreams and the database."""

    COLLECTIONS_MONITOR = "collections_monitor"
    SMS_AGENT = "sms_agent"
    NOTIFICATION_SERVICE = "notification_service"
    AI_PROVIDER = "ai_provider"
    DATABASE = "database"


UPSTREAMS = (
    Component.COLLECTIONS_MONITOR,
    Component.SMS_AGENT,
    Component.NOTIFICATION_SERVICE,
    Component.AI_PROVIDER,
)


class Operation(StrEnum):
    """The operations timed on a component."""

    GET_TENANT = "get_tenant"
    SEND_SMS = "send_sms"
    GET_CONVERSATION = "get_conversation"
    SEND_NOTIFICATION = "send_notification"
    CHAT_COMPLETION = "chat_completion"
    SELECT = "select"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    OTHER = OTHER


class Outcome(StrEnum):
    """How an operation ended."""

    SUCCESS = "success"
    ERROR = "error"
    CANCELLED = "cancelled"


class ErrorType(StrEnum):
    """Why an operation failed."""

    TIMEOUT = "timeout"
    CONNECTION = "connection"
    CLIENT_ERROR = "client_error"
    SERVER_ERROR = "server_error"
    RATE_LIMITED = "rate_limited"
    INVALID_RESPONSE = "invalid_response"
    CIRCUIT_OPEN = "circuit_open"
    DATABASE = "database"
    OTHER = OTHER


class BreakerState(StrEnum):
    """States of a circuit breaker."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class Step(StrEnum):
    """The steps of one SMS workflow, in order."""

    TENANT_CONTEXT = "tenant_context"
    MESSAGE_HISTORY = "message_history"
    AI_RESPONSE = "ai_response"
    PAYMENT_PLAN = "payment_plan"
    SEND_SMS = "send_sms"
    QUEUE_FOR_APPROVAL = "queue_for_approval"
    OPEN_ESCALATION = "open_escalation"
    NOTIFY_MANAGER = "notify_manager"


class BackgroundTask(StrEnum):
    """What a worker does again and again, beside answering requests."""

    SWEEP = "sweep"
    RECOVERY = "recovery"
    BACKLOG = "backlog"
    ERASURE = "erasure"
    CHECKPOINT = "checkpoint"
    WRITE_CHECK = "write_check"
    ROLLUP_FLUSH = "rollup_flush"
    ROLLUP_EXPIRY = "rollup_expiry"
    ROLLUP_CONSOLIDATION = "rollup_consolidation"
    FACT_FOLDING = "fact_folding"
    WORKER_SNAPSHOT = "worker_snapshot"
    LOG_METRICS = "log_metrics"


class StepType(StrEnum):
    """What kind of work a step is."""

    API_CALL = "api_call"
    AI_PROCESSING = "ai_processing"
    DATABASE_OPERATION = "database_operation"
    NOTIFICATION = "notification"


class StepStatus(StrEnum):
    """How a step ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Route(StrEnum):
    """Where one SMS ended: the routing decision, or a failed workflow."""

    AUTO_SENT = "auto_sent"
    QUEUED = "queued"
    ESCALATED = "escalated"
    FAILED = "failed"


class ApprovalAction(StrEnum):
    """What a manager did with a queued response."""

    APPROVE = "approve"
    MODIFY = "modify"
    ESCALATE = "escalate"


class EscalationType(StrEnum):
    """Why a person must handle a conversation."""

    HOSTILE_LANGUAGE = "hostile_language"
    PAYMENT_DISPUTE = "payment_dispute"
    UNREALISTIC_PROPOSAL = "unrealistic_proposal"
    NO_RESPONSE = "no_response"
    LOW_CONFIDENCE = "low_confidence"
    MANAGER_REQUEST = "manager_request"


class Severity(StrEnum):
    """How urgent an escalation is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Detection(StrEnum):
    """Who opened an escalation."""

    AUTO = "auto"
    MANUAL = "manual"


class PlanResult(StrEnum):
    """Validation result of a payment plan."""

    VALID = "valid"
    NEEDS_REVIEW = "needs_review"
    INVALID = "invalid"


def _values(members: type[StrEnum]) -> tuple[str, ...]:
    return tuple(member.value for member in members)


HTTP_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", OTHER)
COMPONENT = Label("component", (*_values(Component), OTHER))
UPSTREAM_COMPONENT = Label("component", tuple(c.value for c in UPSTREAMS))
OPERATION = Label("operation", _values(Operation))

# --- Buckets, in seconds -------------------------------------------------------------------------
# The promises of the service (2 s an SMS, 5 s to roll a release back) are bucket bounds, so that
# the share of requests within a promise is exact instead of interpolated.

REQUEST_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0),
)
# From a SQLite read to the 30 s after which an HTTP call times out.
OPERATION_SECONDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.0, 5.0, 10.0, 30.0),
)

# A minute to a week; 36 h is the longest a tenant may wait for a person.
HOURS_SECONDS = (60, 300, 900, 3600, 4 * 3600, 12 * 3600, 36 * 3600, 72 * 3600, 168 * 3600)

# --- The instrumentation layer -------------------------------------------------------------------

HTTP_SERVER_REQUEST_DURATION = Metric(
    "http_server_request_duration_seconds",
    Kind.HISTOGRAM,
    unit="seconds",
    help="Time from a request to the end of its response, or to its first chunk where it is "
    "streamed.",
    labels=(
        Label("http_request_method", HTTP_METHODS),
        Label("http_route"),
        Label("http_response_status_code"),
    ),
    buckets=REQUEST_SECONDS,
)
HTTP_SERVER_STREAM_DURATION = Metric(
    "http_server_stream_duration_seconds",
    Kind.HISTOGRAM,
    unit="seconds",
    help="Time from the first chunk of a streamed response to its end.",
    labels=(Label("http_route"), Label("outcome", _values(Outcome))),
    buckets=(0.1, 1.0, 10.0, 60.0, 600.0, 3600.0),
)
HTTP_SERVER_ACTIVE_REQUESTS = Metric(
    "http_server_active_requests",
    Kind.GAUGE,
    "requests",
    "Requests being served now.",
)
OPERATION_DURATION = Metric(
    "operation_duration_seconds",
    Kind.HISTOGRAM,
    unit="seconds",
    help="Duration of one operation on a component; each attempt of a retried call is counted "
    "separately.",
    labels=(COMPONENT, OPERATION, Label("outcome", _values(Outcome))),
    buckets=OPERATION_SECONDS,
)
OPERATION_ERRORS = Metric(
    "operation_errors_total",
    Kind.COUNTER,
    "errors",
    "Failed operations by type of error, including calls that an open breaker refused.",
    (COMPONENT, OPERATION, Label("error_type", _values(ErrorType))),
)
OPERATION_RETRIES = Metric(
    "operation_retries_total",
    Kind.COUNTER,
    "retries",
    "Attempts made again after a failed one.",
    (COMPONENT, OPERATION),
)
CIRCUIT_BREAKER_STATE = Metric(
    "circuit_breaker_state",
    Kind.GAUGE,
    "workers",
    "Workers whose breaker for this upstream is in this state.",
    (UPSTREAM_COMPONENT, Label("state", _values(BreakerState))),
)
CIRCUIT_BREAKER_TRANSITIONS = Metric(
    "circuit_breaker_transitions_total",
    Kind.COUNTER,
    "transitions",
    "Changes of a breaker into this state.",
    (UPSTREAM_COMPONENT, Label("state", _values(BreakerState))),
)
DB_CLIENT_CONNECTION_COUNT = Metric(
    "db_client_connection_count",
    Kind.GAUGE,
    "connections",
    "Database connections of the pool, by state.",
    (Label("state", ("idle", "used")),),
)
DB_CLIENT_CONNECTION_MAX = Metric(
    "db_client_connection_max",
    Kind.GAUGE,
    "connections",
    "Database connections the pool may open.",
)
PROCESS_WORKERS = Metric(
    "process_workers",
    Kind.GAUGE,
    "workers",
    "Workers that are running.",
)
PROCESS_CPU = Metric(
    "process_cpu_seconds_total",
    Kind.COUNTER,
    "seconds",
    "User and system CPU time of all workers.",
)
PROCESS_MEMORY = Metric(
    "process_resident_memory_bytes",
    Kind.GAUGE,
    "bytes",
    "Resident memory of all workers.",
)
PROCESS_START_TIME = Metric(
    "process_start_time_seconds",
    Kind.GAUGE,
    "seconds",
    "Start of the oldest worker since the Unix epoch; uptime is time() minus this.",
    merge="livemin",
)
PROCESS_OPEN_FDS = Metric(
    "process_open_fds",
    Kind.GAUGE,
    "descriptors",
    "Open file descriptors of all workers.",
)
EVENT_LOOP_LAG = Metric(
    "event_loop_lag_seconds",
    Kind.HISTOGRAM,
    "seconds",
    "How late the event loop runs a timer; every request waits this much longer.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0),
)
BUILD_INFO = Metric(
    "build_info",
    Kind.GAUGE,
    "info",
    "Always 1; its labels say which release runs.",
    (Label("service"), Label("environment"), Label("version"), Label("python_version")),
    merge="livemax",
)
LABEL_OVERFLOWS = Metric(
    "instrumentation_label_overflows_total",
    Kind.COUNTER,
    "values",
    "Label values outside their declared set, counted as 'other'.",
    (Label("label"),),
)
INSTRUMENTATION_ERRORS = Metric(
    "instrumentation_errors_total",
    Kind.COUNTER,
    "errors",
    "Errors inside the instrumentation itself; each lost a measurement, none failed a request.",
)
BACKGROUND_TASK_FAILURES = Metric(
    "background_task_failures_total",
    Kind.COUNTER,
    "failures",
    "Rounds of a background task, or rows in one, that failed; the next round tries again.",
    (Label("task", _values(BackgroundTask)),),
)
ROLLUP_FLUSH_FAILURES = Metric(
    "rollup_flush_failures_total",
    Kind.COUNTER,
    "flushes",
    "Rollup flushes that failed and will be tried again.",
)
ROLLUP_FLUSH_DURATION = Metric(
    "rollup_flush_duration_seconds",
    Kind.HISTOGRAM,
    "seconds",
    "Time to write what has changed in the rollups.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0),
)
ROLLUP_LOST_EVENTS = Metric(
    "rollup_lost_events_total",
    Kind.COUNTER,
    "events",
    "Events that the rollups lost, because their store could not be written for too long.",
)

CLOCK_SET_BACK = Metric(
    "clock_set_back_total",
    Kind.COUNTER,
    "durations",
    "Durations of 0 instead of less: the clock was set back between their beginning and end.",
)

METRICS_STREAM_READERS = Metric(
    "metrics_stream_readers",
    Kind.GAUGE,
    "readers",
    "Clients that read the stream of JSON metrics now.",
)
METRICS_REQUESTS_REFUSED = Metric(
    "metrics_requests_refused_total",
    Kind.COUNTER,
    "requests",
    "Requests for metrics that were refused.",
    (Label("reason", ("unauthorized", "rate_limited")),),
)

LOG_LINES = Metric(
    "log_lines_total",
    Kind.COUNTER,
    "lines",
    "Lines logged, by level.",
    (Label("level", ("debug", "info", "warning", "error", "critical")),),
)
LOG_LINES_DROPPED = Metric(
    "log_lines_dropped_total",
    Kind.COUNTER,
    "lines",
    "Lines not written: skipped by sampling, lost to a full queue, or impossible to encode.",
    (Label("reason", ("sampled", "queue_full", "broken")),),
)
LOG_WRITE_ERRORS = Metric(
    "log_write_errors_total",
    Kind.COUNTER,
    "errors",
    "Failed attempts to write lines; each is tried again.",
    (Label("sink", ("stdout", "file")),),
)
LOG_QUEUE_BYTES = Metric(
    "log_queue_bytes",
    Kind.GAUGE,
    "bytes",
    "Lines that wait to be written, of all workers.",
)
HTTP_SERVER_HEADERS_REFUSED = Metric(
    "http_server_headers_refused_total",
    Kind.COUNTER,
    "headers",
    "Headers for correlation that were not well formed and were replaced or ignored.",
    (Label("header", ("x_correlation_id", "x_request_id", "traceparent", "tracestate")),),
)

# --- The business --------------------------------------------------------------------------------

SMS_RECEIVED = Metric(
    "orchestrator_sms_received_total",
    Kind.COUNTER,
    "messages",
    "SMS accepted; a repeated delivery of the same message is not counted again.",
)
SMS_PROCESSING_DURATION = Metric(
    "orchestrator_sms_processing_duration_seconds",
    Kind.HISTOGRAM,
    unit="seconds",
    help="Time from accepting an SMS until it is sent, queued, escalated or failed, by route. "
    "Each SMS counts once: what is run again counts as a retry.",
    labels=(Label("route", _values(Route)),),
    buckets=REQUEST_SECONDS,
)
SMS_IN_FLIGHT = Metric(
    "orchestrator_sms_in_flight",
    Kind.GAUGE,
    "messages",
    "SMS whose workflow runs now.",
)
SMS_CAPACITY = Metric(
    "orchestrator_sms_capacity",
    Kind.GAUGE,
    "messages",
    "SMS that can run at the same time without getting slower, as promised.",
    merge="livemax",
)
WORKFLOW_STEP_DURATION = Metric(
    "orchestrator_workflow_step_duration_seconds",
    Kind.HISTOGRAM,
    unit="seconds",
    help="Duration of one workflow step, its retries included.",
    labels=(
        Label("step", _values(Step)),
        Label("step_type", _values(StepType)),
        Label("status", _values(StepStatus)),
    ),
    buckets=OPERATION_SECONDS,
)
WORKFLOW_RETRIES = Metric(
    "orchestrator_workflow_retries_total",
    Kind.COUNTER,
    "workflows",
    "Failed workflows run again on request; recovered where that succeeded.",
    (Label("result", ("recovered", "failed")),),
)
AI_RESPONSES = Metric(
    "orchestrator_ai_responses_total",
    Kind.COUNTER,
    "responses",
    "Answers written by the AI, by where they were routed.",
    (Label("route", (Route.AUTO_SENT.value, Route.QUEUED.value, Route.ESCALATED.value)),),
)
AI_CONFIDENCE = Metric(
    "orchestrator_ai_confidence_ratio",
    Kind.HISTOGRAM,
    "ratio",
    "Confidence of the AI's answers, 0 to 1.",
    # The routing limits 0.60 and 0.85 are bounds.
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0),
)
APPROVALS = Metric(
    "orchestrator_approvals_total",
    Kind.COUNTER,
    "decisions",
    "Managers' decisions on queued responses.",
    (Label("action", _values(ApprovalAction)),),
)
APPROVAL_WAIT_DURATION = Metric(
    "orchestrator_approval_wait_duration_seconds",
    Kind.HISTOGRAM,
    unit="seconds",
    help="Time from queueing a response to a manager's decision.",
    labels=(Label("action", _values(ApprovalAction)),),
    buckets=HOURS_SECONDS,
)
APPROVAL_QUEUE_LENGTH = Metric(
    "orchestrator_approval_queue_length",
    Kind.GAUGE,
    "responses",
    "Responses that wait for a manager now.",
    merge="livemax",
)
APPROVAL_QUEUE_OLDEST_AGE = Metric(
    "orchestrator_approval_queue_oldest_age_seconds",
    Kind.GAUGE,
    "seconds",
    "How long the oldest of the waiting responses has waited; 0 when none waits.",
    merge="livemax",
)
WORKFLOWS_FAILED = Metric(
    "orchestrator_workflows_failed",
    Kind.GAUGE,
    "workflows",
    "Failed workflows that nobody has run again or escalated yet.",
    merge="livemax",
)
WORKFLOWS_FAILED_OLDEST_AGE = Metric(
    "orchestrator_workflows_failed_oldest_age_seconds",
    Kind.GAUGE,
    "seconds",
    "How long ago the oldest of the failed workflows failed; 0 when there is none.",
    merge="livemax",
)
ESCALATIONS_OPEN = Metric(
    "orchestrator_escalations_open",
    Kind.GAUGE,
    "escalations",
    "Escalations that nobody has resolved yet.",
    (Label("severity", _values(Severity)),),
    merge="livemax",
)
ESCALATIONS_OLDEST_AGE = Metric(
    "orchestrator_escalations_oldest_age_seconds",
    Kind.GAUGE,
    "seconds",
    "How long the oldest open escalation has been open; 0 when none is.",
    (Label("severity", _values(Severity)),),
    merge="livemax",
)
ESCALATIONS = Metric(
    "orchestrator_escalations_total",
    Kind.COUNTER,
    "escalations",
    "Escalations opened.",
    (
        Label("type", _values(EscalationType)),
        Label("severity", _values(Severity)),
        Label("detection", _values(Detection)),
    ),
)
ESCALATION_RESOLUTION_DURATION = Metric(
    "orchestrator_escalation_resolution_duration_seconds",
    Kind.HISTOGRAM,
    unit="seconds",
    help="Time from opening an escalation to a manager closing it.",
    labels=(Label("type", _values(EscalationType)), Label("severity", _values(Severity))),
    buckets=HOURS_SECONDS,
)
PAYMENT_PLANS = Metric(
    "orchestrator_payment_plans_total",
    Kind.COUNTER,
    "plans",
    "Payment plans found, by the result of their validation.",
    (Label("result", _values(PlanResult)),),
)
PAYMENT_PLAN_DETECTIONS = Metric(
    "orchestrator_payment_plan_detections_total",
    Kind.COUNTER,
    "messages",
    "Messages looked through for a payment plan, by whether one was found.",
    (Label("result", ("found", "none")),),
)
PAYMENT_PLANS_AUTO_APPROVED = Metric(
    "orchestrator_payment_plans_auto_approved_total",
    Kind.COUNTER,
    "plans",
    "Valid payment plans that were confirmed to the tenant without a manager.",
)


FACTS = (
    SMS_RECEIVED,
    SMS_PROCESSING_DURATION,
    WORKFLOW_RETRIES,
    AI_RESPONSES,
    AI_CONFIDENCE,
    APPROVALS,
    APPROVAL_WAIT_DURATION,
    ESCALATIONS,
    ESCALATION_RESOLUTION_DURATION,
    PAYMENT_PLANS,
    PAYMENT_PLAN_DETECTIONS,
    PAYMENT_PLANS_AUTO_APPROVED,
)
"""The metrics that facts of the business count in; the others are measured."""


def limited_to(metric: Metric, **values: Iterable[str]) -> Metric:
    """``metric`` with other allowed label values, for a service that has its own.

    ``other`` is always among them. KeyError names a label that the metric does not have.
    """
    own = {name: Label(name, (*allowed, OTHER)) for name, allowed in values.items()}
    for name in own:
        metric.label(name)
    return replace(metric, labels=tuple(own.get(label.name, label) for label in metric.labels))


def metrics() -> Iterator[Metric]:
    """Every metric of the catalogue, in the order it is declared."""
    for value in globals().values():
        if isinstance(value, Metric):
            yield value
