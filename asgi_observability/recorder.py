"""Who wants to know each event gets them in batches, by the minute in which they were noted.

Instruments take a note at once. Besides, the raw values of a series are kept for whoever has
subscribed to its metric, until a drain (every flush of the rollups, and when a minute ends) hands
them on. Where nobody has subscribed, no event is kept.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from threading import RLock
from time import time
from typing import NamedTuple, Protocol

from asgi_observability.metric import Metric

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


Sink = Callable[[int, Sequence[Batch]], None]
"""Takes the Unix time at which the noted minute began, and the batches. It must not block."""


class Noted(Protocol):
    """A series, with the values that were noted of it if somebody wants them."""

    series: Series
    raw: list[float] | None


@dataclass(frozen=True, slots=True)
class _Subscription:
    sink: Sink
    names: frozenset[str] | None

    def wants(self, metric: Metric) -> bool:
        return self.names is None or metric.name in self.names


class Recorder:
    """The raw values of all series that somebody subscribed to, and the minute they belong to."""

    def __init__(self, on_error: Callable[[], None]) -> None:
        self.on_error = on_error
        self._all: list[Noted] = []
        self._kept: list[Noted] = []
        self._subscriptions: list[_Subscription] = []
        # Re-entrant: a finalizer that notes something may run in the middle of a drain.
        self._draining = RLock()
        self._minute = 0
        self.minute_end = 0.0
        self._start_minute()

    def begin_in_child(self) -> None:
        """Forget in a forked process what the parent has noted, and who might hold the lock."""
        self._draining = RLock()
        for noted in self._kept:
            if noted.raw is not None:
                noted.raw.clear()
        self._start_minute()

    def add(self, noted: Noted) -> None:
        """Hand on what is noted of this series too, from now on."""
        with self._draining:
            self._all.append(noted)
            if any(each.wants(noted.series.metric) for each in self._subscriptions):
                self._keep_raw(noted)

    def subscribe(self, sink: Sink, metrics: Collection[Metric] | None = None) -> None:
        """Give ``sink`` every batch from now on, or those of ``metrics`` only.

        Each event of a metric that anybody subscribed to costs a clock reading and an append.
        """
        names = None if metrics is None else frozenset(metric.name for metric in metrics)
        subscription = _Subscription(sink, names)
        with self._draining:
            self._subscriptions.append(subscription)
            for noted in self._all:
                if noted.raw is None and subscription.wants(noted.series.metric):
                    self._keep_raw(noted)

    def _keep_raw(self, noted: Noted) -> None:
        noted.raw = []
        self._kept.append(noted)

    def keep(self, raw: list[float], value: float) -> None:
        """Append to a series' values, once the minute that has ended is closed."""
        if time() >= self.minute_end:
            self.turn()
        raw.append(value)

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
            for noted in tuple(self._kept):
                if noted.raw:
                    # The list itself stays: another thread may be about to append to it.
                    values = noted.raw[:]
                    del noted.raw[: len(values)]
                    batches.append(Batch(noted.series, values))
            for subscription in self._subscriptions if batches else ():
                try:
                    self._give(subscription, minute, batches)
                except Exception:
                    self.on_error()

    def _give(self, subscription: _Subscription, minute: int, batches: list[Batch]) -> None:
        wanted = (
            batches
            if subscription.names is None
            else [batch for batch in batches if subscription.wants(batch.series.metric)]
        )
        if wanted:
            subscription.sink(minute, wanted)

    def _start_minute(self) -> None:
        self._minute = int(time()) // MINUTE * MINUTE
        self.minute_end = float(self._minute + MINUTE)
