"""Calls to the upstreams and the database, and the breakers that guard them."""

from alerts.logs import LogQuery
from alerts.model import Comparison, Group, Guard, Record, Severity, Signal, Team, Threshold, Unit
from alerts.promql import or_zero, quantile, ratio, seconds
from app.core import catalogue
from app.core.catalogue import BreakerState, Component, Outcome
from app.core.events import BreakerChanged, OperationFailed
from app.core.thresholds import Thresholds

_DURATION = catalogue.OPERATION_DURATION
_ERRORS = catalogue.OPERATION_ERRORS.name
_ERRORS_BASE = _ERRORS.removesuffix("_total")
_LEVEL = "job, component, operation"
_SUCCEEDED = f'outcome="{Outcome.SUCCESS}"'


def _ended(level: str, window: str) -> str:
    """Operations that succeeded or failed, a second.

    Calls that an open breaker refused are counted as errors but took no time, so the histogram
    knows nothing of them. ``or`` keeps both sides whole, because their labels differ.
    """
    return (
        f"sum by ({level}) (rate({_DURATION.count}{{{_SUCCEEDED}}}[{window}]) "
        f"or rate({_ERRORS}[{window}]))"
    )


def _failed(level: str, window: str) -> str:
    return f"sum by ({level}) (rate({_ERRORS}[{window}]))"


RATE = Record("job_component_operation:operations:rate5m", _ended(_LEVEL, "5m"))
ERRORS = Record(
    f"job_component_operation:{_ERRORS_BASE}:rate5m", or_zero(_failed(_LEVEL, "5m"), RATE.name)
)
ERROR_RATIO = Record(
    f"job_component_operation:{_ERRORS_BASE}:ratio_rate5m", ratio(ERRORS.name, RATE.name)
)
COMPONENT_RATE = Record("job_component:operations:rate1m", _ended("job, component", "1m"))
COMPONENT_ERRORS = Record(
    f"job_component:{_ERRORS_BASE}:rate1m",
    or_zero(_failed("job, component", "1m"), COMPONENT_RATE.name),
)
COMPONENT_ERROR_RATIO = Record(
    f"job_component:{_ERRORS_BASE}:ratio_rate1m",
    ratio(COMPONENT_ERRORS.name, COMPONENT_RATE.name),
)
_STATE = catalogue.CIRCUIT_BREAKER_STATE.name
BREAKERS_NOT_CLOSED = Record(
    f"job_component:{_STATE}:not_closed",
    f'sum by (job, component) ({_STATE}{{state!="{BreakerState.CLOSED}"}})',
)
ERRORS_BY_TYPE = Record(
    f"job_component_error_type:{_ERRORS_BASE}:rate5m",
    _failed("job, component, error_type", "5m"),
)
_SUCCEEDED_BUCKET = f"{_DURATION.bucket}{{{_SUCCEEDED}}}"
P50 = Record(
    f"job_component_operation:{_DURATION.name}:p50_rate5m",
    quantile(0.5, _SUCCEEDED_BUCKET, _LEVEL, "5m"),
)
P99 = Record(
    f"job_component_operation:{_DURATION.name}:p99_rate5m",
    quantile(0.99, _SUCCEEDED_BUCKET, _LEVEL, "5m"),
)


AI_PROVIDER_FAILING = "AIProviderFailing"


def failing(thresholds: Thresholds) -> Signal:
    """The share of operations that fail, by component, over a window as short as a page needs."""
    return Signal(
        title="Failing calls by component",
        meaning="Share of calls that failed or were refused by an open breaker over a minute. "
        "Good is 0; the line is the limit for the AI provider.",
        unit=Unit.RATIO,
        source=COMPONENT_ERROR_RATIO,
        thresholds=(
            Threshold(
                alert=AI_PROVIDER_FAILING,
                comparison=Comparison.ABOVE,
                value=thresholds.ai_error_ratio,
                severity=Severity.PAGE,
                team=Team.ORCHESTRATOR,
                summary="Calls of {{ $labels.job }} to the AI provider fail",
                description="SMS whose answer the AI can't write end as failed workflows and "
                "have to be retried. Share of calls failed or refused over a minute.",
                logs=LogQuery((OperationFailed,), where={"component": Component.AI_PROVIDER}),
                action="See by error type whether the provider is down, slow or refuses us; when "
                "it is back, retry the failed workflows.",
                pending="30s",
                matchers=f'component="{Component.AI_PROVIDER}"',
                guards=(
                    Guard(
                        COMPONENT_ERRORS,
                        Comparison.AT_LEAST,
                        thresholds.minimum_failures,
                        on=(),
                        times=seconds("1m"),
                    ),
                ),
                absence="TargetDown",
            ),
        ),
    )


def breakers_not_closed() -> Signal:
    """The workers whose breaker is open, or half-open on trial."""
    return Signal(
        title="Circuit breakers not closed",
        meaning="Workers whose breaker for an upstream is open or on trial. Good is 0.",
        unit=Unit.COUNT,
        source=BREAKERS_NOT_CLOSED,
        thresholds=(
            Threshold(
                alert="CircuitBreakerOpen",
                comparison=Comparison.ABOVE,
                value=0,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="The breaker of {{ $labels.job }} for {{ $labels.component }} is open",
                description="Calls to {{ $labels.component }} are refused without being tried, "
                "because too many failed in a row. Workers whose breaker is not closed.",
                logs=LogQuery(
                    (BreakerChanged, OperationFailed),
                    where={"component": "{{ $labels.component }}"},
                ),
                action="Mend or wait for {{ $labels.component }}; the breaker tries one call a "
                "minute and closes by itself.",
                pending="1m",
                # The trial calls of an upstream that stays down must not end and begin the alert.
                keep_firing="1m",
            ),
        ),
    )


def group(thresholds: Thresholds) -> Group:
    """The rules of operations."""
    return Group(
        name="operations",
        about="Calls to the upstreams and the database, and their circuit breakers.",
        records=(
            *(RATE, ERRORS, ERROR_RATIO, ERRORS_BY_TYPE, P50, P99),
            *(COMPONENT_RATE, COMPONENT_ERRORS),
        ),
        signals=(failing(thresholds), breakers_not_closed()),
    )
