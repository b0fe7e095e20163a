"""What the records of operations have to say."""

from collections.abc import Mapping

from alerts.rule_tests.records import RecordTest
from alerts.rule_tests.universe import Universe, Values, or_zero, share
from alerts.signals import operations
from app.core import catalogue
from app.core.catalogue import BreakerState, Outcome
from app.core.thresholds import Thresholds

_DURATION, _ERRORS = catalogue.OPERATION_DURATION, catalogue.OPERATION_ERRORS.name
_CALL, _COMPONENT = ("job", "component", "operation"), ("job", "component")


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
            universe.observe(catalogue.CIRCUIT_BREAKER_STATE, component=component, state=state)


def succeeded(labels: Mapping[str, str]) -> bool:
    """Ended well."""
    return labels["outcome"] == Outcome.SUCCESS


def tests(_thresholds: Thresholds) -> list[RecordTest]:
    """The tests of the group."""
    universe = Universe()
    observe_operations(universe)

    def ended(window: int, by: tuple[str, ...]) -> Values:
        """Successes and errors: calls that a breaker refused took no time, but count."""
        both = universe.rates(_DURATION.count, window, by, succeeded)
        for key, rate in universe.rates(_ERRORS, window, by).items():
            both[key] = both.get(key, 0.0) + rate
        return both

    rate, rate_1m = ended(300, _CALL), ended(60, _COMPONENT)
    failed = or_zero(universe.rates(_ERRORS, 300, _CALL), rate)
    failed_1m = or_zero(universe.rates(_ERRORS, 60, _COMPONENT), rate_1m)
    expected = {
        operations.RATE.name: rate,
        operations.ERRORS.name: failed,
        operations.ERROR_RATIO.name: share(failed, rate),
        operations.COMPONENT_RATE.name: rate_1m,
        operations.COMPONENT_ERRORS.name: failed_1m,
        operations.COMPONENT_ERROR_RATIO.name: share(failed_1m, rate_1m),
        operations.ERRORS_BY_TYPE.name: universe.rates(
            _ERRORS, 300, ("job", "component", "error_type")
        ),
        operations.P50.name: universe.quantiles(0.5, _DURATION, 300, _CALL, succeeded),
        operations.P99.name: universe.quantiles(0.99, _DURATION, 300, _CALL, succeeded),
        operations.BREAKERS_NOT_CLOSED.name: universe.now(
            catalogue.CIRCUIT_BREAKER_STATE.name,
            _COMPONENT,
            lambda labels: labels["state"] != BreakerState.CLOSED,
        ),
    }
    return [RecordTest("calls by component, of which some fail", universe, expected)]
