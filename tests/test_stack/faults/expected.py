"""Which alerts each fault is expected to bring, on a healthy stack with healthy history.

After a change of rules, see what a fault brings now:
`python -m tests.test_stack.faults --observe ai_errors` ends with the entry for this table.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Expected:
    """The names of the alerts that fire, all of which also resolve.

    Somebody is notified of ``notified``. ``inhibited`` fire in Prometheus, and Alertmanager keeps
    them back because another one says more.
    """

    notified: frozenset[str] = frozenset()
    inhibited: frozenset[str] = frozenset()


def _of(*notified: str, inhibited: tuple[str, ...] = ()) -> Expected:
    return Expected(frozenset(notified), frozenset(inhibited))


EXPECTED = {
    "ai_errors": _of("AIProviderFailing", inhibited=("CircuitBreakerOpen",)),
    "ai_latency": _of("SMSProcessingSlow"),
    "ai_timeouts": _of("AIProviderFailing", inhibited=("CircuitBreakerOpen",)),
    "ai_down": _of("AIProviderFailing", inhibited=("CircuitBreakerOpen",)),
    "ai_low_confidence": _of(),
    "sms_agent_errors": _of("CircuitBreakerOpen", "SMSProcessingSlow"),
    "sms_agent_latency": _of("SMSProcessingSlow"),
    "sms_agent_timeouts": _of("CircuitBreakerOpen", "SMSProcessingSlow"),
    "sms_agent_down": _of("CircuitBreakerOpen", "SMSProcessingSlow"),
    "collections_monitor_errors": _of("CircuitBreakerOpen", "SMSProcessingSlow"),
    "collections_monitor_latency": _of("SMSProcessingSlow"),
    "collections_monitor_timeouts": _of("CircuitBreakerOpen", "SMSProcessingSlow"),
    "collections_monitor_down": _of("CircuitBreakerOpen", "SMSProcessingSlow"),
    "notification_service_errors": _of("CircuitBreakerOpen"),
    "notification_service_latency": _of(),
    "notification_service_timeouts": _of("CircuitBreakerOpen"),
    "notification_service_down": _of("CircuitBreakerOpen"),
    "hostile_messages": _of(),
}


def mend(fault: str) -> str:
    """What to do about a fault of which EXPECTED says nothing."""
    return (
        f"EXPECTED in tests/test_stack/faults/expected.py says nothing of {fault}; "
        f"`python -m tests.test_stack.faults --observe {fault}` shows what to enter"
    )
