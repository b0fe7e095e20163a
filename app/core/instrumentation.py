"""Instruments: prometheus-client metrics made from the catalogue, bound once and used by position.

instruments = Instruments()
calls = instruments.counter(catalogue.APPROVALS)
calls.child("approve").inc()

with instruments.operation(Component.SMS_AGENT, Operation.SEND_SMS):
    ...
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import iscoroutinefunction
from itertools import product
from time import perf_counter
from types import TracebackType
from typing import Generic, Literal, ParamSpec, Protocol, Self, TypeVar, cast

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

from app.core import catalogue
from app.core.catalogue import OTHER, ErrorType, Metric, Outcome

MAX_CHILDREN = 2000
"""Label combinations kept per metric; further ones are folded into ``other``."""

P = ParamSpec("P")
R = TypeVar("R")
Child = TypeVar("Child", Counter, Gauge, Histogram)
MergeMode = Literal["livesum", "livemin", "livemax"]


class Classified(Protocol):
    """An exception that knows why it was raised."""

    error_type: ErrorType


class Family(Generic[Child]):
    """A metric's children by label values, in the order the catalogue declares the labels."""

    __slots__ = ("_allowed", "_children", "_family", "_metric", "_overflows")

    def __init__(
        self, metric: Metric, family: Child, overflows: "Callable[[str], None] | None"
    ) -> None:
        self._metric = metric
        self._family: Child = family
        self._overflows = overflows
        self._allowed = tuple(
            None if label.values is None else frozenset(label.values) for label in metric.labels
        )
        self._children: dict[tuple[str, ...], Child] = {}
        if not metric.labels:
            self._children[()] = family

    def child(self, *values: str) -> Child:
        """The child with these label values.

        Values outside a closed set, and new ones past MAX_CHILDREN, become ``other`` and are
        counted. Raises ValueError when the number of values is not the number of labels.
        """
        try:
            return self._children[values]
        except KeyError:
            return self._bind(values)

    def bind_all(self) -> None:
        """Expose every combination of closed labels at zero, so that increases are seen from 0."""
        for values in product(*(label.values or () for label in self._metric.labels)):
            self.child(*values)

    def _bind(self, values: tuple[str, ...]) -> Child:
        if len(values) != len(self._metric.labels):
            raise ValueError(f"{self._metric.name} takes {self._metric.label_names}")
        folded = tuple(self._fold(*pair) for pair in enumerate(values))
        child = self._children.get(folded)
        if child is None:
            child = self._family.labels(*folded)
            self._children[folded] = child
        return child

    def _fold(self, position: int, value: str) -> str:
        allowed = self._allowed[position]
        full = len(self._children) >= MAX_CHILDREN
        if (full and allowed is None) or (allowed is not None and value not in allowed):
            if self._overflows:
                self._overflows(self._metric.labels[position].name)
            return OTHER
        # A plain string: an enum member would be exposed under its Python name.
        return str(value)


class Instruments:
    """The catalogue's instruments in a registry of their own.

    With ``PROMETHEUS_MULTIPROC_DIR`` set, prometheus-client keeps the values in files there and
    `app.core.exposition` merges those of all workers.
    """

    def __init__(self) -> None:
        # A second series for each, that no query reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._families: dict[str, Family[Counter] | Family[Gauge] | Family[Histogram]] = {}
        self._overflows = self.counter(catalogue.LABEL_OVERFLOWS)
        self._internal_errors = self.counter(catalogue.INSTRUMENTATION_ERRORS).child()
        self._durations = self.histogram(catalogue.OPERATION_DURATION)
        self._errors = self.counter(catalogue.OPERATION_ERRORS)

    def counter(self, metric: Metric) -> Family[Counter]:
        """The family of a counter; the same one at each call."""
        if metric.name not in self._families:
            family = Counter(metric.name, metric.help, metric.label_names, registry=self.registry)
            self._families[metric.name] = Family(metric, family, self._overflow_of(metric))
        return cast("Family[Counter]", self._families[metric.name])

    def gauge(self, metric: Metric) -> Family[Gauge]:
        """The family of a gauge; the same one at each call."""
        if metric.name not in self._families:
            family = Gauge(
                metric.name,
                metric.help,
                metric.label_names,
                registry=self.registry,
                multiprocess_mode=cast("MergeMode", metric.merge),
            )
            self._families[metric.name] = Family(metric, family, self._overflow_of(metric))
        return cast("Family[Gauge]", self._families[metric.name])

    def histogram(self, metric: Metric) -> Family[Histogram]:
        """The family of a histogram; the same one at each call."""
        if metric.name not in self._families:
            family = Histogram(
                metric.name,
                metric.help,
                metric.label_names,
                registry=self.registry,
                buckets=metric.buckets,
            )
            self._families[metric.name] = Family(metric, family, self._overflow_of(metric))
        return cast("Family[Histogram]", self._families[metric.name])

    def operation(self, component: str, name: str) -> "operation":
        """A timer of one operation, as context manager (sync and async) or decorator."""
        return operation(self, component, name)

    def operation_failed(self, component: str, name: str, error_type: str) -> None:
        """Count a failed operation that took no time, such as one an open breaker refused."""
        self._errors.child(component, name, error_type).inc()

    def operation_ended(
        self, component: str, name: str, seconds: float, error: BaseException | None
    ) -> None:
        """Record one operation's duration, outcome and error type."""
        outcome = _outcome(error)
        self._durations.child(component, name, outcome).observe(seconds)
        if outcome is Outcome.ERROR:
            error_type = getattr(error, "error_type", ErrorType.OTHER)
            self._errors.child(component, name, error_type).inc()

    @contextmanager
    def contained(self) -> Iterator[None]:
        """Count an error inside instrumentation instead of letting it reach the request."""
        try:
            yield
        except Exception:
            self._internal_errors.inc()

    def _overflow_of(self, metric: Metric) -> Callable[[str], None] | None:
        if metric is catalogue.LABEL_OVERFLOWS:
            return None
        return lambda label: self._overflows.child(label).inc()


class operation:  # noqa: N801 - reads as a statement: with instruments.operation(...)
    """Times one operation; exceptions pass through untouched.

    A slotted class, because a generator-based context manager costs twice as much per call.
    """

    __slots__ = ("_component", "_instruments", "_name", "_started")

    def __init__(self, instruments: Instruments, component: str, name: str) -> None:
        self._instruments = instruments
        self._component = component
        self._name = name
        self._started = 0.0

    def __enter__(self) -> Self:
        self._started = perf_counter()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        seconds = perf_counter() - self._started
        with self._instruments.contained():
            self._instruments.operation_ended(self._component, self._name, seconds, exc)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(exc_type, exc, traceback)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Time each call of ``function``; a coroutine function is timed until it has ended."""
        if iscoroutinefunction(function):
            coroutine = cast("Callable[P, Awaitable[object]]", function)

            @wraps(function)
            async def timed_coroutine(*args: P.args, **kwargs: P.kwargs) -> object:
                with operation(self._instruments, self._component, self._name):
                    return await coroutine(*args, **kwargs)

            return cast("Callable[P, R]", timed_coroutine)

        @wraps(function)
        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            with operation(self._instruments, self._component, self._name):
                return function(*args, **kwargs)

        return timed


def _outcome(error: BaseException | None) -> Outcome:
    if error is None:
        return Outcome.SUCCESS
    # CancelledError, KeyboardInterrupt and the like: nobody waited for the end, nothing failed.
    return Outcome.ERROR if isinstance(error, Exception) else Outcome.CANCELLED
