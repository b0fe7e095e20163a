"""The layer's own events: they mean the same in every service that adopts it."""

import logging

from asgi_observability.event import Event, FromCode


class Request(Event):
    """A request was answered. For a stream: its first part was sent."""

    method: FromCode
    route: FromCode
    status: int
    duration_ms: float


class QuietRequest(Event, level=logging.DEBUG):
    """A routine request of a machine, such as a scrape, was answered."""

    method: FromCode
    route: FromCode
    status: int
    duration_ms: float


class WebSocketOpened(Event):
    """A WebSocket was accepted."""

    route: FromCode


class WebSocketClosed(Event):
    """A WebSocket has ended, or was refused. Its messages are counted from the server's side."""

    route: FromCode
    close_code: FromCode
    duration_ms: float
    received: int
    sent: int


class OperationCompleted(Event, sampled_by="component"):
    """A call to an upstream, a statement or another timed operation succeeded."""

    component: FromCode
    operation: FromCode
    duration_ms: float


class OperationSlow(Event, level=logging.WARNING):
    """An operation succeeded, but took longer than its threshold."""

    component: FromCode
    operation: FromCode
    duration_ms: float
    threshold_ms: float


class OperationFailed(Event, level=logging.WARNING):
    """An operation failed, or an open breaker refused it at once."""

    component: FromCode
    operation: FromCode
    duration_ms: float
    error_type: FromCode


class OperationCancelled(Event):
    """An operation was stopped, because its client left or the service stops."""

    component: FromCode
    operation: FromCode
    duration_ms: float


class UnhandledError(Event, level=logging.ERROR):
    """A request ended in an error that nobody expected: a defect."""


class UncaughtException(Event, level=logging.CRITICAL):
    """An exception ended a thread or the whole process."""


class LinesDropped(Event, level=logging.ERROR):
    """Lines have been lost since the last such event: the sink is full, slow or closed."""

    lines: int
    sink: FromCode
    reason: FromCode


class LogHousekeepingFailed(Event, level=logging.ERROR):
    """Log files could not be compressed or deleted; it is tried again ten minutes later."""

    error_type: FromCode


class LogSourceLost(Event, level=logging.WARNING):
    """The host has configured anew what the layer had taken over: such lines go elsewhere now."""

    source: FromCode
    fix: FromCode


class FieldHashed(Event, level=logging.DEBUG):
    """Values of a field are hashed, and why; said once for each field."""

    hashed_logger: FromCode
    hashed_field: FromCode
    reason: FromCode


class LogLevelChanged(Event, level=logging.WARNING):
    """Somebody changed a logger's level while the service runs, or the change has ended."""

    changed_logger: FromCode
    changed_level: FromCode
    changed_by: FromCode


class WorkersApart(Event, level=logging.WARNING):
    """Other workers listen at the same address and share no folder: each tells only its counts.

    Give all of them the same `workers_dir`.
    """

    workers: int


class LogLevelsUnreadable(Event, level=logging.WARNING):
    """The file of changed log levels is broken: it is ignored until somebody changes a level."""

    error_type: FromCode


class BackgroundTaskFailed(Event, level=logging.ERROR):
    """A background task failed, or left out a row that it can't read; it goes on."""

    task: FromCode
    error_type: FromCode


class MetricNameTaken(Event, level=logging.WARNING):
    """A metric of the host's is left out, because there is another of that name already."""

    metric: FromCode


class HostCollectorFailed(Event, level=logging.WARNING):
    """A collector of the host's failed or took too long: scrapes lack its metrics."""

    collector: FromCode
    error_type: FromCode


class MetricMisused(Event, level=logging.WARNING):
    """A metric was noted with labels or a number that it doesn't take: these notes are lost."""

    metric: FromCode
    problem: FromCode


class MetricsPortTaken(Event, level=logging.WARNING):
    """The port for `/metrics` is taken, by another worker or a stranger; it is tried again."""

    host: FromCode
    port: int
