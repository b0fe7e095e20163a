"""Cells: a note counts at once, from any thread, and a bad one costs only itself."""

import gc
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from asgi_observability import catalogue, correlation
from asgi_observability.cells import EXEMPLAR_SECONDS, HistogramCell
from asgi_observability.instruments import Instruments
from asgi_observability.recorder import Batch
from asgi_observability.snapshot import HistogramRow


@pytest.fixture
def instruments() -> Instruments:
    return Instruments()


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads that take each other's turn wherever they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def calls(instruments: Instruments) -> HistogramCell:
    return instruments.histogram_of("call_seconds", "Calls.", (0.1, 1.0)).series()


def errors(instruments: Instruments) -> float:
    return instruments.counter(catalogue.INSTRUMENTATION_ERRORS).series().row()


@pytest.mark.usefixtures("hasty")
def test_threads_that_note_the_same_series_lose_nothing(instruments: Instruments) -> None:
    sent = instruments.counter_of("sent_total", "Sent.").series()
    seconds = calls(instruments)

    def note() -> None:
        for _ in range(10_000):
            sent.note()
            seconds.note(0.5)

    threads = [threading.Thread(target=note) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        instruments.snapshot()
    assert sent.row() == 40_000
    assert seconds.row() == HistogramRow([0, 40_000, 0], 20_000.0)


def test_a_negative_note_costs_only_itself(instruments: Instruments) -> None:
    sent = instruments.counter_of("sent_total", "Sent.").series()
    for value in (5, -1, 2):
        sent.note(value)
    assert sent.row() == 7
    assert errors(instruments) == 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 10**400, "much", None, object(), 1j])
def test_what_is_no_number_neither_counts_nor_raises(instruments: Instruments, bad: float) -> None:
    sent = instruments.counter_of("sent_total", "Sent.").series()
    queue = instruments.gauge_of("queue", "Queue.").series()
    seconds = calls(instruments)
    for series in (sent, queue, seconds):
        series.note(bad)
    queue.set(bad)
    queue.add(bad)
    assert (sent.row(), queue.row(), seconds.row().sum) == (0, 0, 0)
    assert errors(instruments) == 5


@pytest.mark.parametrize(
    "two", [2, Decimal(2), Fraction(2), np.float64(2), np.int32(2)], ids=lambda two: type(two)
)
def test_every_kind_of_number_counts_and_is_kept_as_a_plain_one(
    instruments: Instruments, two: float
) -> None:
    sent = instruments.counter_of("sent_total", "Sent.").series()
    seconds = calls(instruments)
    sent.note(two)
    seconds.note(two)
    assert type(sent.row()) is type(seconds.row().sum) is float
    assert (sent.row(), seconds.row().counts) == (2.0, [0, 0, 1])


def test_a_finalizer_that_notes_while_something_is_noted_is_counted(
    instruments: Instruments,
) -> None:
    sent = instruments.counter_of("sent_total", "Sent.", kind=None)

    class Garbage:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            sent.inc(kind="from a finalizer")

    before = gc.get_threshold()
    gc.set_threshold(1)
    gc.enable()
    try:
        for number in range(200):
            Garbage()
            sent.inc(kind=f"{number}")
            instruments.recorder.drain()
    finally:
        gc.disable()
        gc.set_threshold(*before)
    found = sent.series("from a finalizer")
    deadline = time.monotonic() + 60
    # It does nothing while another thread of this process is in the middle of it.
    while found.row() < 200 and time.monotonic() < deadline:
        gc.collect()
    assert found.row() == 200
    assert sum(sent.series(f"{number}").row() for number in range(200)) == 200


def test_values_are_kept_for_those_who_want_that_metric_only(instruments: Instruments) -> None:
    sent = instruments.counter_of("sent_total", "Sent.")
    lost = instruments.counter_of("lost_total", "Lost.")
    sent.inc()
    given: list[tuple[str, list[float]]] = []
    instruments.recorder.subscribe(
        lambda _, batches: given.extend((str(b.series), b.values) for b in batches), [sent.metric]
    )
    sent.inc(2)
    sent.inc(3)
    lost.inc()
    instruments.recorder.drain()
    assert given == [("sent_total", [2.0, 3.0])]
    assert lost.series().raw is None


def test_a_forked_child_counts_from_zero_and_has_every_series(instruments: Instruments) -> None:
    sent = instruments.counter_of("sent_total", "Sent.").series()
    queue = instruments.gauge_of("queue", "Queue.").series()
    seconds = calls(instruments)
    given: list[float] = []
    instruments.recorder.subscribe(lambda _, batches: given.extend(batches[0].values))
    for series in (sent, queue, seconds):
        series.note(7)
    instruments.forget_counts()
    sent.note(2)
    assert (sent.row(), queue.row(), seconds.row()) == (2, 7, HistogramRow([0, 0, 0], 0))
    instruments.recorder.drain()
    assert given == [2]


def test_a_sink_that_drains_does_not_hang(instruments: Instruments) -> None:
    sent = instruments.counter_of("sent_total", "Sent.").series()
    given: list[float] = []

    def sink(_: int, batches: Sequence[Batch]) -> None:
        given.extend(batches[0].values)
        if len(given) < 3:
            sent.note(9)
            instruments.recorder.drain()

    instruments.recorder.subscribe(sink)
    sent.note(1)
    instruments.recorder.drain()
    assert given == [1]
    instruments.recorder.drain()
    assert given == [1, 9]


def test_the_slowest_of_late_is_the_example(
    instruments: Instruments, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("asgi_observability.cells.time", lambda: now)
    seconds = calls(instruments)

    def example() -> tuple[str, float] | None:
        exemplar = seconds.row().exemplar
        return exemplar and (exemplar.labels["correlation_id"], exemplar.value)

    assert example() is None
    for name, value in (("first-one", 0.3), ("slow-one", 5.0), ("last-one", 0.4)):
        correlation.bind(name)
        seconds.note(value)
    assert example() == ("slow-one", 5.0)
    now += EXEMPLAR_SECONDS + 1
    assert example() == ("slow-one", 5.0)
    seconds.note(0.2)
    assert example() == ("last-one", 0.2)
