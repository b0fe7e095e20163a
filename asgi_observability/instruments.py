"""Instruments: made from the catalogue or declared by name, bound once and used by position.

instruments = Instruments()
approvals = instruments.counter(catalogue.APPROVALS)
approvals.series("approve").note()

invoices = instruments.counter_of("invoices_total", "Invoices sent.", kind=["paper", "mail"])
invoices.inc(kind="paper")

with instruments.operation(Component.SMS_AGENT, Operation.SEND_SMS):
    ...
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, wraps
from inspect import iscoroutinefunction
from time import perf_counter
from types import TracebackType
from typing import ParamSpec, Self, TypeVar, cast

from prometheus_client import CollectorRegistry

from asgi_observability import catalogue
from asgi_observability.catalogue import Outcome
from asgi_observability.cells import HistogramCell, Recorded
from asgi_observability.client_registry import registry_of
from asgi_observability.code_names import error_type_of, is_name
from asgi_observability.declaration import beside, declared, of_same_shape
from asgi_observability.event import Event, FromCode
from asgi_observability.events import HostCollectorFailed, MetricMisused, MetricNameTaken
from asgi_observability.families import (
    AnyFamily,
    CounterFamily,
    GaugeFamily,
    HistogramFamily,
    family_of,
)
from asgi_observability.forking import in_each_child
from asgi_observability.host_registries import HostRegistries
from asgi_observability.logging import get_logger
from asgi_observability.metric import OTHER, Kind, Metric
from asgi_observability.operation_log import OperationLog
from asgi_observability.recorder import Recorder
from asgi_observability.snapshot import FamilySnapshot

log = get_logger(__name__)

MAX_TOLD = 1000
"""Different mistakes that are logged; all are counted."""

DEFAULT_BUCKETS = catalogue.OPERATION_SECONDS

P = ParamSpec("P")
R = TypeVar("R")


class Instruments:
    """The instruments of one process.

    ``narrowed`` are metrics of the layer whose label values the service knows (`limited_to`): any
    other value is folded into ``other``. What is timed is logged where there is an
    ``operation_log``. ``registries`` are the host's, exposed beside the layer's own metrics.
    """

    def __init__(
        self,
        narrowed: Iterable[Metric] = (),
        operation_log: OperationLog | None = None,
        registries: Iterable[CollectorRegistry] = (),
    ) -> None:
        self.recorder = Recorder(on_error=self.count_error)
        self.operation_log = operation_log
        self._narrowed = {metric.name: metric for metric in narrowed}
        self._families: dict[str, AnyFamily] = {}
        self._samples: list[tuple[Recorded, Callable[[], float]]] = []
        self._told: set[tuple[str, str]] = set()
        self._internal_errors = self.counter(catalogue.INSTRUMENTATION_ERRORS).series()
        self._overflows = self.counter(catalogue.LABEL_OVERFLOWS)
        self._durations = self.histogram(catalogue.OPERATION_DURATION)
        self._errors = self.counter(catalogue.OPERATION_ERRORS)
        self._host = HostRegistries(registries, self._collector_failed, self._name_taken)
        # The common end of an operation, one look-up away; names that are folded are not in it.
        self._succeeded: dict[tuple[str, str], HistogramCell] = {}
        self.is_told = False
        """Whether anybody was told what this process counts."""
        in_each_child(self.forget_counts)

    def counter(self, metric: Metric) -> CounterFamily:
        """The family of a counter; the same one at each call."""
        return cast("CounterFamily", self._family(metric))

    def gauge(self, metric: Metric) -> GaugeFamily:
        """The family of a gauge; the same one at each call."""
        return cast("GaugeFamily", self._family(metric))

    def histogram(self, metric: Metric) -> HistogramFamily:
        """The family of a histogram; the same one at each call."""
        return cast("HistogramFamily", self._family(metric))

    def counter_of(self, name: str, text: str, /, **labels: Iterable[str] | None) -> CounterFamily:
        """The counter called ``name``, declared here.

        Each label is given the values that it may have, or None where they are not known: then it
        is bounded by their number. ValueError says what is wrong with a name or a label, and where
        something else is declared under this name.
        """
        return cast("CounterFamily", self._declared(declared(name, Kind.COUNTER, text, labels)))

    def gauge_of(self, name: str, text: str, /, **labels: Iterable[str] | None) -> GaugeFamily:
        """The gauge called ``name``; as `counter_of`."""
        return cast("GaugeFamily", self._declared(declared(name, Kind.GAUGE, text, labels)))

    def histogram_of(
        self,
        name: str,
        text: str,
        buckets: Sequence[float] = DEFAULT_BUCKETS,
        /,
        **labels: Iterable[str] | None,
    ) -> HistogramFamily:
        """The histogram called ``name``, with upper bounds in its unit; as `counter_of`."""
        metric = declared(name, Kind.HISTOGRAM, text, labels, buckets)
        return cast("HistogramFamily", self._declared(metric))

    def operation(self, component: str, name: str) -> "operation":
        """A timer of one operation, as context manager (sync and async) or decorator."""
        try:
            return operation(self, self._succeeded[component, name])
        except (KeyError, TypeError):
            succeeded = self._durations.series(*_names(component, name), Outcome.SUCCESS)
            if succeeded.series.values[:2] == (component, name):
                self._succeeded[component, name] = succeeded
            return operation(self, succeeded)

    def operation_failed(self, component: str, name: str, error_type: str) -> None:
        """Count a failed operation that took no time, such as one an open breaker refused."""
        try:
            errors = self._errors.series(*_names(component, name, error_type))
            errors.note()
            if self.operation_log:
                component, name, error_type = errors.series.values
                self.operation_log.refused(component, name, error_type)
        except Exception:
            self.count_error()

    def operation_ended(
        self, component: str, name: str, seconds: float, error: BaseException | None
    ) -> None:
        """Record one operation's duration, outcome and error type. It never raises.

        The log says what the metrics say: where a name is folded there, it is folded here.
        """
        try:
            durations = self._durations.series(*_names(component, name), _outcome(error))
            durations.note(seconds)
            component, name, _ = durations.series.values
            error_type = error_type_of(error) if isinstance(error, Exception) else ""
            if error_type:
                self._errors.series(component, name, error_type).note()
            if self.operation_log is None:
                return
            if error is None:
                self.operation_log.succeeded(component, name, seconds)
            elif error_type:
                self.operation_log.refused(component, name, error_type, seconds)
            else:
                self.operation_log.failed(component, name, seconds, error)
        except Exception:
            self.count_error()

    def sampled(self, metric: Metric, *values: str, read: Callable[[], float]) -> None:
        """Note what ``read`` gives as this gauge's value at each `sample`."""
        self._samples.append((self.gauge(metric).series(*values), read))

    def sample(self) -> None:
        """Note every sampled gauge as it is now; done once a second."""
        for series, read in self._samples:
            with self.contained():
                series.note(read())

    def include(self, registry: CollectorRegistry) -> None:
        """Expose a registry of the host's as well.

        The layer's own metrics win where names collide, which is logged once; a collector that
        raises or takes longer than a second costs its own families, and is counted.
        """
        self._host.include(registry)

    def snapshot(self, host_within_seconds: float = 0.0) -> list[FamilySnapshot]:
        """Everything as it is now, the host's registries included. It never raises.

        Call it in a thread: a host's collectors may take their time. Who looks more often than a
        scrape does says how old theirs may be: some of them ask a database.
        """
        own = self.own_snapshot()
        try:
            return own + self._host.families(own, host_within_seconds)
        except Exception:
            self.count_error()
            return own

    def own_snapshot(self) -> list[FamilySnapshot]:
        """The same without the host's registries."""
        families: list[FamilySnapshot] = []
        for family in [*self._families.values()]:
            with self.contained():
                families.append(family.snapshot())
        return families

    def forget_counts(self) -> None:
        """Count from zero in a forked process: what was counted before is the parent's to tell.

        So are its gauges, unless it only prepares what its children do: then they set none anew.
        """
        self.recorder.begin_again()
        for family in [*self._families.values()]:
            if self.is_told or family.metric.kind is not Kind.GAUGE:
                family.forget()
        self.is_told = False

    @cached_property
    def registry(self) -> CollectorRegistry:
        """The layer's own metrics as a registry of prometheus-client."""
        return registry_of(self.own_snapshot)

    def merge_of(self, name: str) -> str:
        """How the values that several workers have of a metric become one."""
        family = self._families.get(name)
        return family.metric.merge if family else "livesum"

    @contextmanager
    def contained(self) -> Iterator[None]:
        """Count an error inside instrumentation instead of letting it reach the request."""
        try:
            yield
        except Exception:
            self.count_error()

    def count_error(self) -> None:
        """Count an error inside instrumentation: it cost a measurement, never a request."""
        self._internal_errors.note()

    def overflowed(self, metric: Metric, label: str) -> None:
        """Count a label's value that was folded into ``other``."""
        if metric is not catalogue.LABEL_OVERFLOWS:
            self._overflows.series(label).note()

    def misused(self, metric: Metric, error: Exception) -> None:
        """Count a note that is lost, and log once for each metric why."""
        self.count_error()
        self._tell_once(MetricMisused(metric=FromCode(metric.name), problem=FromCode(str(error))))

    def _collector_failed(self, collector: str, error: Exception) -> None:
        self.count_error()
        self._tell_once(
            HostCollectorFailed(
                collector=FromCode(collector), error_type=FromCode(type(error).__name__)
            )
        )

    def _name_taken(self, name: str) -> None:
        self._tell_once(MetricNameTaken(metric=FromCode(name)))

    def _tell_once(self, event: Event) -> None:
        """Log what would be said again at each scrape or note, the first time."""
        about = str(getattr(event, "metric", None) or getattr(event, "collector", ""))
        if (event.name, about) not in self._told and len(self._told) < MAX_TOLD:
            self._told.add((event.name, about))
            with self.contained():
                log.event(event)

    def _family(self, metric: Metric) -> AnyFamily:
        try:
            return self._families[metric.name]
        except KeyError:
            metric = self._narrowed.get(metric.name, metric)
            return self._families.setdefault(metric.name, family_of(metric, self.recorder, self))

    def _declared(self, metric: Metric) -> AnyFamily:
        known = [family.metric for family in self._families.values()]
        beside(metric, [*catalogue.metrics(), *known])
        family = self._family(metric)
        of_same_shape(metric, family.metric)
        return family


def _names(*given: str) -> Iterator[str]:
    """The names of a component and its operation; what is none may hold what a client sent."""
    for name in given:
        yield name if not isinstance(name, str) or is_name(name) else OTHER


def _outcome(error: BaseException | None) -> Outcome:
    if error is None:
        return Outcome.SUCCESS
    # CancelledError and the like: nobody waited for the end, nothing failed.
    return Outcome.ERROR if isinstance(error, Exception) else Outcome.CANCELLED


class operation:  # noqa: N801 - reads as a statement: with instruments.operation(...)
    """Times one operation; exceptions pass through untouched.

    A slotted class, because a generator-based context manager costs twice as much per call.
    """

    __slots__ = ("_instruments", "_started", "_succeeded")

    def __init__(self, instruments: Instruments, succeeded: HistogramCell) -> None:
        self._instruments = instruments
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
        # As the metric has it: a name that is folded there is not written to the log either.
        component, name, _ = self._succeeded.series.values
        if exc is not None:
            self._instruments.operation_ended(component, name, seconds, exc)
            return
        self._succeeded.note(seconds)
        operation_log = self._instruments.operation_log
        if operation_log is None:
            return
        try:
            operation_log.succeeded(component, name, seconds)
        except Exception:
            self._instruments.count_error()

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
        return operation(self._instruments, self._succeeded)

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
