"""What the records of operations have to say.

A share tells of both that it is made from. Scenarios tell the rest.
"""

from collections.abc import Mapping

from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.universe import Universe, Values, or_zero, share
from alerts.signals import operations
from app.core import catalogue
from app.core.catalogue import BreakerState
from app.core.thresholds import Thresholds
from asgi_observability.catalogue import Outcome
from asgi_observability.metric import Metric

_DURATION, _ERRORS = catalogue.OPERATION_DURATION, catalogue.OPERATION_ERRORS.name
_CALL, _COMPONENT = ("job", "component", "operation"), ("job", "component")
_INSTANCE = ("job", "instance")


def observe_operations(universe: Universe) -> None:
    """Calls of two upstreams that fail sometimes, and of a database that never does."""
    calls = (("ai_provider", "chat_completion"), ("sms_agent", "send_sms"), ("database", "select"))
    for component, operation in calls:
        for outcome in Outcome:
            universe.observe(
                _DURATION, component=component, operation=operation, outcome=outcome.value
            )
        # The database's errors have to be a zero, not a gap.
        for error_type in () if component == "database" else ("timeout", "circuit_open"):
            universe.observe(
                catalogue.OPERATION_ERRORS,
                component=component,
                operation=operation,
                error_type=error_type,
            )
        for state in () if component == "database" else BreakerState:
            for metric in (catalogue.CIRCUIT_BREAKER_STATE, catalogue.CIRCUIT_BREAKER_TRANSITIONS):
                universe.observe(metric, component=component, state=state)
    for connections in ("idle", "used"):
        universe.observe(catalogue.DB_CLIENT_CONNECTIONS, state=connections)
    universe.observe(catalogue.DB_CLIENT_CONNECTION_MAX)
    _observe_calm_job(universe)


def _observe_calm_job(universe: Universe) -> None:
    """So little traffic that a whole of less than 1 has a share as well."""

    def observe(metric: Metric, **labels: str) -> None:
        universe.observe_one(metric, "calm", "c:8000", 0.001, **labels)

    for component, operation in (("ai_provider", "chat_completion"), ("database", "select")):
        labels = {"component": component, "operation": operation}
        observe(_DURATION, **labels, outcome=Outcome.SUCCESS)
        observe(catalogue.OPERATION_ERRORS, **labels, error_type="timeout")
    for metric in (catalogue.CIRCUIT_BREAKER_STATE, catalogue.CIRCUIT_BREAKER_TRANSITIONS):
        observe(metric, component="ai_provider", state=BreakerState.CLOSED)
    observe(catalogue.DB_CLIENT_CONNECTIONS, state="used")
    observe(catalogue.DB_CLIENT_CONNECTION_MAX)


def succeeded(labels: Mapping[str, str]) -> bool:
    """Ended well."""
    return labels["outcome"] == Outcome.SUCCESS


def tests(thresholds: Thresholds) -> list[RecordTest]:
    """The tests of the group."""
    universe = Universe()
    observe_operations(universe)

    def ended(window: int, by: tuple[str, ...]) -> Values:
        """Successes and errors: calls that a breaker refused took no time, but count."""
        both = universe.rates(_DURATION.count, window, by, succeeded)
        for key, rate in universe.rates(_ERRORS, window, by).items():
            both[key] = both.get(key, 0.0) + rate
        return both

    def slower(component: str, limit: float) -> Values:
        def quick(labels: Mapping[str, str]) -> bool:
            return succeeded(labels) and labels["le"] == str(float(limit))

        within = universe.rates(_DURATION.bucket, 300, _COMPONENT, quick)
        return {
            key: total - within[key]
            for key, total in answered.items()
            if dict(key)["component"] == component
        }

    rate, rate_1m = ended(300, _CALL), ended(60, _COMPONENT)
    answered = universe.rates(_DURATION.count, 300, _COMPONENT, succeeded)
    slow = {
        **slower("ai_provider", thresholds.ai_slow_seconds),
        **slower("database", thresholds.database_slow_seconds),
    }
    states = catalogue.CIRCUIT_BREAKER_STATE.name
    closed = universe.increases(
        catalogue.CIRCUIT_BREAKER_TRANSITIONS.name,
        1800,
        _COMPONENT,
        lambda labels: labels["state"] == BreakerState.CLOSED,
    )
    connections = universe.now(
        catalogue.DB_CLIENT_CONNECTIONS.name,
        _INSTANCE,
        lambda labels: labels["state"] == "used",
    )
    failed = or_zero(universe.rates(_ERRORS, 300, _CALL), rate)
    failed_1m = or_zero(universe.rates(_ERRORS, 60, _COMPONENT), rate_1m)
    expected = {
        operations.ERROR_RATIO.name: share(failed, rate),
        operations.COMPONENT_ERROR_RATIO.name: share(failed_1m, rate_1m),
        operations.ERRORS_BY_TYPE.name: universe.rates(
            _ERRORS, 300, ("job", "component", "error_type")
        ),
        operations.SLOW_RATIO.name: {key: rate / answered[key] for key, rate in slow.items()},
        operations.BREAKER_RECOVERIES.name: share(closed, universe.now(states, _COMPONENT)),
        operations.POOL_USED_RATIO.name: share(
            connections, universe.now(catalogue.DB_CLIENT_CONNECTION_MAX.name, _INSTANCE)
        ),
    }
    return [RecordTest("calls by component, of which some fail", universe, expected)]
