"""Which alerts each fault is expected to bring, on a healthy stack with healthy history.

After a change of rules, see what a fault brings now:
`python -m tests.test_stack.faults --observe ai_errors` ends with the entry for this table.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Expected:
    """The names of the alerts that fire, all of which also resolve.

    Somebody is notified of ``notified``. ``inhibited`` fire in Prometheus, and Alertmanager keeps
    them back because another one says more. ``possible`` may fire as well, and be notified: where
    only some calls fail, chance decides whether a breaker opens, and for how long; by the hour and
    by chance managers' decisions are more or less of the requests than may fail; and how long a
    fault is on decides whether a ticket that waits for minutes is opened.
    """

    notified: frozenset[str] = frozenset()
    inhibited: frozenset[str] = frozenset()
    possible: frozenset[str] = frozenset()


def _of(
    *notified: str, inhibited: tuple[str, ...] = (), possible: tuple[str, ...] = ()
) -> Expected:
    return Expected(frozenset(notified), frozenset(inhibited), frozenset(possible))


# An upstream that doesn't answer: SMS end as failed workflows. Its breaker, which opens, is told of
# only where there are too few calls for anything else.
_AI_GONE = ("SMSWorkflowsFailing",)
_UPSTREAM_GONE = ("SMSWorkflowsFailing", "UpstreamFailing")
_BREAKER = ("CircuitBreakerOpen",)
# Managers get a 5xx for decisions that can't be sent; 3 % of all requests were seen, and over 5 %.
_UNSENT = ("AvailabilityBudgetBurn", "RouteFailing")
# A ticket after six minutes; how long a fault is on decides.
_SLOW = ("HTTPResponsesSlow",)

EXPECTED = {
    "ai_errors": _of("AIProviderFailing", inhibited=_AI_GONE, possible=_BREAKER),
    "ai_latency": _of("SMSLatencyBudgetBurn", possible=_SLOW),
    "ai_timeouts": _of("AIProviderFailing", inhibited=_AI_GONE, possible=(*_BREAKER, *_SLOW)),
    "ai_down": _of("AIProviderFailing", inhibited=_AI_GONE, possible=_BREAKER),
    # What it changes is looked at over an hour.
    "ai_low_confidence": _of(),
    "sms_agent_errors": _of(
        *("SMSWorkflowsFailing", "UpstreamFailing"), possible=(*_BREAKER, *_UNSENT)
    ),
    "sms_agent_latency": _of("SMSLatencyBudgetBurn", possible=_SLOW),
    "sms_agent_timeouts": _of(*_UPSTREAM_GONE, possible=(*_BREAKER, *_UNSENT, *_SLOW)),
    "sms_agent_down": _of(*_UPSTREAM_GONE, possible=(*_BREAKER, *_UNSENT)),
    "collections_monitor_errors": _of(
        *("SMSWorkflowsFailing", "UpstreamFailing"), possible=_BREAKER
    ),
    "collections_monitor_latency": _of("SMSLatencyBudgetBurn", possible=_SLOW),
    "collections_monitor_timeouts": _of(*_UPSTREAM_GONE, possible=(*_BREAKER, *_SLOW)),
    "collections_monitor_down": _of(*_UPSTREAM_GONE, possible=_BREAKER),
    # SMS don't wait for it.
    "notification_service_errors": _of("UpstreamFailing", possible=_BREAKER),
    "notification_service_latency": _of(),
    "notification_service_timeouts": _of("UpstreamFailing", possible=_BREAKER),
    "notification_service_down": _of("UpstreamFailing", possible=_BREAKER),
    # What it changes is looked at over an hour.
    "hostile_messages": _of(),
}


def mend(fault: str) -> str:
    """What to do about a fault of which EXPECTED says nothing."""
    return (
        f"EXPECTED in tests/test_stack/faults/expected.py says nothing of {fault}; "
        f"`python -m tests.test_stack.faults --observe {fault}` shows what to enter"
    )
