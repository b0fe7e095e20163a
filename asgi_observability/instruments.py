"""Instruments: prometheus-client metrics made from the catalogue, bound once and used by position.

instruments = Instruments()
approvals = instruments.counter(catalogue.APPROVALS)
approvals.series("approve").note()

with instruments.operation(Component.SMS_AGENT, Operation.SEND_SMS):
    ...
"""

import math
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from inspect import iscoroutinefunction
from itertools import product
from time import perf_counter
from types import TracebackType
from typing import Any, Generic, ParamSpec, Protocol, Self, TypeVar, cast

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client import Metric as PrometheusMetric

from asgi_observability import catalogue
from asgi_observability.catalogue import Outcome
from asgi_observability.forking import in_each_child
from asgi_observability.metric import OTHER, Metric
from asgi_observability.operation_log import OperationLog
from asgi_observability.recorder import Exemplar, Feed, Recorded, Recorder, Series
from asgi_observability.snapshot import FamilySnapshot, HistogramRow

MAX_CHILDREN = 2000
"""Label combinations kept per metric; further ones are folded into ``other``."""

P = ParamSpec("P")
R = TypeVar("R")
Child = TypeVar("Child", Counter, Gauge, Histogram)


class Classified(Protocol):
    """An exception that knows why it was raised."""

    error_type: str


class Family(Generic[Child]):
    """A metric's series by label values, in the order the catalogue declares the labels."""

    __slots__ = (
        "_allowed",
        "_children",
        "_family",
        "_overflows",
        "_recorder",
        "_series",
        "metric",
    )

    def __init__(
        self,
        metric: Metric,
        family: Child,
        overflows: "Callable[[str], None] | None",
        recorder: Recorder,
    ) -> None:
        self.metric = metric
        self._family: Child = family
        self._overflows = overflows
        self._recorder = recorder
        self._allowed = tuple(
            None if label.values is None else frozenset(label.values) for label in metric.labels
        )
        self._children: dict[tuple[str, ...], Child] = {}
        self._series: dict[tuple[str, ...], Recorded] = {}
        if not metric.labels:
            self._children[()] = family

    def series(self, *values: str) -> Recorded:
        """The series with these label values, to note events of.

        Values outside a closed set, and new ones past MAX_CHILDREN, become ``other`` and are
        counted. Raises ValueError when the number of values is not the number of labels.
        """
        try:
            return self._series[values]
        except KeyError:
            return self._record(values)

    def child(self, *values: str) -> Child:
        """The prometheus-client child itself, folded likewise, for what is set and not noted."""
        try:
            return self._children[values]
        except KeyError:
            return self._bind(self._folded(values))

    def bind_all(self) -> None:
        """Expose every combination of closed labels at zero, so that increases are seen from 0."""
        for values in product(*(label.values or () for label in self.metric.labels)):
            self.child(*values)

    def snapshot(self) -> FamilySnapshot:
        """Every series as it is now."""
        metric = self.metric
        rows: dict[tuple[str, ...], float | HistogramRow] = {}
        for values, child in tuple(self._children.items()):
            if isinstance(child, Histogram):
                counts = [int(bucket.get()) for bucket in child._buckets]
                rows[values] = HistogramRow(counts, child._sum.get())
            else:
                rows[values] = child._value.get()
        return FamilySnapshot(
            *(metric.name, metric.kind.value, metric.help, metric.unit, metric.label_names),
            *(metric.buckets, metric.merge, rows),
        )

    def clear(self) -> None:
        """Set every series to zero."""
        for child in self._children.values():
            if isinstance(child, Histogram):
                for bucket in child._buckets:
                    bucket.set(0)
                child._sum.set(0)
            else:
                child._value.set(0)

    def _record(self, values: tuple[str, ...]) -> Recorded:
        folded = self._folded(values)
        if folded not in self._series:
            feed = _feed(self._bind(folded))
            series = Series(self.metric, folded)
            self._series[folded] = self._recorder.recorded(series, feed)
        return self._series[folded]

    def _bind(self, values: tuple[str, ...]) -> Child:
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = self._family.labels(*values)
        return child

    def _folded(self, values: tuple[str, ...]) -> tuple[str, ...]:
        if values in self._children:
            return values
        if len(values) != len(self.metric.labels):
            raise ValueError(f"{self.metric.name} takes {self.metric.label_names}")
        return tuple(self._fold(*pair) for pair in enumerate(values))

    def _fold(self, position: int, value: str) -> str:
        allowed = self._allowed[position]
        full = len(self._children) >= MAX_CHILDREN
        if (full and allowed is None) or (allowed is not None and value not in allowed):
            if self._overflows:
                self._overflows(self.metric.labels[position].name)
            return OTHER
        # A plain string: an enum member would be exposed under its Python name.
        return str(value)


def _feed(child: Counter | Gauge | Histogram) -> Feed:
    """What a batch of notes does to ``child``."""
    if isinstance(child, Counter):
        return lambda values, _: child.inc(math.fsum(values))
    if isinstance(child, Gauge):
        return lambda values, _: child.set(values[-1]) if values else None

    def observe(values: list[float], exemplar: Exemplar | None) -> None:
        largest, labels = exemplar or (math.nan, None)
        for value in values:
            if value == largest:
                child.observe(value, labels)
                largest = math.nan
            else:
                child.observe(value)

    return observe


class _Registry(CollectorRegistry):
    """A registry whose readers see what was noted up to now."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def collect(self) -> Iterator[PrometheusMetric]:
        self._recorder.drain()
        yield from super().collect()


class Instruments:
    """The instruments of one process, in a registry of their own.

    ``narrowed`` are metrics of the layer whose label values the service knows (`limited_to`): any
    other value is folded into ``other``. What is timed is logged where there is an
    ``operation_log``.
    """

    def __init__(
        self, narrowed: Iterable[Metric] = (), operation_log: OperationLog | None = None
    ) -> None:
        # A second series for each, that no query reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.recorder = Recorder(on_error=self.count_error)
        self.registry = _Registry(self.recorder)
        self._narrowed = {metric.name: metric for metric in narrowed}
        self._families: dict[str, Family[Counter] | Family[Gauge] | Family[Histogram]] = {}
        self._overflows = self.counter(catalogue.LABEL_OVERFLOWS)
        self._internal_errors = self.counter(catalogue.INSTRUMENTATION_ERRORS).child()
        self._durations = self.histogram(catalogue.OPERATION_DURATION)
        self._errors = self.counter(catalogue.OPERATION_ERRORS)
        self.operation_log = operation_log
        self._samples: list[tuple[Recorded, Callable[[], float]]] = []
        # The common end of an operation, one look-up away.
        self._succeeded: dict[tuple[str, str], Recorded] = {}
        in_each_child(self.begin_in_child)

    def counter(self, metric: Metric) -> Family[Counter]:
        """The family of a counter; the same one at each call."""
        return cast("Family[Counter]", self._family(metric, Counter))

    def gauge(self, metric: Metric) -> Family[Gauge]:
        """The family of a gauge; the same one at each call."""
        return cast("Family[Gauge]", self._family(metric, Gauge))

    def histogram(self, metric: Metric) -> Family[Histogram]:
        """The family of a histogram; the same one at each call."""
        buckets = {"buckets": metric.buckets}
        return cast("Family[Histogram]", self._family(metric, Histogram, **buckets))

    def operation(self, component: str, name: str) -> "operation":
        """A timer of one operation, as context manager (sync and async) or decorator."""
        try:
            succeeded = self._succeeded[component, name]
        except KeyError:
            succeeded = self._durations.series(component, name, Outcome.SUCCESS)
            self._succeeded[component, name] = succeeded
        return operation(self, component, name, succeeded)

    def operation_failed(self, component: str, name: str, error_type: str) -> None:
        """Count a failed operation that took no time, such as one an open breaker refused."""
        self._errors.series(component, name, error_type).note()
        if self.operation_log:
            self.operation_log.refused(component, name, error_type)

    def operation_ended(
        self, component: str, name: str, seconds: float, error: BaseException | None
    ) -> None:
        """Record one operation's duration, outcome and error type."""
        if error is None:
            self._durations.series(component, name, Outcome.SUCCESS).note(seconds)
            if self.operation_log:
                self.operation_log.succeeded(component, name, seconds)
            return
        if self.operation_log:
            self.operation_log.failed(component, name, seconds, error)
        if isinstance(error, Exception):
            self._durations.series(component, name, Outcome.ERROR).note(seconds)
            error_type = getattr(error, "error_type", type(error).__name__)
            self._errors.series(component, name, error_type).note()
        else:
            # CancelledError and the like: nobody waited for the end, nothing failed.
            self._durations.series(component, name, Outcome.CANCELLED).note(seconds)

    def sampled(self, metric: Metric, *values: str, read: Callable[[], float]) -> None:
        """Note what ``read`` gives as this gauge's value at each `sample`."""
        self._samples.append((self.gauge(metric).series(*values), read))

    def sample(self) -> None:
        """Note every sampled gauge as it is now; done once a second."""
        for series, read in self._samples:
            with self.contained():
                series.note(read())

    def snapshot(self) -> list[FamilySnapshot]:
        """Every family as it is now."""
        self.recorder.drain()
        return [family.snapshot() for family in tuple(self._families.values())]

    def begin_in_child(self) -> None:
        """Count from zero in a forked process: what was counted before is the parent's to tell.

        A gauge that is added up would be told twice as well; the least or the greatest of two that
        are equal is the same.
        """
        self.recorder.begin_in_child()
        for family in tuple(self._families.values()):
            if family.metric.merge == "livesum":
                family.clear()

    @contextmanager
    def contained(self) -> Iterator[None]:
        """Count an error inside instrumentation instead of letting it reach the request."""
        try:
            yield
        except Exception:
            self.count_error()

    def _family(
        self, metric: Metric, kind: type[Child], **options: Any
    ) -> "Family[Counter] | Family[Gauge] | Family[Histogram]":
        if metric.name not in self._families:
            metric = self._narrowed.get(metric.name, metric)
            family = kind(
                metric.name, metric.help, metric.label_names, registry=self.registry, **options
            )
            self._families[metric.name] = cast(
                "Family[Counter]",
                Family(metric, family, self._overflow_of(metric), self.recorder),
            )
        return self._families[metric.name]

    def count_error(self) -> None:
        """Count an error inside instrumentation: it cost a measurement, never a request."""
        self._internal_errors.inc()

    def _overflow_of(self, metric: Metric) -> Callable[[str], None] | None:
        if metric is catalogue.LABEL_OVERFLOWS:
            return None
        return lambda label: self._overflows.child(label).inc()


class operation:  # noqa: N801 - reads as a statement: with instruments.operation(...)
    """Times one operation; exceptions pass through untouched.

    A slotted class, because a generator-based context manager costs twice as much per call.
    """

    __slots__ = ("_component", "_instruments", "_name", "_started", "_succeeded")

    def __init__(
        self, instruments: Instruments, component: str, name: str, succeeded: Recorded
    ) -> None:
        self._instruments = instruments
        self._component = component
        self._name = name
        self._succeeded = succeeded

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
        if exc is None:
            self._succeeded.note(seconds)
            operation_log = self._instruments.operation_log
            if operation_log:
                operation_log.succeeded(self._component, self._name, seconds)
        else:
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

    def _again(self) -> "operation":
        return operation(self._instruments, self._component, self._name, self._succeeded)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Time each call of ``function``; a coroutine function is timed until it has ended."""
        if iscoroutinefunction(function):
            coroutine = cast("Callable[P, Awaitable[object]]", function)

            @wraps(function)
            async def timed_coroutine(*args: P.args, **kwargs: P.kwargs) -> object:
                with self._again():
                    return await coroutine(*args, **kwargs)

            return cast("Callable[P, R]", timed_coroutine)

        @wraps(function)
        def timed(*args: P.args, **kwargs: P.kwargs) -> R:
            with self._again():
                return function(*args, **kwargs)

        return timed
