"""Thresholds of the endpoint: where a value stands between fine, worrying and too much."""

from dataclasses import dataclass
from typing import Literal

from app.core import catalogue
from app.core.catalogue import BreakerState, Component
from app.core.config import Settings
from app.schemas.metrics import Threshold
from app.services.measures import MEASURES, evaluate
from app.services.rollups import Totals

State = Literal["ok", "warning", "critical", "no_data"]

WARNING_SHARE = 0.75
"""Of a limit: from here on it is a warning."""


@dataclass(frozen=True, slots=True)
class Now:
    """What the thresholds look at besides the totals of the last 5 minutes."""

    recent: Totals
    hour: Totals
    in_flight: int
    oldest_waiting_seconds: float
    breakers: dict[str, BreakerState]


def thresholds(settings: Settings, now: Now) -> list[Threshold]:
    """Each threshold with its value and state (docs/domain.md, "What it promises")."""
    limits = settings.thresholds
    seconds = 300
    messages = now.recent.of(catalogue.SMS_PROCESSING_DURATION)
    ai = now.recent.of(catalogue.OPERATION_DURATION, component=Component.AI_PROVIDER)
    ai_failed = now.recent.of(catalogue.OPERATION_ERRORS, component=Component.AI_PROVIDER).count
    requests = now.recent.of(catalogue.HTTP_SERVER_REQUEST_DURATION)
    available = evaluate(MEASURES["http.availability"], now.recent, seconds).value
    open_breakers = sum(state is BreakerState.OPEN for state in now.breakers.values())
    budget = 1 - limits.availability_objective
    hourly = evaluate(MEASURES["http.availability"], now.hour, 3600).value
    return [
        _above(
            "sms_latency",
            f"time within which {limits.sms_latency_objective:.0%} of the SMS are processed",
            messages.quantile(limits.sms_latency_objective),
            "seconds",
            limits.sms_latency_seconds,
        ),
        _above(
            "response_time",
            "p99 of a request; releases are rolled back above the limit",
            requests.quantile(0.99),
            "seconds",
            limits.rollback_latency_seconds,
        ),
        _above(
            "error_ratio",
            "share of requests with a 5xx; releases are rolled back above the limit",
            None if available is None else 1 - available,
            "ratio",
            limits.rollback_error_ratio,
        ),
        _above(
            "unavailability",
            "share of the last hour's requests with a 5xx, beside the objective",
            None if hourly is None else 1 - hourly,
            "ratio",
            budget,
        ),
        _above(
            "ai_error_ratio",
            "share of the AI's calls that failed or were refused",
            ai_failed / (ai.count or ai_failed) if ai.count or ai_failed else None,
            "ratio",
            limits.ai_error_ratio,
        ),
        _above(
            "concurrent_sms",
            "SMS at once, beside what is handled without getting slower",
            now.in_flight,
            "messages",
            limits.concurrent_sms,
        ),
        _above(
            "approval_wait",
            "age of the oldest response that waits for a manager",
            now.oldest_waiting_seconds,
            "seconds",
            limits.approval_wait_seconds,
        ),
        _above("open_breakers", "circuit breakers that are open", open_breakers, "breakers", 0),
    ]


def _above(
    name: str, description: str, value: float | None, unit: str, critical: float
) -> Threshold:
    warning = critical * WARNING_SHARE
    state: State = "ok"
    if value is None:
        state = "no_data"
    elif value > critical:
        state = "critical"
    elif value > warning:
        state = "warning"
    return Threshold(
        name=name,
        description=description,
        value=value,
        unit=unit,
        warning=warning,
        critical=critical,
        state=state,
    )
