"""The recorder: what is noted reaches the instruments and the sinks, once, in its minute."""

import threading
from collections.abc import Sequence

import pytest

from app.core import catalogue
from app.core.instrumentation import orchestrator_instruments
from asgi_observability import recorder
from asgi_observability.instruments import Instruments
from asgi_observability.recorder import Batch
from tests.clock import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(600)
    monkeypatch.setattr(recorder, "time", clock)
    return clock


class Sink:
    """Keeps what it is given: (minute, series, values)."""

    def __init__(self) -> None:
        self.given: list[tuple[int, str, list[float]]] = []

    def __call__(self, minute: int, batches: Sequence[Batch]) -> None:
        self.given += [(minute, str(batch.series), batch.values) for batch in batches]


@pytest.fixture
def instruments(clock: Clock) -> Instruments:
    return orchestrator_instruments()


@pytest.fixture
def sink(instruments: Instruments) -> Sink:
    sink = Sink()
    instruments.recorder.subscribe(sink)
    return sink


def counted(instruments: Instruments, action: str = "approve") -> float | None:
    return instruments.registry.get_sample_value(catalogue.APPROVALS.name, {"action": action})


def test_an_event_reaches_instrument_and_sink_once(instruments: Instruments, sink: Sink) -> None:
    approvals = instruments.counter(catalogue.APPROVALS).series("approve")
    approvals.note()
    approvals.note(2)
    assert counted(instruments) == 3
    instruments.recorder.drain()
    assert counted(instruments) == 3
    assert sink.given == [(600, 'orchestrator_approvals_total{action="approve"}', [1.0, 2])]


def test_a_histogram_gets_each_observation_and_a_gauge_the_last_sample(
    instruments: Instruments, sink: Sink
) -> None:
    confidence = instruments.histogram(catalogue.AI_CONFIDENCE).series()
    queue = instruments.gauge(catalogue.APPROVAL_QUEUE_LENGTH).series()
    for value in (0.5, 0.9):
        confidence.note(value)
        queue.note(value * 10)
    value = instruments.registry.get_sample_value
    assert value(catalogue.AI_CONFIDENCE.count) == 2
    assert value(catalogue.AI_CONFIDENCE.sum) == pytest.approx(1.4)
    assert value(catalogue.APPROVAL_QUEUE_LENGTH.name) == 9
    instruments.recorder.drain()
    assert [values for _, _, values in sink.given] == [[0.5, 0.9], [5, 9]]


def test_a_minute_is_closed_before_the_first_event_of_the_next(
    instruments: Instruments, sink: Sink, clock: Clock
) -> None:
    approvals = instruments.counter(catalogue.APPROVALS).series("approve")
    for at in (659.9, 660.0, 725.0):
        clock.now = at
        approvals.note()
    instruments.recorder.drain()
    assert [minute for minute, _, _ in sink.given] == [600, 660, 720]


def test_a_clock_set_back_loses_and_repeats_nothing(
    instruments: Instruments, sink: Sink, clock: Clock
) -> None:
    approvals = instruments.counter(catalogue.APPROVALS).series("approve")
    clock.now = 7200
    approvals.note()
    instruments.recorder.drain()
    clock.now = 3600
    approvals.note()
    instruments.recorder.drain()
    approvals.note()
    instruments.recorder.drain()
    assert counted(instruments) == 3
    # The first note after the change still belongs to the minute that the last drain began.
    assert [minute for minute, _, _ in sink.given] == [7200, 7200, 3600]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_refused_and_counted(
    instruments: Instruments, sink: Sink, bad: float
) -> None:
    confidence = instruments.histogram(catalogue.AI_CONFIDENCE).series()
    confidence.note(bad)
    confidence.note(0.5)
    value = instruments.registry.get_sample_value
    assert value(catalogue.AI_CONFIDENCE.sum) == 0.5
    assert value(catalogue.INSTRUMENTATION_ERRORS.name) == 1
    instruments.recorder.drain()
    errors = (600, catalogue.INSTRUMENTATION_ERRORS.name, [1.0])
    assert sink.given == [errors, (600, catalogue.AI_CONFIDENCE.name, [0.5])]


def test_a_sink_that_fails_costs_nobody_else_anything(instruments: Instruments, sink: Sink) -> None:
    def broken(minute: int, batches: Sequence[Batch]) -> None:
        raise RuntimeError("broken sink")

    instruments.recorder.subscribe(broken)
    after = Sink()
    instruments.recorder.subscribe(after)
    instruments.counter(catalogue.APPROVALS).series("approve").note()
    instruments.recorder.drain()
    assert sink.given == after.given != []
    errors = instruments.registry.get_sample_value(catalogue.INSTRUMENTATION_ERRORS.name)
    assert errors == 1


def test_threads_that_note_while_others_drain_lose_nothing(
    instruments: Instruments, sink: Sink
) -> None:
    approvals = instruments.counter(catalogue.APPROVALS).series("approve")
    done = threading.Event()

    def drain() -> None:
        while not done.is_set():
            instruments.recorder.drain()

    def note() -> None:
        for _ in range(20_000):
            approvals.note()

    drainers = [threading.Thread(target=drain) for _ in range(2)]
    noters = [threading.Thread(target=note) for _ in range(4)]
    for thread in (*drainers, *noters):
        thread.start()
    for thread in noters:
        thread.join()
    done.set()
    for thread in drainers:
        thread.join()
    assert counted(instruments) == 80_000
    assert sum(len(values) for _, _, values in sink.given) == 80_000
