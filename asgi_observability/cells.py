"""The series of one process: each is one small object, and a note changes it at once.

No lock is taken, for a note is made in finalizers and signal handlers as well. CPython gives the
interpreter to another thread, or runs a handler, only where a function begins, a loop goes back or
a call returns (its "eval breaker"). Between the load and the store of `self.value += value` or
`counts[place] += 1` there is none of these as long as the numbers are built-in ones, so no note is
lost; what isn't a built-in number is made one first. Without the GIL (free-threaded builds) both
are races: there each cell would need a lock, or one copy for each thread that the snapshot adds up.
"""

from bisect import bisect_left
from math import inf, nan
from time import time
from typing import Generic, TypeVar

from asgi_observability import correlation
from asgi_observability.metric import Metric
from asgi_observability.recorder import Recorder, Series
from asgi_observability.snapshot import Exemplar, HistogramRow, Key

EXEMPLAR_SECONDS = 15.0
"""How long an exemplar stands against smaller values: an interval between two scrapes."""

Row = TypeVar("Row", float, HistogramRow)


class Recorded:
    """One series that takes notes."""

    __slots__ = ("raw", "recorder", "series")

    def __init__(self, recorder: Recorder, metric: Metric, values: Key) -> None:
        self.recorder = recorder
        self.series = Series(metric, values)
        self.raw: list[float] | None = None
        """What was noted since the last drain; None where nobody has subscribed to it."""

    def note(self, value: float = 1.0) -> None:
        """Note an event: an increment, an observation or a sample, in the metric's unit.

        It never raises: what is no number, not finite, or takes a counter back costs itself only
        and is counted as an error of instrumentation.
        """
        raise NotImplementedError


class Cell(Recorded, Generic[Row]):
    """A series that can say what has been noted."""

    __slots__ = ()

    def row(self) -> Row:
        """What has been noted up to now."""
        raise NotImplementedError

    def forget(self) -> None:
        """Begin at zero, as a forked child does: what was noted before is its parent's to tell."""
        if self.raw is not None:
            self.raw.clear()


class CounterCell(Cell[float]):
    """One series of a counter."""

    __slots__ = ("value",)

    def __init__(self, recorder: Recorder, metric: Metric, values: Key) -> None:
        super().__init__(recorder, metric, values)
        self.value = 0.0

    def note(self, value: float = 1.0) -> None:
        """Add ``value``, which is not negative."""
        try:
            if value.__class__ is not float:
                value = float(value)
            if 0.0 <= value < inf:
                self.value += value
                if self.raw is not None:
                    self.recorder.keep(self.raw, value)
                return
        except Exception:
            pass  # counted below
        self.recorder.on_error()

    def row(self) -> float:
        """What it has counted."""
        return self.value

    def forget(self) -> None:
        """Begin at zero."""
        super().forget()
        self.value = 0.0


class GaugeCell(Cell[float]):
    """One series of a gauge."""

    __slots__ = ("value",)

    def __init__(self, recorder: Recorder, metric: Metric, values: Key) -> None:
        super().__init__(recorder, metric, values)
        self.value = 0.0

    def note(self, value: float = 1.0) -> None:
        """Set it, and hand ``value`` to who has subscribed as one sample."""
        try:
            if value.__class__ is not float:
                value = float(value)
            if -inf < value < inf:
                self.value = value
                if self.raw is not None:
                    self.recorder.keep(self.raw, value)
                return
        except Exception:
            pass  # counted below
        self.recorder.on_error()

    def set(self, value: float) -> None:
        """Set it, which is no sample: for what changes rarely. It never raises."""
        try:
            value = float(value)
            if -inf < value < inf:
                self.value = value
                return
        except Exception:
            pass  # counted below
        self.recorder.on_error()

    def add(self, value: float) -> None:
        """Add ``value``, which may be negative, as one sample. It never raises."""
        try:
            value = float(value)
            if -inf < value < inf:
                self.value = value if self.value != self.value else self.value + value
                if self.raw is not None:
                    self.recorder.keep(self.raw, self.value)
                return
        except Exception:
            pass  # counted below
        self.recorder.on_error()

    def row(self) -> float:
        """Its value."""
        return self.value

    def forget(self) -> None:
        """Set it to zero; of what is not added up, zero would be a value like any other."""
        super().forget()
        self.value = 0.0 if self.series.metric.merge == "livesum" else nan


class HistogramCell(Cell[HistogramRow]):
    """One series of a histogram; it remembers whose the largest value of late was."""

    __slots__ = ("_bounds", "_counts", "_exemplar", "_largest", "_sum")

    def __init__(self, recorder: Recorder, metric: Metric, values: Key) -> None:
        super().__init__(recorder, metric, values)
        self._bounds = metric.buckets
        self._exemplar: Exemplar | None = None
        self.forget()

    def note(self, value: float = 1.0) -> None:
        """Observe ``value``, in the metric's unit; not negative, as its sum may never fall."""
        try:
            if value.__class__ is not float:
                value = float(value)
            if 0.0 <= value < inf:
                self._counts[bisect_left(self._bounds, value)] += 1
                self._sum += value
                if value > self._largest:
                    self._show(value)
                if self.raw is not None:
                    self.recorder.keep(self.raw, value)
                return
        except Exception:
            pass  # counted below
        self.recorder.on_error()

    def _show(self, value: float) -> None:
        self._largest = value
        labels = correlation.context().exemplar
        if labels:
            self._exemplar = Exemplar(labels, value, time())

    def row(self) -> HistogramRow:
        """What it has observed."""
        exemplar = self._exemplar
        if exemplar is None or time() - exemplar.timestamp > EXEMPLAR_SECONDS:
            # It stays until there is another, of any size.
            self._largest = -inf
        return HistogramRow(self._counts[:], self._sum, exemplar)

    def forget(self) -> None:
        """Begin at zero."""
        super().forget()
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0
        self._largest = -inf
        self._exemplar = None
