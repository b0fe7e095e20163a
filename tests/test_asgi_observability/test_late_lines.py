"""Lines that the writer's thread makes: as if each had been made when it was put."""

import json
import logging
import threading
from datetime import UTC, datetime, timedelta

import pytest

from asgi_observability import correlation
from asgi_observability.event import FromCode
from asgi_observability.events import Request
from asgi_observability.late_lines import OTHER_BYTES, LateLine, LateLines
from asgi_observability.log_sampling import Sampling
from asgi_observability.log_writer import Writer
from asgi_observability.logger import NamedLogger, log_through
from asgi_observability.pipeline import Pipeline
from asgi_observability.request_line import RequestLine
from tests.test_asgi_observability.test_log_writer import Sink, lines_of
from tests.waiting import until

HEAD, TAIL, CONTEXT = b'","level":"info"', b',"duration_ms":', b',"correlation_id":"c-1"'
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOON = 1_798_545_600 * 10**9


def late(put_at: int, seconds: float = 0.0001) -> LateLine:
    size = OTHER_BYTES + len(HEAD) + len(CONTEXT) + len(TAIL)
    return (HEAD, TAIL, size), put_at, CONTEXT, seconds


def size_of(line: LateLine) -> int:
    return line[0][-1]


def made(*lines: LateLine) -> list[dict[str, object]]:
    joined, _ = LateLines().joined(lines)
    return [json.loads(line) for line in joined.splitlines()]


def test_a_line_has_the_time_at_which_it_was_put_whatever_the_clock_does() -> None:
    steps = (0, 1, 999, 1000, 999_999, 1_000_000, 999_999_999, 10**9, 86_400 * 10**9, -1, -(10**12))
    times = [NOON + step for step in steps]
    lines = made(*(late(put_at) for put_at in times))
    wanted = [EPOCH + timedelta(microseconds=put_at // 1000) for put_at in times]
    assert [line["timestamp"] for line in lines] == [
        f"{when:%Y-%m-%dT%H:%M:%S.%f}Z" for when in wanted
    ]
    assert {line["correlation_id"] for line in lines} == {"c-1"}


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(0.0, 0.0), (0.00004, 0.0), (0.00006, 0.1), (0.0999, 99.9), (0.1, 100.0), (3600.0, 3.6e6)],
)
def test_a_duration_is_in_tenths_of_a_millisecond(seconds: float, wanted: float) -> None:
    assert [line["duration_ms"] for line in made(late(NOON, seconds))] == [wanted]


def test_it_counts_in_the_queue_as_what_it_will_be() -> None:
    line = late(NOON)
    joined, counted = LateLines().joined([line, b"ready\n", line])
    assert counted == len(joined) == 2 * size_of(line) + len(b"ready\n")


def test_ready_and_late_lines_are_written_in_their_order_and_leave_nothing_queued() -> None:
    sink = Sink()
    writer = Writer(sink, 1024 * 1024)
    for number in range(1000):
        writer.put(b"%d\n" % number)
        writer.put_late(late(NOON + number * 1000, number / 10), size_of(late(NOON)))
    assert writer.flush()
    assert writer.queued_bytes == 0
    written = lines_of(sink)
    assert written[::2] == [b"%d" % number for number in range(1000)]
    durations = [json.loads(line)["duration_ms"] for line in written[1::2]]
    assert durations == [number * 100.0 for number in range(1000)]
    writer.close()


def test_a_full_queue_takes_no_more_of_them_and_counts_those() -> None:
    sink = Sink()
    sink.open.clear()
    writer = Writer(sink, 100_000)
    line = late(NOON)
    for _ in range(2000):
        writer.put_late(line, size_of(line))
    assert writer.dropped > 0
    assert 80_000 - size_of(line) < writer.queued_bytes <= 80_000
    sink.open.set()
    assert writer.flush(60)
    assert len(lines_of(sink)) == 2000 - writer.dropped
    assert writer.queued_bytes == 0
    writer.close()
    writer.put_late(line, size_of(line))
    assert len(lines_of(sink)) == 2001 - writer.dropped, "one that is closed drops and counts it"


def test_a_settled_writer_has_written_it_when_it_is_put() -> None:
    sink = Sink()
    writer = Writer(sink, 1024 * 1024)
    line = late(NOON)
    writer.put_late(line, size_of(line))
    assert writer.settle()
    writer.put_late(line, size_of(line))
    assert len(lines_of(sink)) == 2
    writer.close()


async def test_the_first_one_after_a_silence_wakes_the_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sink = Sink()
    writer = Writer(sink, 1024 * 1024)
    monkeypatch.setattr("asgi_observability.log_writer.IDLE_SECONDS", 0.01)
    line = late(NOON)
    writer.put_late(line, size_of(line))
    await until(lambda: writer._eager and lines_of(sink))
    monkeypatch.setattr("asgi_observability.log_writer.IDLE_SECONDS", 3600)
    await until(lambda: writer._eager)
    writer.put_late(line, size_of(line))
    await until(lambda: len(lines_of(sink)) == 2)
    writer.close()


def test_requests_of_several_threads_lose_no_line() -> None:
    sink = Sink()
    writer = Writer(sink, 64 * 1024 * 1024)
    pipeline = Pipeline({}, Sampling(), [writer])
    logger = NamedLogger("access")
    logger.threshold = logging.INFO
    fields = {"method": FromCode("GET"), "route": FromCode("/"), "status": 200}
    line = RequestLine(logger, Request, logging.INFO, **fields)

    def serve(thread: int) -> None:
        for number in range(1000):
            correlation.use(b"%d-%d" % (thread, number))
            line.write(0.001)

    before = log_through(pipeline)
    try:
        threads = [threading.Thread(target=serve, args=(thread,)) for thread in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        log_through(before)
    assert writer.flush(60)
    assert (writer.queued_bytes, writer.dropped, writer.write_errors) == (0, 0, 0)
    assert pipeline.counts.lines["info"].count == 4000
    ids = [json.loads(each)["correlation_id"] for each in lines_of(sink)]
    for thread_number in range(4):
        own = [each for each in ids if each.startswith(f"{thread_number}-")]
        assert own == [f"{thread_number}-{number}" for number in range(1000)]
    writer.close()
