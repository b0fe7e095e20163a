"""Lines on standard output: whole, whatever it is, whoever shares it and whoever replaces it."""

import contextlib
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from asgi_observability import log_standard_output
from asgi_observability.log_standard_output import StandardOutput
from asgi_observability.log_writer import Writer

SEVERAL = """
import os, sys, time
from pathlib import Path
from asgi_observability.log_standard_output import StandardOutput
from asgi_observability.log_writer import Writer
lock, lines = sys.argv[1], int(sys.argv[2])
writer = Writer(StandardOutput(Path(lock) if lock else None), 64 * 1024 * 1024)
writer.put(b"0" * 999 + b"\\n")
assert writer.flush(60)
children = []
for letter in b"abc":
    child = os.fork()
    if not child:
        for _ in range(lines):
            writer.put(bytes([letter]) * 999 + b"\\n")
        os._exit(0 if writer.flush(60) else 1)
    children.append(child)
sys.exit(max(os.waitpid(child, 0)[1] for child in children))
"""


@pytest.mark.parametrize("shares_lock", [True, False])
def test_lines_of_forked_workers_on_one_pipe_do_not_mix(tmp_path: Path, shares_lock: bool) -> None:
    """Each batch is far larger than what a pipe takes in one piece."""
    lock = str(tmp_path / "lock") if shares_lock else ""
    done = subprocess.run([sys.executable, "-c", SEVERAL, lock, "2000"], stdout=subprocess.PIPE)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) == 6001
    assert {len(line) for line in lines} == {999}
    assert {bytes(set(line)) for line in lines} == {b"0", b"a", b"b", b"c"}


@contextlib.contextmanager
def pipe(*, blocking: bool) -> Iterator[tuple[io.TextIOWrapper, int]]:
    """A stream that has no buffer of its own, and the descriptor from which it is read."""
    reading, writing = os.pipe()
    os.set_blocking(writing, blocking)
    raw = open(writing, "wb", buffering=0)  # noqa: SIM115 - closed with the stream
    with io.TextIOWrapper(raw, write_through=True) as stream:  # type: ignore[arg-type]
        yield stream, reading
    os.close(reading)


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("shares_lock", [True, False])
def test_a_slow_reader_gets_every_line_of_an_unbuffered_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, blocking: bool, shares_lock: bool
) -> None:
    """As with `python -u`, or a supervisor whose pipe doesn't wait."""
    monkeypatch.setattr(log_standard_output, "WAIT_MILLISECONDS", 1)
    wanted = [b"%0999d" % number for number in range(1000)]
    with pipe(blocking=blocking) as (stream, reading):
        monkeypatch.setattr(sys, "stdout", stream)
        writer = Writer(StandardOutput(tmp_path / "lock" if shares_lock else None), 1 << 24)
        for line in wanted:
            assert writer.put(line + b"\n")
        assert not writer.flush(0.1), "a pipe holds 64 KiB"
        read = bytearray()
        while read.count(b"\n") < len(wanted):
            read += os.read(reading, 5000)
        assert read.splitlines() == wanted
        assert writer.flush(60)
        assert (writer.dropped, writer.write_errors) == (0, 0)
        writer.close()
        monkeypatch.undo()


def written_into(stream: object, monkeypatch: pytest.MonkeyPatch, line: str = "line") -> None:
    monkeypatch.setattr(sys, "stdout", stream)
    lines = memoryview(f"{line}\n".encode())
    output = StandardOutput()
    assert output.write(lines) == len(lines)


def test_who_replaces_the_output_finds_the_lines_there(monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.StringIO()
    written_into(text, monkeypatch, "é")
    assert text.getvalue() == "é\n"
    wrapped = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    written_into(wrapped, monkeypatch, "é")
    assert wrapped.buffer.getvalue() == b"\\xe9\n"  # type: ignore[attr-defined]


class OnlyLooksLikeIt:
    """As celery's, which logs what it is given."""

    def write(self, text: str) -> None:
        raise AssertionError(text)

    def fileno(self) -> None:
        return None


def test_without_a_stream_lines_go_where_the_process_was_told_to_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (None, closed, OnlyLooksLikeIt(), object()):
        with (tmp_path / "out").open("w+") as original:
            monkeypatch.setattr(sys, "__stdout__", original)
            written_into(stream, monkeypatch)
            assert (tmp_path / "out").read_text() == "line\n", stream


def test_lines_wait_while_there_is_no_output_at_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("asgi_observability.log_writer.RETRY_SECONDS", 0.01)
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "__stdout__", None)
    writer = Writer(StandardOutput(), 1 << 20)
    writer.put(b"line\n", urgent=True)
    assert not writer.flush(0.1)
    assert writer.write_errors
    with (tmp_path / "out").open("w") as found:
        monkeypatch.setattr(sys, "stdout", found)
        assert writer.flush(60)
        assert (tmp_path / "out").read_text() == "line\n"
        writer.close()
        monkeypatch.undo()


def test_a_lock_that_was_removed_and_made_again_is_shared_again(tmp_path: Path) -> None:
    output = StandardOutput(tmp_path / "folder" / "lock")
    with output._alone() as alone:
        assert not alone, "the folder is missing"
    (tmp_path / "folder").mkdir()
    with output._alone() as alone:
        assert alone
    (tmp_path / "folder" / "lock").unlink()
    other = StandardOutput(tmp_path / "folder" / "lock")
    held, order = threading.Event(), list[str]()

    def hold() -> None:
        with other._alone():
            held.set()
            order.append("other")

    with output._alone():
        thread = threading.Thread(target=hold)
        thread.start()
        assert not held.wait(0.05)
        order.append("output")
    thread.join()
    assert order == ["output", "other"]
    output.close()
    other.close()
