"""The line of a request is as any other line, whichever way it takes into the queue."""

import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from asgi_observability import correlation
from asgi_observability.event import FromCode
from asgi_observability.events import Request
from asgi_observability.log_sampling import Sampling
from asgi_observability.log_writer import Writer
from asgi_observability.logger import NamedLogger, log_through
from asgi_observability.pipeline import Pipeline
from asgi_observability.request_line import RequestLine
from tests.not_empty import not_empty
from tests.test_asgi_observability.test_log_writer import Sink, lines_of
from tests.waiting import until

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOON = 1_798_545_600 * 10**9


class Requests:
    """One kind of answer, with all that its lines pass through."""

    def __init__(self, max_bytes: int = 1024 * 1024) -> None:
        self.sink = Sink()
        self.writer = Writer(self.sink, max_bytes)
        self.pipeline = Pipeline({}, Sampling(), [self.writer])
        logger = NamedLogger("access")
        logger.threshold = logging.INFO
        fields = {"method": FromCode("GET"), "route": FromCode("/"), "status": 200}
        self.line = RequestLine(logger, Request, logging.INFO, **fields)

    def written(self) -> list[dict[str, object]]:
        assert self.writer.flush(60)
        assert self.writer.queued_bytes == 0
        return [json.loads(line) for line in not_empty(lines_of(self.sink))]


@pytest.fixture
def requests() -> Iterator[Requests]:
    made = Requests()
    before = log_through(made.pipeline)
    correlation.use(b"c-1")
    yield made
    correlation.use(correlation.NO_CONTEXT)
    log_through(before)
    made.writer.close()


def use_short_way() -> None:
    correlation.use(b"c-1")


def use_long_way() -> None:
    correlation.bind("c-1")


WAYS = pytest.mark.parametrize("use_way", [use_short_way, use_long_way])


@WAYS
def test_a_line_has_the_time_at_which_it_was_put_whatever_the_clock_does(
    requests: Requests, use_way, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_way()
    steps = (0, 1, 999, 1000, 999_999, 1_000_000, 999_999_999, 10**9, 86_400 * 10**9, -1, -(10**12))
    times = [NOON + step for step in steps]
    for module in ("request_line", "pipeline"):
        clock = iter(times)
        monkeypatch.setattr(f"asgi_observability.{module}.time_ns", lambda clock=clock: next(clock))
    for _ in times:
        requests.line.write(0.0001)
    wanted = [EPOCH + timedelta(microseconds=put_at // 1000) for put_at in times]
    assert [(line["timestamp"], line["correlation_id"]) for line in requests.written()] == [
        (f"{when:%Y-%m-%dT%H:%M:%S.%f}Z", "c-1") for when in wanted
    ]


@WAYS
def test_a_duration_is_in_tenths_of_a_millisecond(requests: Requests, use_way) -> None:
    use_way()
    durations = {0.0: 0.0, 0.00004: 0.0, 0.00006: 0.1, 0.0999: 99.9, 0.1: 100.0, 3600.0: 3.6e6}
    for seconds in durations:
        requests.line.write(seconds)
    assert [line["duration_ms"] for line in requests.written()] == list(durations.values())


def test_both_ways_write_the_same_fields_in_the_same_order(requests: Requests) -> None:
    for use_way in (use_short_way, use_long_way):
        use_way()
        requests.line.write(0.001)
    short, long = requests.written()
    assert list(short.items())[1:] == list(long.items())[1:]
    assert [*short][:1] == [*long][:1] == ["timestamp"]


def test_so_do_they_within_a_callers_trace(requests: Requests) -> None:
    correlation.use(correlation.context_of("c-1", b"c-1").traced(TRACEPARENT, ""))
    requests.line.write(0.001)
    correlation.bind("c-1", TRACEPARENT)
    requests.line.write(0.001)
    short, long = requests.written()
    assert list(short.items())[1:] == list(long.items())[1:]
    assert short["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_whoever_asked_for_the_context_before_changes_nothing(requests: Requests) -> None:
    requests.line.write(0.001)
    assert correlation.current() == "c-1"
    requests.line.write(0.001)
    correlation.identify(tenant_id="tenant-1")
    requests.line.write(0.001)
    first, second, identified = requests.written()
    assert list(first.items())[1:] == list(second.items())[1:]
    assert identified.pop("tenant_id") == "tenant-1"
    assert list(first.items())[1:] == list(identified.items())[1:]


def test_they_keep_their_order_among_other_lines(requests: Requests) -> None:
    for number in range(1000):
        requests.writer.put(b'{"number":%d}\n' % number)
        requests.line.write(number / 10)
    written = requests.written()
    assert [line["number"] for line in written[::2]] == list(range(1000))
    assert [line["duration_ms"] for line in written[1::2]] == [n * 100.0 for n in range(1000)]


def test_a_full_queue_takes_no_more_of_them_and_counts_those() -> None:
    few = Requests(max_bytes=100_000)
    few.sink.open.clear()
    before = log_through(few.pipeline)
    correlation.use(b"c-1")
    try:
        for _ in range(2000):
            few.line.write(0.001)
        assert few.writer.dropped > 0
        assert 79_000 < few.writer.queued_bytes <= 80_000
        few.sink.open.set()
        assert len(few.written()) == 2000 - few.writer.dropped
        few.writer.close()
        few.line.write(0.001)
        assert len(lines_of(few.sink)) == 2001 - few.writer.dropped, "a closed one counts it"
    finally:
        correlation.use(correlation.NO_CONTEXT)
        log_through(before)


def test_a_settled_writer_has_written_it_when_it_is_put(requests: Requests) -> None:
    requests.line.write(0.001)
    assert requests.writer.settle()
    requests.line.write(0.001)
    assert len(lines_of(requests.sink)) == 2


async def test_the_first_one_after_a_silence_wakes_the_thread(
    requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = requests.writer
    monkeypatch.setattr("asgi_observability.log_writer.IDLE_SECONDS", 0.01)
    correlation.use(b"c-1")
    requests.line.write(0.001)
    await until(lambda: writer._eager and lines_of(requests.sink))
    monkeypatch.setattr("asgi_observability.log_writer.IDLE_SECONDS", 3600)
    await until(lambda: writer._eager)
    requests.line.write(0.001)
    await until(lambda: len(lines_of(requests.sink)) == 2)


def test_requests_of_several_threads_lose_no_line(requests: Requests) -> None:
    def serve(thread: int) -> None:
        for number in range(1000):
            correlation.use(b"%d-%d" % (thread, number))
            requests.line.write(0.001)

    threads = [threading.Thread(target=serve, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [str(line["correlation_id"]) for line in requests.written()]
    assert (requests.writer.dropped, requests.writer.write_errors) == (0, 0)
    assert requests.pipeline.counts.lines["info"].count == 4000
    for number in range(4):
        own = [each for each in ids if each.startswith(f"{number}-")]
        assert own == [f"{number}-{sent}" for sent in range(1000)]
