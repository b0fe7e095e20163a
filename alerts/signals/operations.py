"""Calls to the upstreams and the database, and the breakers that guard them."""

from alerts.logs import LogQuery
from alerts.model import (
    Comparison,
    Dashboard,
    Group,
    Guard,
    Record,
    Severity,
    Signal,
    Team,
    Threshold,
    Unit,
)
from alerts.promql import at_most, beyond, or_zero, ratio, seconds
from app.core import catalogue
from app.core.catalogue import BreakerState, Component
from app.core.events import BreakerChanged, DatabaseFailed
from app.core.thresholds import Thresholds
from asgi_observability.catalogue import Outcome
from asgi_observability.events import OperationFailed, OperationSlow

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


ERRORS_BY_OPERATION = Record(
    f"job_component_operation_error_type:{_ERRORS_BASE}:rate5m",
    _failed(f"{_LEVEL}, error_type", "5m"),
)
SUCCEEDED_BY_OPERATION = Record(
    f"job_component_operation:{_DURATION.name}:succeeded_rate5m",
    f"sum by ({_LEVEL}) (rate({_DURATION.count}{{{_SUCCEEDED}}}[5m]))",
)
RATE = Record(
    "job_component_operation:operations:rate5m",
    f"sum by ({_LEVEL}) ({SUCCEEDED_BY_OPERATION} or {ERRORS_BY_OPERATION})",
)
ERRORS = Record(
    f"job_component_operation:{_ERRORS_BASE}:rate5m",
    or_zero(f"sum by ({_LEVEL}) ({ERRORS_BY_OPERATION})", RATE.name),
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
COMPONENT_RATE_5M = Record("job_component:operations:rate5m", f"sum by (job, component) ({RATE})")
COMPONENT_ERRORS_5M = Record(
    f"job_component:{_ERRORS_BASE}:rate5m", f"sum by (job, component) ({ERRORS})"
)
COMPONENT_ERROR_RATIO_5M = Record(
    f"job_component:{_ERRORS_BASE}:ratio_rate5m",
    ratio(COMPONENT_ERRORS_5M.name, COMPONENT_RATE_5M.name),
)
_STATE = catalogue.CIRCUIT_BREAKER_STATE.name
_TRANSITIONS = catalogue.CIRCUIT_BREAKER_TRANSITIONS.name
BREAKERS_NOT_CLOSED = Record(
    f"job_component:{_STATE}:not_closed",
    f'sum by (job, component) ({_STATE}{{state!="{BreakerState.CLOSED}"}})',
)
# An outage opens the breaker of every worker, and again after each trial that fails; what closes
# it is a recovery. Several of these in a row are what flapping is.
BREAKER_RECOVERIES = Record(
    f"job_component:{_TRANSITIONS.removesuffix('_total')}:recoveries_per_worker_increase30m",
    ratio(
        f'sum by (job, component) (increase({_TRANSITIONS}{{state="{BreakerState.CLOSED}"}}[30m]))',
        f"sum by (job, component) ({_STATE})",
    ),
)
_CONNECTIONS = catalogue.DB_CLIENT_CONNECTIONS.name
POOL_USED_RATIO = Record(
    f"job_instance:{_CONNECTIONS}:used_ratio",
    ratio(
        f'sum by (job, instance) ({_CONNECTIONS}{{state="used"}})',
        f"sum by (job, instance) ({catalogue.DB_CLIENT_CONNECTION_MAX.name})",
    ),
)
ERRORS_BY_TYPE = Record(
    f"job_component_error_type:{_ERRORS_BASE}:rate5m",
    f"sum by (job, component, error_type) ({ERRORS_BY_OPERATION})",
)
SUCCEEDED = Record(
    f"job_component:{_DURATION.name}:succeeded_rate5m",
    f"sum by (job, component) ({SUCCEEDED_BY_OPERATION})",
)
_SLOW = f"job_component:{_DURATION.name}:slow_rate5m"
SLOW_RATIO = Record(
    f"job_component:{_DURATION.name}:slow_ratio_rate5m", ratio(_SLOW, SUCCEEDED.name)
)


def slow_operations(thresholds: Thresholds) -> Record:
    """Successes a second that took longer than their limit, of the components that have one."""

    def slower(component: Component, limit: float, setting: str) -> str:
        matchers = f'component="{component}",{_SUCCEEDED},{at_most(_DURATION, limit, setting)}'
        within = f"sum by (job, component) (rate({_DURATION.bucket}{{{matchers}}}[5m]))"
        return beyond(SUCCEEDED.name, within, "job, component")

    answers = slower(Component.AI_PROVIDER, thresholds.ai_slow_seconds, "ai_slow_seconds")
    statements = slower(
        Component.DATABASE, thresholds.database_slow_seconds, "database_slow_seconds"
    )
    return Record(_SLOW, f"{answers} or {statements}")


AI_PROVIDER_FAILING = "AIProviderFailing"

PERSISTS = "90s"
"""Longer than one burst of failures shows in rates over a minute: 75 s on Prometheus 2."""


def _enough(thresholds: Thresholds) -> Guard:
    """Failures of the last five minutes, so that little traffic calls nobody."""
    return Guard(
        COMPONENT_ERRORS_5M,
        Comparison.AT_LEAST,
        thresholds.minimum_failures,
        on=(),
        times=seconds("5m"),
    )


def _still_failing(limit: float) -> Guard:
    """The last minute is as bad, so that an old burst calls nobody, and the end is told soon."""
    return Guard(COMPONENT_ERROR_RATIO, Comparison.ABOVE, limit, on=())


def failing(thresholds: Thresholds) -> Signal:
    """The share of operations that fail, by component, over a window as short as a page needs."""
    return Signal(
        title="Failing calls",
        meaning="Share of calls and statements that failed or were refused by an open breaker over "
        "a minute. Good is 0. The lines are the limits for the AI provider and the database.",
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
                description="SMS may end as failed workflows, which have to be run again, unless "
                "their retries still work. Share of calls failed or refused over a minute.",
                logs=LogQuery((OperationFailed,), where={"component": Component.AI_PROVIDER}),
                action="See by error type whether the provider is down, slow or refuses us. When "
                "it is back, retry the workflows that failed, if any.",
                pending=PERSISTS,
                # What it explains must not outlast it: failed workflows are looked at for five
                # minutes and kept for as many. That would call, or tell a page on others anew.
                keep_firing="525s",
                matchers=f'component="{Component.AI_PROVIDER}"',
                guards=(_enough(thresholds),),
                absence="TargetDown",
            ),
            Threshold(
                alert="DatabaseFailing",
                comparison=Comparison.ABOVE,
                value=thresholds.database_error_ratio,
                # Nothing retries a statement: an SMS whose statement fails is answered 503.
                severity=Severity.PAGE,
                team=Team.ORCHESTRATOR,
                summary="Statements of {{ $labels.job }} fail in its database",
                description="SMS are not accepted, and managers' decisions are lost. An SMS "
                "needs about twenty statements, and fails if one of them fails. Share of "
                "statements failed over a minute.",
                action="Is the database up, and is its disk full? Then see the exception's class "
                "in the log.",
                pending=PERSISTS,
                # Longer than what it explains: that would call when all is over.
                keep_firing="8m",
                matchers=f'component="{Component.DATABASE}"',
                guards=(_enough(thresholds),),
                logs=LogQuery((DatabaseFailed, OperationFailed)),
                absence="TargetDown",
            ),
        ),
    )


def failing_for_minutes(thresholds: Thresholds) -> Signal:
    """The share of operations that fail, by component, over five minutes."""
    return Signal(
        title="Failing calls, 5 minutes",
        meaning="Share of calls that failed or were refused by an open breaker over 5 minutes. "
        "Good is 0. The line is the limit for each upstream but the AI provider.",
        unit=Unit.RATIO,
        source=COMPONENT_ERROR_RATIO_5M,
        thresholds=(
            Threshold(
                alert="UpstreamFailing",
                comparison=Comparison.ABOVE,
                value=thresholds.upstream_error_ratio,
                # Retries make up for most of it; what they can't pages as SMSWorkflowsFailing.
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="Calls of {{ $labels.job }} to {{ $labels.component }} fail",
                description="As long as a retry works, tenants only notice 1 to 7 s of delay. "
                "Share of calls failed or refused over 5 minutes.",
                action="See by error type what is wrong, and tell the team of "
                "{{ $labels.component }}.",
                pending=PERSISTS,
                keep_firing="2m",
                matchers=f'component!~"{Component.AI_PROVIDER}|{Component.DATABASE}"',
                guards=(_enough(thresholds), _still_failing(thresholds.upstream_error_ratio)),
                logs=LogQuery((OperationFailed,), where={"component": "{{ $labels.component }}"}),
                absence="TargetDown",
            ),
        ),
    )


def slow(thresholds: Thresholds) -> Signal:
    """The share of AI answers and of database statements that take too long.

    Of the AI's answers no alert tells: whoever waits longer for one than is promised of the whole
    SMS spends the budget of SMS in time, which pages.
    """
    answer = Unit.SECONDS.text(thresholds.ai_slow_seconds)
    statement = Unit.SECONDS.text(thresholds.database_slow_seconds)
    return Signal(
        title="Slow answers and statements",
        meaning=f"Share of the AI's answers that took longer than {answer}, and of database "
        f"statements longer than {statement}, over 5 minutes. Good is 0.",
        unit=Unit.RATIO,
        source=SLOW_RATIO,
        thresholds=(
            Threshold(
                alert="DatabaseSlow",
                comparison=Comparison.ABOVE,
                value=thresholds.slow_ratio,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="Too many statements of {{ $labels.job }} take longer than "
                f"{statement} in its database",
                description="An SMS needs about twenty statements, so it is seconds late. Share of "
                "statements over 5 minutes.",
                action="See which kind of statement is slow, then the database's disk, locks and "
                "load.",
                # Longer than the window: one burst of slow statements is no news.
                pending="6m",
                keep_firing="5m",
                matchers=f'component="{Component.DATABASE}"',
                guards=(
                    Guard(
                        slow_operations(thresholds),
                        Comparison.AT_LEAST,
                        thresholds.minimum_failures,
                        on=(),
                        times=seconds("5m"),
                    ),
                ),
                logs=LogQuery((OperationSlow,), where={"component": Component.DATABASE}),
            ),
        ),
    )


def breakers_flapping() -> Signal:
    """How often breakers close again.

    No alert tells of it: whatever opens a breaker is told already, each time.
    """
    return Signal(
        title="Breakers that closed again",
        meaning="How often a worker's breaker closed again within 30 minutes. Once is the end of "
        "an outage. More often means that an upstream fails under load. Good is 0.",
        unit=Unit.COUNT,
        source=BREAKER_RECOVERIES,
    )


def pool(thresholds: Thresholds) -> Signal:
    """How much of the database pool is lent out."""
    return Signal(
        title="Database connections in use",
        meaning="Share of the pool's connections that are in use. Good is below "
        f"{Unit.RATIO.text(thresholds.database_pool_ratio)}. At 100% requests wait for one.",
        unit=Unit.RATIO,
        source=POOL_USED_RATIO,
        thresholds=(
            Threshold(
                alert="DatabasePoolExhausted",
                comparison=Comparison.ABOVE,
                value=thresholds.database_pool_ratio,
                severity=Severity.TICKET,
                team=Team.ORCHESTRATOR,
                summary="{{ $labels.job }} at {{ $labels.instance }} has almost no free database "
                "connection",
                description="Requests wait up to 30 s for a connection, then they are answered "
                "500. Share of the pool in use.",
                action="See whether statements are slow. If they are not, the pool is too small "
                "for the load.",
                pending="5m",
                keep_firing="1m",
                logs=LogQuery((DatabaseFailed, OperationSlow)),
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
                "because too many failed in a row. There are too few calls to say which share "
                "fails. Workers whose breaker is not closed.",
                logs=LogQuery(
                    (BreakerChanged, OperationFailed),
                    where={"component": "{{ $labels.component }}"},
                ),
                action="Fix {{ $labels.component }}, or wait for it. The breaker tries one call a "
                "minute and closes by itself.",
                # With more traffic the failing calls are told first, and hold this back.
                pending="5m",
                # The trial calls of an upstream that stays down must not end and begin the alert.
                keep_firing="2m",
            ),
        ),
    )


def group(thresholds: Thresholds) -> Group:
    """The rules of operations."""
    return Group(
        name="operations",
        dashboard=Dashboard.SERVICES,
        about="Calls to the upstreams and the database, and their circuit breakers.",
        records=(
            *(ERRORS_BY_OPERATION, SUCCEEDED_BY_OPERATION),
            *(RATE, ERRORS, ERROR_RATIO, ERRORS_BY_TYPE),
            *(COMPONENT_RATE, COMPONENT_ERRORS, COMPONENT_RATE_5M, COMPONENT_ERRORS_5M),
            *(SUCCEEDED, slow_operations(thresholds)),
        ),
        signals=(
            failing(thresholds),
            failing_for_minutes(thresholds),
            slow(thresholds),
            breakers_not_closed(),
            breakers_flapping(),
            pool(thresholds),
        ),
    )
