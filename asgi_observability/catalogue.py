"""The layer's own metrics: they mean the same in every service that adopts it.

HTTP metrics follow the OpenTelemetry semantic conventions in their Prometheus spelling.
"""

from collections.abc import Iterator
from enum import StrEnum

from asgi_observability.metric import OTHER, Kind, Label, Metric, values_of


class Outcome(StrEnum):
    """How an operation ended."""

    SUCCESS = "success"
    ERROR = "error"
    CANCELLED = "cancelled"


HTTP_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", OTHER)

# 2 s and 5 s are what services promise: as bucket bounds, so that the share of requests within a
# promise is exact instead of interpolated.
REQUEST_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0),
)
# From a SQLite read to the 30 s after which an HTTP call times out.
OPERATION_SECONDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.0, 5.0, 10.0, 30.0),
)

CLOSE_CODES = (
    *(str(code) for code in (1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011)),
    *("1012", "1013", "1014", "1015", "application", "refused", OTHER),
)
"""How a WebSocket ended. "application" are the codes from 3000 on, which a client may choose;
"refused" is one that was never accepted."""

BACKGROUND_TASKS = (
    *("worker_snapshot", "log_metrics", "log_levels", "runtime", "event_loop"),
    *("gauges", "textfile"),
)
"""What the layer itself does again and again."""

# An alert on the share of errors looks for their increase: the first must have a zero before it.
OUTCOME = Label("outcome", values_of(Outcome), companions=(Outcome.ERROR.value,))
COMPONENT = Label("component")
OPERATION = Label("operation")

HTTP_SERVER_REQUEST_DURATION = Metric(
    "http_server_request_duration_seconds",
    Kind.HISTOGRAM,
    unit="seconds",
    help="Time from a request to the end of its response, or to its first chunk where it is "
    "streamed.",
    labels=(
        Label("http_request_method", HTTP_METHODS),
        Label("http_route"),
        Label("http_response_status_code", companions=("500",)),
    ),
    buckets=REQUEST_SECONDS,
)
HTTP_SERVER_STREAM_DURATION = Metric(
    "http_server_stream_duration_seconds",
    Kind.HISTOGRAM,
    unit="seconds",
    help="Time from the first chunk of a streamed response to its end.",
    labels=(Label("http_route"), Label("outcome", values_of(Outcome))),
    buckets=(0.1, 1.0, 10.0, 60.0, 600.0, 3600.0),
)
HTTP_SERVER_ACTIVE_REQUESTS = Metric(
    "http_server_active_requests",
    Kind.GAUGE,
    "requests",
    "Requests being served now.",
)
HTTP_SERVER_HEADERS_REFUSED = Metric(
    "http_server_headers_refused_total",
    Kind.COUNTER,
    "headers",
    "Headers for correlation that were not well formed and were replaced or ignored.",
    (Label("header", ("x_correlation_id", "x_request_id", "traceparent", "tracestate")),),
)
WEBSOCKET_ACTIVE = Metric(
    "websocket_active_connections",
    Kind.GAUGE,
    "connections",
    "WebSockets that are open now.",
)
WEBSOCKET_DURATION = Metric(
    "websocket_connection_duration_seconds",
    Kind.HISTOGRAM,
    unit="seconds",
    help="Time from a WebSocket's handshake to its end, by the code it was closed with.",
    labels=(Label("http_route"), Label("close_code", CLOSE_CODES)),
    buckets=(0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36000.0),
)
WEBSOCKET_MESSAGES = Metric(
    "websocket_messages_total",
    Kind.COUNTER,
    "messages",
    "Messages over WebSockets, by direction.",
    (Label("http_route"), Label("direction", ("received", "sent"))),
)
OPERATION_DURATION = Metric(
    "operation_duration_seconds",
    Kind.HISTOGRAM,
    unit="seconds",
    help="Duration of one operation on a component; each attempt of a retried call is counted "
    "separately.",
    labels=(COMPONENT, OPERATION, OUTCOME),
    buckets=OPERATION_SECONDS,
)
OPERATION_ERRORS = Metric(
    "operation_errors_total",
    Kind.COUNTER,
    "errors",
    "Failed operations by type of error, including calls that an open breaker refused.",
    (COMPONENT, OPERATION, Label("error_type")),
)
PROCESS_WORKERS = Metric(
    "process_workers",
    Kind.GAUGE,
    "workers",
    "Workers that are running.",
)
PROCESS_WORKERS_APART = Metric(
    "process_workers_apart",
    Kind.GAUGE,
    "workers",
    "Workers at the same address whose counts are missing here, or old as the folder that they "
    "share can't be used.",
    merge="livemax",
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
    (Label("task"),),
)
BACKGROUND_TASK_LAST_ROUND = Metric(
    "background_task_last_round_timestamp_seconds",
    Kind.GAUGE,
    "seconds",
    "When the last round of a background task ended, well or not, since the Unix epoch; of the "
    "worker whose round is the longest ago.",
    (Label("task"),),
    merge="livemin",
)
BACKGROUND_TASK_INTERVAL = Metric(
    "background_task_interval_seconds",
    Kind.GAUGE,
    "seconds",
    "How long a background task waits between two rounds.",
    (Label("task"),),
    merge="livemax",
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


def metrics() -> Iterator[Metric]:
    """Every metric of the layer, in the order it is declared."""
    for value in globals().values():
        if isinstance(value, Metric):
            yield value
