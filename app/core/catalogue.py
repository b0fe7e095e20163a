"""The catalogue: every metric the service exposes, declared once.

Instruments, recording rules, alerts, dashboards, the metrics reference and the JSON endpoint take
names, labels and allowed values from here. A metric named by a string anywhere else is a defect.

Metrics without the ``orchestrator_`` prefix mean the same in any service. Those of the layer are
declared in `asgi_observability.catalogue`; here are the label values that the orchestrator knows.
``orchestrator_`` metrics count what this business does.
"""

from collections.abc import Iterator
from enum import StrEnum

from asgi_observability import catalogue as layer
from asgi_observability.metric import OTHER, Kind, Label, Metric, limited_to, values_of

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


class TokenKind(StrEnum):
    """What the AI provider counts tokens of: what it reads and what it writes."""

    INPUT = "input"
    OUTPUT = "output"


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


COMPONENT = Label("component", (*values_of(Component), OTHER))
UPSTREAM_COMPONENT = Label("component", tuple(c.value for c in UPSTREAMS))
OPERATION = Label("operation", values_of(Operation))

# A minute to a week; 36 h is the longest a tenant may wait for a person.
HOURS_SECONDS = (60, 300, 900, 3600, 4 * 3600, 12 * 3600, 36 * 3600, 72 * 3600, 168 * 3600)

# --- The instrumentation layer, with what the orchestrator calls and does ------------------------

HTTP_SERVER_REQUEST_DURATION = layer.HTTP_SERVER_REQUEST_DURATION
HTTP_SERVER_STREAM_DURATION = layer.HTTP_SERVER_STREAM_DURATION
HTTP_SERVER_ACTIVE_REQUESTS = layer.HTTP_SERVER_ACTIVE_REQUESTS
HTTP_SERVER_HEADERS_REFUSED = layer.HTTP_SERVER_HEADERS_REFUSED
OPERATION_DURATION = limited_to(
    layer.OPERATION_DURATION, component=values_of(Component), operation=values_of(Operation)
)
OPERATION_ERRORS = limited_to(
    layer.OPERATION_ERRORS,
    component=values_of(Component),
    operation=values_of(Operation),
    error_type=values_of(ErrorType),
)
PROCESS_WORKERS = layer.PROCESS_WORKERS
PROCESS_WORKERS_APART = layer.PROCESS_WORKERS_APART
PROCESS_CPU = layer.PROCESS_CPU
PROCESS_MEMORY = layer.PROCESS_MEMORY
PROCESS_START_TIME = layer.PROCESS_START_TIME
PROCESS_OPEN_FDS = layer.PROCESS_OPEN_FDS
EVENT_LOOP_LAG = layer.EVENT_LOOP_LAG
BUILD_INFO = layer.BUILD_INFO
LABEL_OVERFLOWS = layer.LABEL_OVERFLOWS
INSTRUMENTATION_ERRORS = layer.INSTRUMENTATION_ERRORS
BACKGROUND_TASK_FAILURES = limited_to(
    layer.BACKGROUND_TASK_FAILURES, task=(*values_of(BackgroundTask), *layer.BACKGROUND_TASKS)
)
BACKGROUND_TASK_LAST_ROUND = limited_to(
    layer.BACKGROUND_TASK_LAST_ROUND, task=(*values_of(BackgroundTask), *layer.BACKGROUND_TASKS)
)
BACKGROUND_TASK_INTERVAL = limited_to(
    layer.BACKGROUND_TASK_INTERVAL, task=(*values_of(BackgroundTask), *layer.BACKGROUND_TASKS)
)
LOG_LINES = layer.LOG_LINES
LOG_LINES_DROPPED = layer.LOG_LINES_DROPPED
LOG_WRITE_ERRORS = layer.LOG_WRITE_ERRORS
LOG_QUEUE_BYTES = layer.LOG_QUEUE_BYTES

NARROWED = (
    *(OPERATION_DURATION, OPERATION_ERRORS),
    *(BACKGROUND_TASK_FAILURES, BACKGROUND_TASK_LAST_ROUND, BACKGROUND_TASK_INTERVAL),
)
"""Metrics of the layer whose label values the orchestrator knows."""

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
    (UPSTREAM_COMPONENT, Label("state", values_of(BreakerState))),
)
CIRCUIT_BREAKER_TRANSITIONS = Metric(
    "circuit_breaker_transitions_total",
    Kind.COUNTER,
    "transitions",
    "Changes of a breaker into this state.",
    (UPSTREAM_COMPONENT, Label("state", values_of(BreakerState))),
)
DB_CLIENT_CONNECTIONS = Metric(
    "db_client_connections",
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
    labels=(Label("route", values_of(Route)),),
    buckets=layer.REQUEST_SECONDS,
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
        Label("step", values_of(Step)),
        Label("step_type", values_of(StepType)),
        Label("status", values_of(StepStatus)),
    ),
    buckets=layer.OPERATION_SECONDS,
)
WORKFLOW_RETRIES = Metric(
    "orchestrator_workflow_retries_total",
    Kind.COUNTER,
    "workflows",
    "Failed workflows run again on request; recovered where that succeeded.",
    (Label("result", ("recovered", "failed")),),
)
WORKFLOWS_INTERRUPTED = Metric(
    "orchestrator_workflows_interrupted_total",
    Kind.COUNTER,
    "workflows",
    "Workflows found that the end of their process had cut off; they count as failed.",
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
AI_TOKENS = Metric(
    "orchestrator_ai_tokens_total",
    Kind.COUNTER,
    "tokens",
    "Tokens of the AI's answers, as the provider counts and charges them: what it was asked, what "
    "it wrote. No series while the provider has never said.",
    (Label("kind", values_of(TokenKind)),),
)
AI_ANSWERS_WITHOUT_USAGE = Metric(
    "orchestrator_ai_answers_without_usage_total",
    Kind.COUNTER,
    "answers",
    "Answers of the AI of which the provider did not say how many tokens they took.",
)
APPROVALS = Metric(
    "orchestrator_approvals_total",
    Kind.COUNTER,
    "decisions",
    "Managers' decisions on queued responses.",
    (Label("action", values_of(ApprovalAction)),),
)
APPROVAL_WAIT_DURATION = Metric(
    "orchestrator_approval_wait_duration_seconds",
    Kind.HISTOGRAM,
    unit="seconds",
    help="Time from queueing a response to a manager's decision.",
    labels=(Label("action", values_of(ApprovalAction)),),
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
    (Label("severity", values_of(Severity)),),
    merge="livemax",
)
ESCALATIONS_OLDEST_AGE = Metric(
    "orchestrator_escalations_oldest_age_seconds",
    Kind.GAUGE,
    "seconds",
    "How long the oldest open escalation has been open; 0 when none is.",
    (Label("severity", values_of(Severity)),),
    merge="livemax",
)
ESCALATIONS = Metric(
    "orchestrator_escalations_total",
    Kind.COUNTER,
    "escalations",
    "Escalations opened.",
    (
        Label("type", values_of(EscalationType)),
        Label("severity", values_of(Severity)),
        Label("detection", values_of(Detection)),
    ),
)
ESCALATION_RESOLUTION_DURATION = Metric(
    "orchestrator_escalation_resolution_duration_seconds",
    Kind.HISTOGRAM,
    unit="seconds",
    help="Time from opening an escalation to a manager closing it.",
    labels=(Label("type", values_of(EscalationType)), Label("severity", values_of(Severity))),
    buckets=HOURS_SECONDS,
)
PAYMENT_PLANS = Metric(
    "orchestrator_payment_plans_total",
    Kind.COUNTER,
    "plans",
    "Payment plans found, by the result of their validation.",
    (Label("result", values_of(PlanResult)),),
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
    WORKFLOWS_INTERRUPTED,
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


def metrics() -> Iterator[Metric]:
    """Every metric of the catalogue, in the order it is declared."""
    for value in globals().values():
        if isinstance(value, Metric):
            yield value
