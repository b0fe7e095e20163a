"""The faults that can be switched on, each declared once, and which of them are on."""

from dataclasses import dataclass
from enum import StrEnum


class Upstream(StrEnum):
    """The services that are simulated, as the names of their faults begin."""

    COLLECTIONS_MONITOR = "collections_monitor"
    SMS_AGENT = "sms_agent"
    NOTIFICATION_SERVICE = "notification_service"
    AI = "ai"


class Effect(StrEnum):
    """What a fault does to an upstream, as its name ends."""

    ERRORS = "errors"
    LATENCY = "latency"
    TIMEOUTS = "timeouts"
    DOWN = "down"
    LOW_CONFIDENCE = "low_confidence"


ERROR_SHARE = {
    # Some calls still work, so that retries are seen to help.
    Upstream.COLLECTIONS_MONITOR: 0.6,
    Upstream.SMS_AGENT: 0.6,
    Upstream.NOTIFICATION_SERVICE: 0.6,
    # None works, so that the breaker opens.
    Upstream.AI: 1.0,
}
ADDED_LATENCY_SECONDS = 3.0
HOSTILE_MESSAGES = "hostile_messages"
HOSTILE_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault. ``upstream`` and ``effect`` are None for one that lies with the tenants."""

    name: str
    description: str
    upstream: Upstream | None = None
    effect: Effect | None = None


def _of_an_upstream(upstream: Upstream, title: str) -> list[Fault]:
    descriptions = {
        Effect.ERRORS: f"{title} answers {ERROR_SHARE[upstream]:.0%} of the calls with 500 or 503.",
        Effect.LATENCY: f"{title} answers {ADDED_LATENCY_SECONDS:g} s later than normal.",
        Effect.TIMEOUTS: f"{title} takes calls and never answers them.",
        Effect.DOWN: f"{title} refuses connections.",
    }
    return [_fault(upstream, effect, text) for effect, text in descriptions.items()]


def _fault(upstream: Upstream, effect: Effect, description: str) -> Fault:
    return Fault(f"{upstream}_{effect}", description, upstream, effect)


FAULTS = {
    fault.name: fault
    for fault in (
        *_of_an_upstream(Upstream.AI, "The AI provider"),
        _fault(
            Upstream.AI, Effect.LOW_CONFIDENCE, "Every answer of the AI has a confidence below 0.6."
        ),
        *_of_an_upstream(Upstream.SMS_AGENT, "The SMS Agent"),
        *_of_an_upstream(Upstream.COLLECTIONS_MONITOR, "The Collections Monitor"),
        *_of_an_upstream(Upstream.NOTIFICATION_SERVICE, "The Notification Service"),
        Fault(HOSTILE_MESSAGES, f"{HOSTILE_SHARE:.0%} of the tenants' messages are hostile."),
    )
}


class UnknownFaultError(LookupError):
    """There is no fault of this name; the message lists those there are."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no fault called {name!r}; there are: {', '.join(sorted(FAULTS))}")


class ActiveFaults:
    """Which faults are on."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def switch_on(self, name: str) -> None:
        """Raises UnknownFaultError."""
        self._names.add(_known(name))

    def switch_off(self, name: str) -> None:
        """Raises UnknownFaultError."""
        self._names.discard(_known(name))

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def hit(self, upstream: Upstream, effect: Effect) -> bool:
        """Whether ``upstream`` suffers from ``effect`` now."""
        return f"{upstream}_{effect}" in self._names


def _known(name: str) -> str:
    if name not in FAULTS:
        raise UnknownFaultError(name)
    return name
