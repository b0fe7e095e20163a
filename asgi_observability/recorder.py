"""Events are noted where they happen and handed on in batches.

Noting costs a clock reading and a list append. At each drain (every flush of the rollups, every
scrape, and when a minute ends) the notes feed the Prometheus instruments and whoever subscribed,
so that both always tell the same.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import RLock
from time import time
from typing import NamedTuple

from asgi_observability import correlation
from asgi_observability.metric import Kind, Metric

MINUTE = 60


@dataclass(frozen=True, slots=True)
class Series:
    """A metric with one value for each of its labels, in the order the catalogue has them."""

    metric: Metric = field(hash=False)
    values: tuple[str, ...]
    name: str = field(init=False)

    def __post_init__(self) -> None:
        pairs = zip(self.metric.label_names, self.values, strict=True)
        labels = ",".join(f'{name}="{value}"' for name, value in pairs)
        name = f"{self.metric.name}{{{labels}}}" if labels else self.metric.name
        object.__setattr__(self, "name", name)

    def __str__(self) -> str:
        """As Prometheus writes it: ``metric{label="value"}``."""
        return self.name


class Batch(NamedTuple):
    """What was noted of one series since the last drain, finite values only."""

    series: Series
    values: list[float]


Exemplar = tuple[float, dict[str, str]]
"""A value that was observed, and the labels that lead to what was logged of it."""

Feed = Callable[[list[float], Exemplar | None], None]
"""Takes the values noted of one series, and which of them to show as an example."""

Sink = Callable[[int, Sequence[Batch]], None]
"""Takes the Unix time at which the noted minute began, and the batches. It must not block."""


class Recorded:
    """One series that takes notes."""

    __slots__ = ("_feed", "_noted", "_recorder", "series")

    def __init__(self, recorder: "Recorder", series: Series, feed: Feed) -> None:
        self._recorder = recorder
        self._feed = feed
        self._noted: list[float] = []
        self.series = series

    def note(self, value: float = 1.0) -> None:
        """Note an event: an increment, an observation or a sample, in the metric's unit."""
        if time() >= self._recorder.minute_end:
            self._recorder.turn()
        self._noted.append(value)

    def take(self) -> Batch:
        """Hand the notes on, to the instrument first."""
        # The list itself stays: another thread may be about to append to it.
        noted = self._noted[:]
        del self._noted[: len(noted)]
        finite = list(filter(math.isfinite, noted))
        if len(finite) < len(noted):
            self._recorder.on_error()
        self._feed(finite, self._exemplar())
        return Batch(self.series, finite)

    def take_none(self) -> None:
        """Forget the notes."""
        self._noted.clear()

    def _exemplar(self) -> Exemplar | None:
        return None

    @property
    def has_notes(self) -> bool:
        return bool(self._noted)


class RecordedObservations(Recorded):
    """One series of a histogram: it remembers whose the largest value between two drains was."""

    __slots__ = ("_context", "_largest")

    def __init__(self, recorder: "Recorder", series: Series, feed: Feed) -> None:
        super().__init__(recorder, series, feed)
        self._largest = -math.inf
        self._context = correlation.NO_CONTEXT

    def note(self, value: float = 1.0) -> None:
        """Note an observation, in the metric's unit."""
        if time() >= self._recorder.minute_end:
            self._recorder.turn()
        self._noted.append(value)
        if value > self._largest:
            self._largest, self._context = value, correlation.context()

    def _exemplar(self) -> Exemplar | None:
        labels, value = self._context.exemplar, self._largest
        self._largest, self._context = -math.inf, correlation.NO_CONTEXT
        return (value, labels) if labels else None


class Recorder:
    """All series that take notes, and the minute they belong to."""

    def __init__(self, on_error: Callable[[], None]) -> None:
        self.on_error = on_error
        self._all: list[Recorded] = []
        self._sinks: list[Sink] = []
        self._draining = RLock()
        self._minute = 0
        self.minute_end = 0.0
        self._start_minute()

    def begin_in_child(self) -> None:
        """Forget in a forked process what the parent has noted, and who might hold the lock."""
        self._draining = RLock()
        for recorded in self._all:
            recorded.take_none()
        self._start_minute()

    def recorded(self, series: Series, feed: Feed) -> Recorded:
        """A series whose notes go to ``feed`` and to the sinks."""
        is_histogram = series.metric.kind is Kind.HISTOGRAM
        recorded = (RecordedObservations if is_histogram else Recorded)(self, series, feed)
        self._all.append(recorded)
        return recorded

    def subscribe(self, sink: Sink) -> None:
        """Give ``sink`` every batch from now on."""
        self._sinks.append(sink)

    def turn(self) -> None:
        """Close the minute that has ended, before the first event of the next is noted."""
        with self._draining:
            if time() >= self.minute_end:
                self.drain()

    def drain(self) -> None:
        """Hand on everything noted so far. Errors on the way are counted and go no further."""
        with self._draining:
            minute = self._minute
            # First, so that a sink that notes something itself does not come back here.
            self._start_minute()
            batches: list[Batch] = []
            for recorded in tuple(self._all):
                if recorded.has_notes:
                    try:
                        batches.append(recorded.take())
                    except Exception:
                        self.on_error()
            for sink in self._sinks if batches else ():
                try:
                    sink(minute, batches)
                except Exception:
                    self.on_error()

    def _start_minute(self) -> None:
        self._minute = int(time()) // MINUTE * MINUTE
        self.minute_end = float(self._minute + MINUTE)
