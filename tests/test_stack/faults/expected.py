"""Which alerts each fault is expected to bring, on a healthy stack with healthy history.

After a change of rules, see what a fault brings now:
`python -m tests.test_stack.faults --observe ai_errors` ends with the entry for this table.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Expected:
    """The names of the alerts that fire, all of which also resolve.

    ``page`` calls somebody: one incident, one page. ``tickets`` are told besides. ``inhibited``
    fire in Prometheus, and Alertmanager keeps them back because another one says more. ``possible``
    may fire as well, and be told, but never call anybody: where only some calls fail, chance
    decides whether a breaker opens, and for how long; by the hour and by chance managers' decisions
    are more or less of the requests than may fail.
    """

    page: str | None = None
    tickets: frozenset[str] = frozenset()
    inhibited: frozenset[str] = frozenset()
    possible: frozenset[str] = frozenset()

    @property
    def notified(self) -> frozenset[str]:
        """All that somebody is told."""
        return self.tickets | {self.page} if self.page else self.tickets

    def __str__(self) -> str:
        """What somebody is told, in words."""
        return (
            "; ".join(
                (
                    *([f"page {self.page}"] if self.page else []),
                    *(f"ticket {name}" for name in sorted(self.tickets)),
                )
            )
            or "nobody"
        )


def _of(
    page: str | None = None,
    *,
    tickets: tuple[str, ...] = (),
    inhibited: tuple[str, ...] = (),
    possible: tuple[str, ...] = (),
) -> Expected:
    return Expected(page, frozenset(tickets), frozenset(inhibited), frozenset(possible))


_BREAKER = "CircuitBreakerOpen"
# What a retry helps is late, and spends the budget that the page holds back.
_LATE = "SMSLatencyBudgetBurn"
# Without the AI, SMS end as failed workflows.
_AI_GONE = _of("AIProviderFailing", inhibited=("SMSWorkflowsFailing",), possible=(_BREAKER, _LATE))
_UPSTREAM_GONE = _of(
    "SMSWorkflowsFailing", tickets=("UpstreamFailing",), possible=(_BREAKER, _LATE)
)
# Managers get a 5xx for decisions that can't be sent; 3 % of all requests were seen, and over 5 %.
_SMS_AGENT_GONE = replace(
    _UPSTREAM_GONE,
    possible=_UPSTREAM_GONE.possible | {"AvailabilityBudgetBurn", "RouteFailing"},
)
_SLOW = _of(_LATE, possible=("HTTPResponsesSlow",))
# SMS don't wait for it.
_NOBODY_NOTIFIED = _of(tickets=("UpstreamFailing",), possible=(_BREAKER,))

EXPECTED = {
    "ai_errors": _AI_GONE,
    "ai_latency": _SLOW,
    "ai_timeouts": _AI_GONE,
    "ai_down": _AI_GONE,
    # The mean of an hour tells of it when it is over.
    "ai_low_confidence": _of(tickets=("AIConfidenceDrift", "EscalationSurge")),
    "sms_agent_errors": _SMS_AGENT_GONE,
    # Its history and its sending are both late, so that many wait for more than five seconds.
    "sms_agent_latency": _of(_LATE, tickets=("HTTPResponsesSlow",)),
    "sms_agent_timeouts": _SMS_AGENT_GONE,
    "sms_agent_down": _SMS_AGENT_GONE,
    "collections_monitor_errors": _UPSTREAM_GONE,
    "collections_monitor_latency": _SLOW,
    "collections_monitor_timeouts": _UPSTREAM_GONE,
    "collections_monitor_down": _UPSTREAM_GONE,
    "notification_service_errors": _NOBODY_NOTIFIED,
    "notification_service_latency": _of(),
    "notification_service_timeouts": _NOBODY_NOTIFIED,
    "notification_service_down": _NOBODY_NOTIFIED,
    # Over an hour they are not many, or only just.
    "hostile_messages": _of(possible=("EscalationSurge",)),
}

OF_A_BUSY_MACHINE = frozenset({"BackgroundTaskFailing", "EventLoopLagHigh", "HTTPResponsesSlow"})
"""What the orchestrator tells of a machine on which it gets too little processor time: its event
loop is late, requests are, and SQLite's lock isn't had in time."""


def mend(fault: str) -> str:
    """What to do about a fault of which EXPECTED says nothing."""
    return (
        f"EXPECTED in tests/test_stack/faults/expected.py says nothing of {fault}; "
        f"`python -m tests.test_stack.faults --observe {fault}` shows what to enter"
    )
