"""What the simulator logs, declared once, as the orchestrator's events are."""

import logging

from asgi_observability.event import Event, FromCode


class Ready(Event):
    """Everything that is simulated answers, at these addresses."""

    control: FromCode
    app: FromCode
    collections_monitor: FromCode
    sms_agent: FromCode
    notification_service: FromCode
    ai: FromCode


class Stopping(Event):
    """The simulation was asked to end."""


class UpstreamCalled(Event):
    """A simulated upstream took a call in; the line carries the IDs of the call's headers."""

    upstream: FromCode
    route: FromCode


class SMSFailed(Event, level=logging.WARNING):
    """The orchestrator did not take a simulated text, or said that its workflow failed."""

    error_type: FromCode


class ManagerFailed(Event, level=logging.WARNING):
    """The orchestrator did not take a simulated manager's decision."""

    error_type: FromCode


class NotificationNotStored(Event, level=logging.ERROR):
    """A notification of Alertmanager was kept in memory only."""

    file: FromCode
    reason: FromCode


class NotificationUnreadable(Event, level=logging.WARNING):
    """A stored notification was left out."""

    file: FromCode
    line: int
