"""The queue in front of a sink: it never waits, and loses only what it counts."""

import asyncio
import errno
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import pytest

from asgi_observability.log_writer import Writer
from tests.waiting import until


class Sink:
    """A sink that can be held up, filled up and broken."""

    name = "test"

    def __init__(self) -> None:
        self.written = bytearray()
        self.open = threading.Event()
        self.open.set()
        self.room: int | None = None
        self.reopened = 0
        self.closed = False

    def write(self, lines: memoryview) -> int:
        self.open.wait()
        if self.room is None:
            self.written += lines
            return len(lines)
        if not self.room:
            raise OSError(errno.ENOSPC, "full")
        taken = min(self.room, len(lines))
        self.room -= taken
        self.written += lines[:taken]
        return taken

    def reopen(self) -> None:
        self.reopened += 1

    def close(self) -> None:
        self.closed = True


def lines_of(sink: Sink) -> list[bytes]:
    return bytes(sink.written).splitlines()


def test_lines_are_written_in_their_order() -> None:
    sink = Sink()
    writer = Writer(sink, 1024 * 1024)
    wanted = [b"%d" % number for number in range(10_000)]
    for line in wanted:
        assert writer.put(line + b"\n")
    assert writer.flush()
    assert lines_of(sink) == wanted
    assert writer.queued_bytes == 0
    writer.close()
    assert sink.closed


def test_threads_lose_nothing_to_each_other() -> None:
    sink = Sink()
    writer = Writer(sink, 16 * 1024 * 1024)

    def log(thread: int) -> None:
        for number in range(2000):
            writer.put(b"%d %d\n" % (thread, number))

    threads = [threading.Thread(target=log, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert writer.flush()
    written = lines_of(sink)
    assert len(written) == len(set(written)) == 16_000
    for thread_number in range(8):
        own = [line for line in written if line.startswith(b"%d " % thread_number)]
        assert own == [b"%d %d" % (thread_number, number) for number in range(2000)]
    writer.close()


def test_a_stalled_sink_holds_nobody_up_and_memory_stays_bounded() -> None:
    sink = Sink()
    sink.open.clear()
    writer = Writer(sink, 256 * 1024)
    line = b"x" * 199 + b"\n"
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    accepted = sum(writer.put(bytes(line)) for _ in range(20_000))
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert writer.dropped == 20_000 - accepted > 15_000
    assert writer.queued_bytes <= 256 * 1024
    assert after - before < 1024 * 1024
    assert not writer.flush(0.05)
    sink.open.set()
    assert writer.flush()
    assert len(lines_of(sink)) == accepted
    writer.close()


def test_urgent_lines_have_room_of_their_own() -> None:
    sink = Sink()
    sink.open.clear()
    writer = Writer(sink, 100_000)
    while writer.put(b"ordinary" * 10 + b"\n"):
        pass
    assert writer.put(b"urgent\n", urgent=True)
    sink.open.set()
    assert writer.flush()
    assert lines_of(sink)[-1] == b"urgent"
    writer.close()


def test_a_full_disk_loses_nothing_that_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asgi_observability.log_writer.RETRY_SECONDS", 0.01)
    sink = Sink()
    sink.room = 25
    writer = Writer(sink, 1024 * 1024)
    wanted = [b"line %d" % number for number in range(20)]
    for line in wanted:
        writer.put(line + b"\n", urgent=True)
    deadline = time.monotonic() + 30
    while not writer.write_errors and time.monotonic() < deadline:
        writer.flush(0.01)
    assert writer.write_errors
    assert writer.problem == os.strerror(errno.ENOSPC)
    assert len(sink.written) == 25, "a line was cut in the middle"
    sink.room = None
    assert writer.flush(30)
    assert lines_of(sink) == wanted
    assert writer.dropped == 0
    writer.close()


def test_closing_writes_the_rest_and_does_not_wait_for_ever() -> None:
    sink = Sink()
    writer = Writer(sink, 1024 * 1024)
    sink.open.clear()
    writer.put(b"last\n")
    began = time.monotonic()
    writer.close(0.2)
    assert time.monotonic() - began < 30
    assert not sink.closed
    sink.open.set()
    other = Writer(Sink(), 1024 * 1024)
    other.put(b"last\n")
    other.close()
    assert isinstance(other.sink, Sink)
    assert lines_of(other.sink) == [b"last"]


async def test_reopening_happens_before_the_next_line() -> None:
    sink = Sink()
    writer = Writer(sink, 1024 * 1024)
    writer.reopen()
    writer.put(b"line\n")
    assert writer.flush()
    await until(lambda: sink.reopened == 1)
    writer.close()


def test_a_forked_process_writes_its_own_lines(tmp_path: Path) -> None:
    output = tmp_path / "lines"
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    class Descriptor(Sink):
        def write(self, lines: memoryview) -> int:
            self.open.wait()
            return os.write(descriptor, lines)

    sink = Descriptor()
    writer = Writer(sink, 1024 * 1024)
    sink.open.clear()
    writer.put(b"the parent's\n")
    child = os.fork()
    if not child:
        sink.open.set()
        writer.put(b"the child's\n")
        os._exit(0 if writer.flush() else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    sink.open.set()
    assert writer.flush()
    assert sorted(output.read_bytes().splitlines()) == [b"the child's", b"the parent's"]
    writer.close()
    os.close(descriptor)


IN_BETWEEN = """
import faulthandler, gc, signal, sys
faulthandler.dump_traceback_later(60, exit=True)
from asgi_observability.log_writer import Writer

class Sink:
    name = "test"
    written = bytearray()
    def write(self, lines):
        self.written += lines
        return len(lines)
    def reopen(self):
        pass
    def close(self):
        pass

writer = Writer(Sink(), 1 << 26)
puts = []

def in_between(*_):
    # A list, for this is interrupted by itself.
    if writer.put(b"in between\\n", urgent=len(puts) % 2 == 0):
        puts.append(None)
    writer.reopen()

def check():
    assert writer.flush(30)
    lines = bytes(Sink.written).splitlines()
    assert lines.count(b"in between") == len(puts) > 100, len(puts)
    own = [line for line in lines if line != b"in between"]
    assert own == [b"%d" % number for number in range(len(own))]
    assert not writer.dropped
    assert not writer.write_errors, writer.problem
"""


def run(script: str) -> None:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_who_logs_between_any_two_steps_of_logging_hangs_nobody() -> None:
    """A handler or finalizer may run at any of them; here it does at each in turn."""
    run(
        IN_BETWEEN
        + """
def trace(frame, event, argument):
    frame.f_trace_opcodes = True
    in_between()
    return trace

for number in range(6):
    sys.settrace(trace)
    writer.put(b"%d\\n" % number, urgent=number % 2 == 0)
    writer.reopen()
    if number == 3:
        writer.settle()
    sys.settrace(None)
check()
"""
    )


def test_signal_handlers_and_finalizers_that_log_hang_nobody() -> None:
    run(
        IN_BETWEEN
        + """
class Finalized:
    def __init__(self):
        self.itself = self
    def __del__(self):
        in_between()

signals = number = 0
def handle(*_):
    global signals
    signals += 1
    in_between()
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
gc.set_threshold(50)
while signals < 100:
    Finalized()
    for _ in range(20):
        writer.put(b"%d\\n" % number, urgent=number % 7 == 0)
        number += 1
        if writer.queued_bytes > 1 << 25:
            writer.flush()
signal.setitimer(signal.ITIMER_REAL, 0)
gc.disable()
check()
"""
    )


async def test_the_first_line_after_a_silence_wakes_the_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sink = Sink()
    writer = Writer(sink, 1024 * 1024)
    monkeypatch.setattr("asgi_observability.log_writer.IDLE_SECONDS", 0.01)
    writer.put(b"before\n")
    await until(lambda: writer._eager and lines_of(sink))
    monkeypatch.setattr("asgi_observability.log_writer.IDLE_SECONDS", 3600)
    await until(lambda: writer._eager)
    await asyncio.sleep(0.02)  # until it waits as long as that
    writer.put(b"after\n")
    await until(lambda: lines_of(sink) == [b"before", b"after"])
    writer.close()


def test_no_exception_ends_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asgi_observability.log_writer.RETRY_SECONDS", 0.01)
    failures = [AttributeError(), UnicodeError(), SystemExit(), MemoryError(), OSError(errno.EIO)]

    class Failing(Sink):
        def write(self, lines: memoryview) -> int:
            if failures:
                raise failures.pop()
            return super().write(lines)

    sink = Failing()
    writer = Writer(sink, 1024 * 1024)
    for number in range(10):
        writer.put(b"%d\n" % number, urgent=True)
    assert writer.flush(60)
    assert lines_of(sink) == [b"%d" % number for number in range(10)]
    assert writer.write_errors == 5
    assert writer.dropped == 0
    writer.close()


def test_who_puts_at_the_same_time_exceeds_the_bound_by_a_line_each() -> None:
    sink = Sink()
    sink.open.clear()
    writer = Writer(sink, 100_000)
    line = b"x" * 999 + b"\n"

    def fill() -> None:
        for _ in range(500):
            writer.put(line, urgent=True)

    threads = [threading.Thread(target=fill) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 95_000 < writer.queued_bytes <= 104_000
    accepted = 2000 - writer.dropped
    assert 95 < accepted <= 104
    sink.open.set()
    assert writer.flush(60)
    assert len(lines_of(sink)) == accepted
    assert writer.queued_bytes == 0
    writer.close()


def test_a_settled_writer_writes_each_line_at_once_and_is_not_patient_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sink = Sink()
    writer = Writer(sink, 1024 * 1024)
    writer.put(b"before\n")
    assert writer.settle()
    writer.put(b"after\n")
    assert lines_of(sink) == [b"before", b"after"]
    sink.open.clear()
    monkeypatch.setattr(writer, "_patience", 0.05)
    waits: list[float] = []
    flush = writer.flush
    monkeypatch.setattr(writer, "flush", lambda seconds: waits.append(seconds) or flush(seconds))
    for _ in range(100):
        writer.put(b"stalled\n")
    assert waits == [0.05], "each of them waited"
    monkeypatch.undo()
    sink.open.set()
    assert writer.flush(60)
    writer.close()


def test_what_is_put_into_a_closed_writer_is_counted_as_dropped() -> None:
    sink = Sink()
    writer = Writer(sink, 1024 * 1024)
    writer.put(b"line\n")
    writer.close()
    assert not writer.put(b"late\n", urgent=True)
    assert writer.dropped == 1
    assert lines_of(sink) == [b"line"]


def test_a_fork_has_one_thread_once_it_logs(tmp_path: Path) -> None:
    output = tmp_path / "lines"
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    class Descriptor(Sink):
        def write(self, lines: memoryview) -> int:
            return os.write(descriptor, lines)

    writer = Writer(Descriptor(), 1024 * 1024)
    writer.put(b"the parent's\n")
    assert writer.flush(60)
    child = os.fork()
    if not child:
        ready = threading.Barrier(8)

        def log() -> None:
            ready.wait()
            writer.put(b"the child's\n", urgent=True)

        before = len(os.listdir("/proc/self/task"))
        threads = [threading.Thread(target=log) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        written = writer.flush(60)
        # A thread that was joined may take a moment to be gone.
        end = time.monotonic() + 30
        while len(os.listdir("/proc/self/task")) != 2 and time.monotonic() < end:
            time.sleep(0.001)
        now = len(os.listdir("/proc/self/task"))
        os._exit(0 if written and (before, now) == (1, 2) else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert output.read_bytes().splitlines() == [b"the parent's", *[b"the child's"] * 8]
    writer.close()
    os.close(descriptor)
