"""How long requests, calls and statements take: quantiles for people, once a minute.

A quantile by route or operation reads every bucket of every instance, and no rule costs more. No
alert waits for one: those ask for the share of what took too long, which one bucket tells exactly.
"""

from alerts.model import Dashboard, Group, Record
from alerts.promql import by_bound, quantile, quantile_of
from alerts.signals.http import ROUTE, SERVED
from app.core import catalogue
from asgi_observability.catalogue import Outcome

_REQUEST = catalogue.HTTP_SERVER_REQUEST_DURATION
_OPERATION = catalogue.OPERATION_DURATION

REQUEST_P99 = Record(
    f"job_{ROUTE}:{_REQUEST.name}:p99_rate5m",
    quantile(0.99, f"{_REQUEST.bucket}{{{SERVED}}}", f"job, {ROUTE}", "5m"),
)
"""Of requests, without probes."""

_SUCCEEDED = f'{_OPERATION.bucket}{{outcome="{Outcome.SUCCESS}"}}'
_OPERATIONS = Record(
    f"job_component_operation_le:{_OPERATION.bucket}:succeeded_rate5m",
    by_bound(_SUCCEEDED, "job, component, operation", "5m"),
)


def _succeeded_within(q: float) -> Record:
    return Record(
        f"job_component_operation:{_OPERATION.name}:p{q * 100:g}_rate5m",
        quantile_of(q, _OPERATIONS.name),
    )


P50, P99 = map(_succeeded_within, (0.5, 0.99))
"""Of calls and statements that succeeded."""


def group() -> Group:
    """The rules of durations."""
    return Group(
        name="durations",
        dashboard=Dashboard.SERVICES,
        about="How long requests, calls and statements take.",
        interval="1m",
        records=(REQUEST_P99, _OPERATIONS, P50, P99),
        signals=(),
    )
