"""Files: rotated, compressed, expired, reopened, and shared with other processes."""

import errno
import fcntl
import gzip
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from asgi_observability import log_files
from asgi_observability.log_files import Housekeeper, Keeping, RotatingFile
from asgi_observability.log_own_files import OwnFiles
from asgi_observability.log_writer import Writer
from asgi_observability.wakeup import Wakeup
from tests.captured_logs import captured_logs
from tests.not_empty import not_empty
from tests.waiting import until

LINE = '{"timestamp":"2026-11-23T14:00:00.000000Z","level":"info","event":"e","logger":"l",%s}\n'
OURS = LINE % '"service":"billing"'
"""A line as every release has written it."""

KEEPING = Keeping(rotate_bytes=1000, retention_days=7, max_total_bytes=100_000)


def written(folder: Path) -> list[str]:
    """The lines of all files, whatever became of them."""
    lines: list[str] = []
    for file in list_of(folder):
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        lines += data.decode().splitlines()
    return lines


def list_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl*"))


async def compressed(folder: Path, files: int) -> None:
    """Wait until that many are compressed and only the one that is written is not.

    Before, a file may be there twice, or go away between being listed and being read.
    """
    await until(lambda: len(list(folder.glob("*.gz"))) == files)
    await until(lambda: len(list(folder.glob("*.jsonl"))) == 1)


def put(file: RotatingFile, *lines: str) -> None:
    for line in not_empty(lines):
        data = memoryview(f"{line}\n".encode())
        assert file.write(data) == len(data)


async def test_a_full_file_is_rotated_and_compressed(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path, "billing", KEEPING)
    wanted = [f"{number:099}" for number in range(35)]
    put(file, *wanted)
    await compressed(tmp_path, files=3)
    assert sorted(written(tmp_path)) == wanted
    modes = {stat.S_IMODE(each.stat().st_mode) for each in list_of(tmp_path)}
    assert len(modes) == 1
    assert not modes.pop() & stat.S_IRWXO, "others may not read logs"
    file.close()


async def test_a_new_day_begins_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = RotatingFile(tmp_path, "billing", KEEPING)
    put(file, "today")
    tomorrow = time.time() + 86_400
    monkeypatch.setattr(log_files.time, "time", lambda: tomorrow)
    put(file, "tomorrow")
    assert file.path.read_text() == "tomorrow\n"
    await compressed(tmp_path, files=1)
    assert sorted(written(tmp_path)) == ["today", "tomorrow"]
    file.close()


async def test_a_line_is_never_parted_between_files(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path, "billing", KEEPING)
    half = memoryview(b"x" * 990)
    assert file.write(half) == 990  # all that a full disk took of a line
    put(file, "the rest of it")
    put(file, "the next")
    await compressed(tmp_path, files=1)
    assert sorted(written(tmp_path)) == ["the next", "x" * 990 + "the rest of it"]
    file.close()


def test_what_is_old_or_too_much_goes(tmp_path: Path) -> None:
    now = time.time()
    for number, days in enumerate((1, 2, 3, 6, 8)):
        file = tmp_path / f"billing-2026112{number}T000000.000000Z-1.jsonl.gz"
        file.write_bytes(gzip.compress(OURS.encode()).ljust(30_000, b"\0"))
        os.utime(file, (now, now - days * 86_400))
    Housekeeper(tmp_path, "billing", KEEPING).keep_house()
    # Eight days are too old; of the rest the youngest three are 90 kB, a fourth would be too much.
    kept = sorted(file.name[8:17] for file in tmp_path.glob("*.gz"))
    assert kept == ["20261120T", "20261121T", "20261122T"]


def test_what_a_killed_process_left_is_compressed_and_what_lives_is_not(tmp_path: Path) -> None:
    left = tmp_path / "billing-99999.jsonl"
    left.write_text(OURS)
    rotated = tmp_path / "billing-20261123T140000.123456Z-7.jsonl"
    rotated.write_text(OURS)
    rotated.with_name(f"{rotated.name}.new").write_bytes(b"interrupted")
    with (tmp_path / "billing-4711.jsonl").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        other.write(OURS)
        other.flush()
        Housekeeper(tmp_path, "billing", KEEPING).keep_house()
        assert [file.name for file in tmp_path.glob("*.jsonl")] == ["billing-4711.jsonl"]
    packed = not_empty(list(tmp_path.glob("*.gz")))
    assert [gzip.decompress(file.read_bytes()).decode() for file in packed] == [OURS, OURS]
    assert not list(tmp_path.glob("*.new"))


def test_what_others_keep_there_stays_theirs(tmp_path: Path) -> None:
    """People keep exports beside the logs, under names like ours, even with lines of ours in."""
    folder = tmp_path / "logs"
    RotatingFile(folder, "billing", KEEPING).close()  # from now on, what is ours is known
    others = LINE % '"service":"billing-eu"'
    stamped = "20261123T140000.123456Z-1.jsonl"
    theirs = {
        "customers.jsonl": "theirs\n",
        "draft.new": "theirs\n",
        f"billing-{stamped}.new": "theirs\n",
        "moved-by-logrotate.jsonl": OURS,
        "backup.jsonl.gz": "theirs\n",
        "billing-2024.jsonl": OURS,  # a selection of our lines, of the year 2024
        "billing-2025.jsonl": '{"invoice":1}\n',
        f"billing-{stamped}": '{"invoice":1}\n',
        f"export-{stamped}": OURS,
        f"billing-eu-{stamped}": others,
        "billing-eu-4711.jsonl": others,
        "billing-20261123T140000.123456Z-1.jsonl.gz": "theirs\n",
        "billing-20261124.jsonl": OURS,
        "billing.jsonl": OURS,
    }
    for name, text in theirs.items():
        (folder / name).write_text(text)
        os.utime(folder / name, (0, 0))
    outside = tmp_path / "outside"
    outside.write_text(OURS)
    (folder / "billing-20261123T150000.123456Z-1.jsonl").symlink_to(outside)
    (folder / "billing-20261123T160000.123456Z-1.jsonl").mkdir()
    Housekeeper(folder, "billing", KEEPING).keep_house()
    for name, text in theirs.items():
        assert (folder / name).read_text() == text, name
    assert (folder / "billing-20261123T150000.123456Z-1.jsonl").is_symlink()
    assert outside.read_text() == OURS


def test_a_file_of_somebody_else_that_has_our_name_is_not_written(tmp_path: Path) -> None:
    """In a container every process has the number 1, and an export may as well."""
    RotatingFile(tmp_path, "billing", KEEPING).close()
    theirs = tmp_path / f"billing-{os.getpid()}.jsonl"
    theirs.unlink()
    for note in (tmp_path / ".owned").glob("billing-*"):
        note.unlink()
    theirs.write_text(OURS)
    file = RotatingFile(tmp_path, "billing", KEEPING)
    put(file, "ours")
    assert theirs.read_text() == OURS
    assert file.path.read_text() == "ours\n"
    file.close()
    theirs.unlink()
    outside = tmp_path / "outside"
    theirs.symlink_to(outside)
    file = RotatingFile(tmp_path, "billing", KEEPING)
    put(file, "ours")
    assert not outside.exists()
    file.close()


def test_files_of_releases_that_took_no_notes_are_compressed_and_expire(tmp_path: Path) -> None:
    left = tmp_path / "billing-4711.jsonl"
    rotated = tmp_path / "billing-20261123T140000.123456Z-7.jsonl"
    expired = tmp_path / "billing-20261101T140000.123456Z-7.jsonl.gz"
    theirs = tmp_path / "billing-eu-4711.jsonl"
    for file in (left, rotated):
        file.write_text(OURS)
    expired.write_bytes(gzip.compress(OURS.encode()))
    os.utime(expired, (0, 0))
    theirs.write_text(LINE % '"service":"billing-eu"')
    Housekeeper(tmp_path, "billing", KEEPING).keep_house()
    assert list_of(tmp_path)[0].name.startswith("billing-2026")
    assert [file.suffix for file in list_of(tmp_path)] == [".gz", ".gz", ".jsonl"]
    assert theirs.exists()
    assert not expired.exists()
    # An old release that still runs beside the new one rotates once more.
    rotated.write_text(OURS)
    Housekeeper(tmp_path, "billing", KEEPING).keep_house()
    assert not rotated.exists()


def test_services_in_one_folder_delete_only_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With names that begin alike, and one that would lead out of the folder."""
    monkeypatch.setattr(Housekeeper, "start", lambda _: None)
    services = ("billing", "billing-eu", "billing-4711", "../billing")
    for service in services:
        file = RotatingFile(tmp_path, service, KEEPING)
        put(file, service)
        file._rotate()
        file.close()
    assert len(written(tmp_path)) == len(services)
    nothing = Keeping(max_total_bytes=0)
    for number, service in enumerate(services, 1):
        Housekeeper(tmp_path, service, nothing).keep_house()
        assert sorted(written(tmp_path)) == sorted(services[number:])


def test_notes_of_files_that_are_gone_for_long_go_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = RotatingFile(tmp_path, "billing", KEEPING)
    notes = tmp_path / ".owned"
    gone = notes / "billing-99999"
    gone.touch()
    os.utime(gone, (0, 0))
    own = OwnFiles(tmp_path, "billing")
    own.forget()
    assert gone.exists()
    monkeypatch.setattr("asgi_observability.log_own_files.FORGET_SECONDS", 0)
    own.forget()
    assert {note.name for note in notes.iterdir()} == {"billing.recognised", file.path.stem}
    file.close()


def test_a_full_disk_is_made_room_on_though_nothing_can_be_compressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(log_files.os, "fsync", full)
    (tmp_path / "billing-99999.jsonl").write_text(OURS)
    expired = [
        tmp_path / f"billing-20261101T140000.123456Z-7.jsonl{ending}" for ending in ("", ".gz")
    ]
    expired[0].write_text(OURS)
    expired[1].write_bytes(gzip.compress(OURS.encode()))
    for file in expired:
        os.utime(file, (0, 0))
    with pytest.raises(OSError, match="full"):
        Housekeeper(tmp_path, "billing", KEEPING).keep_house()
    assert not any(file.exists() for file in expired)
    assert not list(tmp_path.glob("*.new"))
    assert written(tmp_path) == [OURS.rstrip()], "the young one waits"


def test_a_housekeeper_that_failed_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    housekeeper = Housekeeper(tmp_path, "billing", KEEPING)
    rounds = [RuntimeError("a bug"), OSError(errno.EIO, "fails")]

    def keep_house() -> None:
        if rounds:
            raise rounds.pop(0)
        housekeeper.stop()

    monkeypatch.setattr(housekeeper, "keep_house", keep_house)
    monkeypatch.setattr(log_files, "HOUSEKEEPING_SECONDS", 0)
    monkeypatch.setattr(log_files.log._logger, "threshold", 0)
    housekeeper._wakeup = Wakeup()
    with captured_logs() as lines:
        housekeeper._run(housekeeper._wakeup)
    assert [line["error_type"] for line in lines] == ["RuntimeError", "OSError"]
    assert {line["event"] for line in lines} == {"log_housekeeping_failed"}


def test_a_forked_worker_has_a_file_and_a_housekeeper_of_its_own(tmp_path: Path) -> None:
    writer = Writer(RotatingFile(tmp_path, "billing", KEEPING), 1 << 20)
    writer.put(OURS.encode())
    assert writer.flush(60)
    child = os.fork()
    if not child:
        writer.put(OURS.encode())
        is_written = writer.flush(60)
        own = (tmp_path / f"billing-{os.getpid()}.jsonl").read_text() == OURS
        names = {thread.name for thread in threading.enumerate()}
        os._exit(0 if is_written and own and "log-housekeeper" in names else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert (tmp_path / f"billing-{os.getpid()}.jsonl").read_text() == OURS
    writer.close()


def test_one_housekeeper_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "billing-99999.jsonl").write_text(OURS)
    with (tmp_path / ".housekeeping").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Housekeeper(tmp_path, "billing", KEEPING).keep_house()
    assert (tmp_path / "billing-99999.jsonl").exists()


def test_a_file_that_was_moved_away_is_followed_by_another(tmp_path: Path) -> None:
    """logrotate does so, and nobody has sent a signal."""
    file = RotatingFile(tmp_path, "billing", KEEPING)
    put(file, "before")
    file.path.rename(tmp_path / "moved")
    put(file, "after")
    assert (tmp_path / "moved").read_text() == "before\n"
    assert file.path.read_text() == "after\n"
    file.close()


def test_a_file_that_was_copied_and_cut_is_gone_on_with(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path, "billing", KEEPING)
    put(file, "x" * 900)
    os.truncate(file.path, 0)
    put(file, "y" * 900)
    assert file.path.read_text() == "y" * 900 + "\n"
    file.close()


def test_a_folder_that_went_away_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asgi_observability.log_writer.RETRY_SECONDS", 0.01)
    folder = tmp_path / "logs"
    file = RotatingFile(folder, "billing", KEEPING)
    put(file, "before")
    folder.rename(tmp_path / "removed")
    put(file, "after")
    assert file.path.read_text() == "after\n"
    folder.rename(tmp_path / "moved")
    folder.write_text("nothing can be made there now")
    writer = Writer(file, 1_000_000)
    for number in range(10):
        assert writer.put(b"%d\n" % number)
    assert not writer.flush(0.2)
    assert writer.write_errors
    folder.unlink()
    assert writer.flush(60)
    assert file.path.read_text().split() == [str(number) for number in range(10)]
    assert not writer.dropped
    writer.close()


def test_a_disk_that_fails_takes_the_lines_once_it_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asgi_observability.log_writer.RETRY_SECONDS", 0.01)
    file = RotatingFile(tmp_path, "billing", KEEPING)
    real, failures = os.write, [errno.EIO, errno.EROFS, errno.ENOSPC, errno.ESTALE]

    def write(descriptor: int, data: memoryview) -> int:
        if failures:
            raise OSError(failures.pop(0), "fails")
        return real(descriptor, data)

    monkeypatch.setattr(log_files.os, "write", write)
    writer = Writer(file, 1_000_000)
    wanted = [str(number) for number in range(20)]
    for line in wanted:
        writer.put(f"{line}\n".encode(), urgent=True)
    assert writer.flush(60)
    assert writer.write_errors == 4
    assert writer.dropped == 0
    assert file.path.read_text().split() == wanted
    writer.close()


def opened(descriptor: str) -> str:
    """The path of what this descriptor of ours has open; none where it has just been closed."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except FileNotFoundError:
        return ""


def test_a_disk_without_locks_takes_no_descriptors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every try would take one, until the service has none left."""
    file = RotatingFile(tmp_path, "billing", KEEPING)
    file.close()

    def without_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(log_files.fcntl, "flock", without_locks)
    for _ in range(3):
        with pytest.raises(OSError, match="no locks"):
            file.write(memoryview(b"line\n"))
    # Threads of other tests may open files of their own meanwhile.
    gone = [path for path in map(opened, os.listdir("/proc/self/fd")) if path == str(file.path)]
    assert gone == []


A_DAEMON = """
import os, sys
from pathlib import Path
from asgi_observability.log_files import Keeping, RotatingFile
folder = Path(sys.argv[1])
keeping = Keeping(rotate_bytes=1000, retention_days=7, max_total_bytes=100_000)
file = RotatingFile(folder / "logs", "billing", keeping)
descriptor = file._file.number
os.close(descriptor)
assert os.open(folder / "database", os.O_RDWR | os.O_CREAT) == descriptor
assert file.write(memoryview(b"ours\\n")) == 5
assert file.path.read_text() == "ours\\n"
file.close()
os.write(descriptor, b"theirs")
"""


def test_a_descriptor_that_became_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    """Whoever becomes a daemon closes all descriptors; the next file that is opened has ours.

    In a process of its own: threads of other tests open and close files in this one.
    """
    subprocess.run([sys.executable, "-c", A_DAEMON, str(tmp_path)], check=True)
    assert (tmp_path / "database").read_bytes() == b"theirs"


SERVICE = """
import sys, threading
from pathlib import Path
from asgi_observability.resource import Resource
from asgi_observability.logging import LogOptions, configure_logging, flush, get_logger
options = LogOptions(folder=Path(sys.argv[1]), stdout="off", replace_handlers=True)
configure_logging(Resource("billing", environment="test"), options)
log = get_logger("app.x")
for line in sys.stdin:
    number = int(line)
    log.info("counted", number=number)
    assert flush()
    print(number, flush=True)
"""


def test_sighup_opens_the_file_anew(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SERVICE, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as service:
        assert service.stdin
        assert service.stdout

        def log(number: int) -> None:
            assert service.stdin
            assert service.stdout
            service.stdin.write(f"{number}\n")
            service.stdin.flush()
            assert int(service.stdout.readline()) == number

        log(1)
        current = tmp_path / f"billing-{service.pid}.jsonl"
        current.rename(tmp_path / "moved-by-logrotate.jsonl")
        service.send_signal(signal.SIGHUP)
        log(2)
        log(3)
        service.stdin.close()
        assert service.wait(60) == 0
    moved = [json.loads(each) for each in (tmp_path / "moved-by-logrotate.jsonl").open()]
    after = [json.loads(each) for each in current.open()]
    assert [line["number"] for line in moved + after] == [1, 2, 3]
    assert moved[0]["number"] == 1
    assert after[-1]["number"] == 3


def test_a_disk_that_is_full_stops_nobody(tmp_path: Path) -> None:
    """A real limit of the kernel's: files of this process may not grow beyond 20 kB."""
    script = """
import resource, signal, sys
from pathlib import Path
from asgi_observability import logging as logs
from asgi_observability.resource import Resource
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
options = logs.LogOptions(folder=Path(sys.argv[1]), stdout="off", queue_bytes=100_000)
logs.configure_logging(Resource("billing", environment="test"), options)
log = logs.get_logger("app.x")
(writer,) = logs.pipeline().writers
logged = 0
while logged < 5000 or not writer.write_errors:
    log.info("counted", number=logged)
    logged += 1
    if not writer.write_errors:
        writer.flush(0.05)
assert writer.dropped > 0, "the queue is bounded"
queued = writer.queued_bytes
assert 0 < queued <= 100_000
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert writer.flush(30)
print(logged - writer.dropped)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in written(tmp_path)]
    assert len(lines) == int(done.stdout)
    numbers = [line["number"] for line in lines]
    assert numbers == list(range(len(numbers))), "the newest lines are the ones that are dropped"
