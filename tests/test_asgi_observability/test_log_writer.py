"""The queue in front of a sink: it never waits, and loses only what it counts."""

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


def test_lines_of_several_processes_on_one_pipe_do_not_mix(tmp_path: Path) -> None:
    """Each batch is far larger than what a pipe takes in one piece."""
    script = """
import sys
from pathlib import Path
from asgi_observability.log_standard_output import StandardOutput
from asgi_observability.log_writer import Writer
writer = Writer(StandardOutput(Path(sys.argv[1])), 64 * 1024 * 1024)
letter = sys.argv[2].encode()
for _ in range(5000):
    writer.put(letter * 999 + b"\\n")
writer.flush(60)
"""
    reading, writing = os.pipe()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "lock"), letter], stdout=writing
        )
        for letter in "abcd"
    ]
    os.close(writing)
    with os.fdopen(reading, "rb") as output:
        lines = output.read().splitlines()
    assert [process.wait(60) for process in processes] == [0] * 4
    assert len(lines) == 20_000
    assert {bytes(set(line)) for line in lines} == {b"a", b"b", b"c", b"d"}
    assert {len(line) for line in lines} == {999}
