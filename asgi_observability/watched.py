"""What a service counts and times of its own: names and labels as they come, always bounded.

watched = Watched(instruments)
with watched.time("bank", "charge"):
    ...
invoices = watched.counter("invoices_total", "Invoices sent", kind=["paper", "mail"])
invoices.inc(kind="paper")

Declaring a metric wrongly raises ValueError, at start. Using one wrongly never raises: it is
counted, and logged once with the fix.
"""

import math
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, ClassVar, TypeVar

from asgi_observability import catalogue
from asgi_observability.cells import Recorded
from asgi_observability.event import FromCode
from asgi_observability.events import MetricMisused
from asgi_observability.families import Family
from asgi_observability.instruments import Instruments, operation
from asgi_observability.logging import get_logger
from asgi_observability.metric import OTHER, Kind, Label, Metric

log = get_logger(__name__)

Values = Iterable[str] | None
"""The values that a label may take; None for any, of which the first 2,000 sets are kept."""

MAX_KNOWN = 4000
"""Spellings of a metric's labels that are remembered; others take the longer way."""

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_RESERVED = {"le", "quantile"}
_SUFFIXES = ("_total", "_created", "_bucket", "_count", "_sum", "_info")


class _Noted:
    """A metric whose series are found by the labels' names."""

    __slots__ = ("_instruments", "_metric", "_names", "_series", "_told", "name")
    _verb: ClassVar[str]

    def __init__(self, instruments: Instruments, metric: Metric) -> None:
        self.name = metric.name
        self._instruments = instruments
        self._metric = metric
        self._names = metric.label_names
        self._series: dict[tuple[str, ...], Recorded] = {}
        self._told = False
        if all(label.values is not None for label in metric.labels):
            self._family().bind_all()

    def _family(self) -> Family[Any]:
        raise NotImplementedError

    def _note(self, value: float, labels: Mapping[str, object]) -> None:
        try:
            series = self._series[(*labels, *labels.values())]  # type: ignore[arg-type]
        except (KeyError, TypeError):
            found = self._found(labels)
            if found is None:
                return
            series = found
        try:
            if not self._accepts(value):
                self._misused(f"{self._verb} was given what is no number it takes")
                return
            series.note(value)
        except Exception:
            self._misused(f"{self._verb} was given what is no number")

    def _accepts(self, value: float) -> bool:
        return math.isfinite(value)

    def _found(self, labels: Mapping[str, object]) -> Recorded | None:
        """The longer way: labels in another order, values that are no strings, new ones."""
        try:
            if labels.keys() != set(self._names):
                takes = ", ".join(self._names) or "no labels"
                self._misused(f"it takes {takes}")
                return None
            values = tuple(_text(labels[name]) for name in self._names)
            series: Recorded = self._family().series(*values)
            spelled = (*labels, *labels.values())
            if len(self._series) < MAX_KNOWN and all(type(part) is str for part in spelled):
                self._series[spelled] = series  # type: ignore[index]
        except Exception:
            self._misused("its labels can't be used")
            return None
        return series

    def _misused(self, problem: str) -> None:
        self._instruments.count_error()
        if not self._told:
            self._told = True
            # Names of the program: what it was given by mistake may be anything.
            log.event(MetricMisused(metric=FromCode(self.name), problem=FromCode(problem)))


class Counter(_Noted):
    """Counts what happens."""

    __slots__ = ()
    _verb = "inc"

    def inc(self, amount: float = 1.0, /, **labels: str) -> None:
        """Count ``amount``, not negative, under these labels. Never raises."""
        self._note(amount, labels)

    def _accepts(self, value: float) -> bool:
        return 0 <= value < math.inf

    def _family(self) -> Family[Any]:
        return self._instruments.counter(self._metric)


class Gauge(_Noted):
    """Something that has a value now."""

    __slots__ = ()
    _verb = "set"

    def set(self, value: float, /, **labels: str) -> None:
        """Set the value under these labels. Never raises."""
        self._note(value, labels)

    def _family(self) -> Family[Any]:
        return self._instruments.gauge(self._metric)


class Histogram(_Noted):
    """How values are spread: durations in seconds, sizes in bytes."""

    __slots__ = ()
    _verb = "observe"

    def observe(self, value: float, /, **labels: str) -> None:
        """Note a value, in the unit that the metric's name ends in. Never raises."""
        self._note(value, labels)

    def _family(self) -> Family[Any]:
        return self._instruments.histogram(self._metric)


Instrument = TypeVar("Instrument", Counter, Gauge, Histogram)


class Watched:
    """What `observe` and `observe_process` give: timers and metrics of the service's own."""

    def __init__(self, instruments: Instruments) -> None:
        self.instruments = instruments
        """The instruments below, for metrics that are declared as `Metric`."""
        self._declared: dict[str, tuple[Metric, Counter | Gauge | Histogram]] = {}
        self._own = {metric.name for metric in catalogue.metrics()}

    def time(self, component: str, operation: str) -> operation:
        """Time one operation: a context manager, sync and async, or a decorator.

        Duration, outcome and type of error are recorded; exceptions pass through.
        """
        return self.instruments.operation(component, operation)

    def counter(self, name: str, help: str = "", /, **labels: Values) -> Counter:
        """A counter, its ``name`` ending in ``_total``; ``labels`` are the values each may take.

        The same one at each call. Raises ValueError for a name or labels that can't be used.
        """
        if not name.endswith("_total"):
            raise ValueError(f"counter {name!r}: call it {name}_total, as counters end")
        metric = self._metric(name, Kind.COUNTER, help, labels, ())
        return self._once(metric, Counter)

    def gauge(self, name: str, help: str = "", /, **labels: Values) -> Gauge:
        """A gauge; several workers' values are added up. Raises ValueError like `counter`."""
        return self._once(self._metric(name, Kind.GAUGE, help, labels, ()), Gauge)

    def histogram(
        self,
        name: str,
        help: str = "",
        /,
        *,
        buckets: Iterable[float] = catalogue.OPERATION_SECONDS,
        **labels: Values,
    ) -> Histogram:
        """A histogram; ``buckets`` are upper bounds. Raises ValueError like `counter`."""
        bounds = tuple(float(bound) for bound in buckets)
        if not bounds or list(bounds) != sorted({*bounds}) or not all(map(math.isfinite, bounds)):
            raise ValueError(
                f"histogram {name!r}: buckets are numbers that rise, such as [0.1, 1, 10]"
            )
        return self._once(self._metric(name, Kind.HISTOGRAM, help, labels, bounds), Histogram)

    def _metric(
        self,
        name: str,
        kind: Kind,
        help_text: str,
        labels: Mapping[str, Values],
        bounds: tuple[float, ...],
    ) -> Metric:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{kind} {name!r}: a name is letters, digits and _, such as invoices_total"
            )
        if kind is not Kind.COUNTER and name.endswith(_SUFFIXES):
            taken = ", ".join(_SUFFIXES)
            raise ValueError(f"{kind} {name!r}: the endings {taken} belong to other series")
        if name in self._own:
            raise ValueError(f"{kind} {name!r}: the layer has a metric of this name; take another")
        declared = tuple(_label(name, *pair) for pair in labels.items())
        return Metric(name, kind, "", help_text or name, declared, bounds)

    def _once(self, metric: Metric, kind: type[Instrument]) -> Instrument:
        if metric.name in self._declared:
            before, instrument = self._declared[metric.name]
            if not isinstance(instrument, kind) or (before.labels, before.buckets) != (
                metric.labels,
                metric.buckets,
            ):
                raise ValueError(
                    f"{metric.name} is declared already, as {before.kind} with labels "
                    f"{', '.join(before.label_names) or 'none'}; declare it once, or the same"
                )
            return instrument
        made = kind(self.instruments, metric)
        self._declared[metric.name] = metric, made
        return made


def _label(metric: str, name: str, values: Values) -> Label:
    if not _LABEL.fullmatch(name) or name in _RESERVED:
        raise ValueError(
            f"{metric}: a label can't be called {name!r}; take letters, digits and _, not le or "
            "quantile"
        )
    if values is None:
        return Label(name)
    if isinstance(values, str):
        raise ValueError(f"{metric}: {name}={values!r} is one text; give a list, [{values!r}]")
    allowed = dict.fromkeys(_text(value) for value in values)
    return Label(name, (*allowed, *(() if OTHER in allowed else (OTHER,))))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value.value if isinstance(value, Enum) else value)
