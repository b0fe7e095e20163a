"""What a service counts and times of its own: names and labels as they come, always bounded.

watched = Watched(instruments)
with watched.time("bank", "charge"):
    ...
invoices = watched.counter("invoices_total", "Invoices sent", kind=["paper", "mail"])
invoices.inc(kind="paper")

Declaring a metric wrongly raises ValueError, at start. Using one wrongly never raises: it is
counted, and logged once with what is wrong.
"""

from collections.abc import Iterable, Sequence

from asgi_observability import catalogue
from asgi_observability.families import CounterFamily, GaugeFamily, HistogramFamily
from asgi_observability.instruments import Instruments, operation

Values = Iterable[str] | None
"""The values that a label may take; None for any, of which a limited number is kept."""


class Watched:
    """What `observe` and `observe_process` give: timers and metrics of the service's own."""

    def __init__(self, instruments: Instruments) -> None:
        self.instruments = instruments
        """What is below, for metrics that are declared as `Metric`."""

    def time(self, component: str, operation: str) -> operation:
        """Time one operation: a context manager, sync and async, or a decorator.

        Duration, outcome and type of error are recorded; exceptions pass through.
        """
        return self.instruments.operation(component, operation)

    def counter(self, name: str, text: str = "", /, **labels: Values) -> CounterFamily:
        """The counter ``name``, which ends in ``_total``, with its labels and their values.

        The same one at each call. Raises ValueError for a name or labels that can't be used.
        """
        family = self.instruments.counter_of(name, text or name, **labels)
        # Where the values are known, the first of each is an increase from zero.
        family.bind_all()
        return family

    def gauge(self, name: str, text: str = "", /, **labels: Values) -> GaugeFamily:
        """The gauge ``name``; several workers' values are added up. Raises like `counter`."""
        return self.instruments.gauge_of(name, text or name, **labels)

    def histogram(
        self,
        name: str,
        text: str = "",
        /,
        buckets: Sequence[float] = catalogue.OPERATION_SECONDS,
        **labels: Values,
    ) -> HistogramFamily:
        """The histogram ``name``, with upper bounds in its unit. Raises like `counter`."""
        return self.instruments.histogram_of(name, text or name, buckets, **labels)
