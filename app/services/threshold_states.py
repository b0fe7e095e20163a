"""Where each threshold stands: the endpoint's states follow what would alert, nothing else.

"critical" is what pages somebody and "warning" what opens a ticket, if it lasts. The rules are
generated from the same settings; Prometheus looks at every instance, this at all workers together.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from app.core import catalogue
from app.core.catalogue import UPSTREAMS, BreakerState, Component, Route
from app.core.objectives import PROBES
from app.core.thresholds import State, Thresholds
from app.services.rollups import Total, Totals, added_up
from asgi_observability.catalogue import Outcome


@dataclass(frozen=True, slots=True)
class Now:
    """What the limits are held against: the last 5 minutes, and what the workers last said.

    None where that isn't known. ``instances`` is how many machines the workers run on.
    """

    recent: Totals
    in_flight: float | None
    instances: int
    breakers: Mapping[str, BreakerState | None]
    oldest_waiting_seconds: float | None


@dataclass(frozen=True, slots=True)
class Share:
    """``part`` events of ``whole``; None where neither is known."""

    part: int
    whole: int

    @property
    def ratio(self) -> float | None:
        """None where there was nothing."""
        return self.part / self.whole if self.whole else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdState:
    """A limit of ``alert``, and where its value stands; None where nothing is known of it.

    Above ``warning`` a ticket is opened, above ``critical`` somebody is paged; None: never.
    """

    name: str
    alert: str
    description: str
    value: float | None
    unit: str
    warning: float | None
    critical: float | None
    state: State


def threshold_states(thresholds: Thresholds, now: Now) -> list[ThresholdState]:
    """Each limit with its value and state. Of what isn't known the state is no_data."""
    return [*_shares(thresholds, now.recent), *_gauges(thresholds, now)]


def worst(states: Iterable[State]) -> Literal["ok", "warning", "critical"]:
    """The worst of states; ok when there is nothing that alerts."""
    found = set(states)
    return "critical" if "critical" in found else "warning" if "warning" in found else "ok"


def _shares(limits: Thresholds, recent: Totals) -> Iterator[ThresholdState]:
    """Shares of the last 5 minutes. Few failures call nobody, whatever their share."""

    def share(
        name: str,
        alert: str,
        description: str,
        found: Share,
        *,
        warning: float | None = None,
        critical: float | None = None,
    ) -> ThresholdState:
        return _state(
            name,
            alert,
            description,
            value=found.ratio if recent.complete else None,
            unit="ratio",
            warning=warning,
            critical=critical,
            enough=found.part >= limits.minimum_failures,
        )

    messages = recent.of(catalogue.SMS_PROCESSING_DURATION)
    failed = recent.of(catalogue.SMS_PROCESSING_DURATION, route=Route.FAILED)
    served = served_requests(recent)
    requests, erred = added_up(served.values()), _erred(served)
    yield share(
        "sms_failed_ratio",
        "SMSWorkflowsFailing",
        "share of SMS whose workflow failed",
        Share(failed.count, messages.count),
        critical=limits.sms_failed_ratio,
    )
    yield share(
        "response_time",
        "HTTPResponsesSlow",
        f"share of requests that took longer than {limits.rollback_latency_seconds:g} s",
        Share(requests.above(limits.rollback_latency_seconds), requests.count),
        warning=limits.slow_ratio,
    )
    yield share(
        "error_ratio",
        "ReleaseFailing",
        "share of requests answered 5xx; releases are rolled back above the limit",
        Share(erred, requests.count),
        critical=limits.rollback_error_ratio,
    )
    for component in (*UPSTREAMS, Component.DATABASE):
        name, alert, warning, critical = _failing(limits, component)
        yield share(
            name,
            alert,
            f"share of the {component.replace('_', ' ')}'s calls that failed or were refused",
            called(recent, component),
            warning=warning,
            critical=critical,
        )
    statements = recent.of(
        catalogue.OPERATION_DURATION, component=Component.DATABASE, outcome=Outcome.SUCCESS
    )
    yield share(
        "database_slow_ratio",
        "DatabaseSlow",
        f"share of the database's calls that took longer than {limits.database_slow_seconds:g} s",
        Share(statements.above(limits.database_slow_seconds), statements.count),
        warning=limits.slow_ratio,
    )


def _failing(
    limits: Thresholds, component: Component
) -> tuple[str, str, float | None, float | None]:
    if component is Component.AI_PROVIDER:
        return "ai_error_ratio", "AIProviderFailing", None, limits.ai_error_ratio
    if component is Component.DATABASE:
        return "database_error_ratio", "DatabaseFailing", None, limits.database_error_ratio
    return f"{component}_error_ratio", "UpstreamFailing", limits.upstream_error_ratio, None


def is_over_limit(limits: Thresholds, component: Component, found: Share) -> bool:
    """Whether more of the component's calls failed than its alert allows."""
    _, _, warning, critical = _failing(limits, component)
    least = min(limit for limit in (warning, critical) if limit is not None)
    return found.part >= limits.minimum_failures and (found.ratio or 0) > least


def _gauges(limits: Thresholds, now: Now) -> Iterator[ThresholdState]:
    capacity = limits.concurrent_sms * max(1, now.instances)
    yield _state(
        "concurrent_sms",
        "SMSConcurrencyHigh",
        "SMS at once, beside what is handled without getting slower",
        value=now.in_flight,
        unit="messages",
        warning=capacity * limits.concurrent_sms_warning_ratio,
    )
    yield _state(
        "approval_wait",
        "ApprovalQueueOld",
        "age of the oldest response that waits for a manager",
        value=now.oldest_waiting_seconds,
        unit="seconds",
        warning=limits.approval_wait_warning_seconds,
        critical=limits.approval_wait_seconds,
    )
    states = [state for state in now.breakers.values() if state is not None]
    yield _state(
        "open_breakers",
        "CircuitBreakerOpen",
        "circuit breakers that are not closed",
        value=sum(state is not BreakerState.CLOSED for state in states) if states else None,
        unit="breakers",
        warning=0,
    )


def served_requests(totals: Totals) -> Mapping[str, Total]:
    """Requests by status, without those of probes."""
    found: dict[str, list[Total]] = {}
    for labels, total in totals.series(catalogue.HTTP_SERVER_REQUEST_DURATION):
        if labels["http_route"] not in PROBES:
            found.setdefault(labels["http_response_status_code"], []).append(total)
    return {status: added_up(parts) for status, parts in found.items()}


def _erred(by_status: Mapping[str, Total]) -> int:
    return sum(total.count for status, total in by_status.items() if status.startswith("5"))


def called(totals: Totals, component: Component) -> Share:
    """Calls that failed, of all that ended; those that an open breaker refused took no time."""
    ok = totals.of(catalogue.OPERATION_DURATION, component=component, outcome=Outcome.SUCCESS).count
    failed = totals.of(catalogue.OPERATION_ERRORS, component=component).count
    return Share(failed, ok + failed)


def _state(
    name: str,
    alert: str,
    description: str,
    *,
    value: float | None,
    unit: str,
    warning: float | None = None,
    critical: float | None = None,
    enough: bool = True,
) -> ThresholdState:
    state: State = "ok"
    if value is None:
        state = "no_data"
    elif enough and critical is not None and value > critical:
        state = "critical"
    elif enough and warning is not None and value > warning:
        state = "warning"
    return ThresholdState(
        name=name,
        alert=alert,
        description=description,
        value=value,
        unit=unit,
        warning=warning,
        critical=critical,
        state=state,
    )
