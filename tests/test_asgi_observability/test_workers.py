"""Several processes' metrics as one: everybody gets one number, whatever ends or breaks."""

import errno
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import psutil
import pytest

from asgi_observability import catalogue
from asgi_observability.snapshot import HistogramRow
from asgi_observability.workers import Workers
from tests.length import LONG
from tests.not_empty import not_empty
from tests.test_asgi_observability.counting_process import (
    LARGEST,
    PAID,
    SECONDS,
    WAITING,
    Child,
    count,
    counted,
    paid,
    told,
    worker,
)

APART = catalogue.PROCESS_WORKERS_APART


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """Starts processes that count and write into the folder."""
    started: list[Child] = []

    def begin(payments: int, waiting: int = 0) -> Child:
        started.append(worker(tmp_path, payments, waiting))
        return started[-1]

    yield begin
    for child in started:
        if psutil.pid_exists(child.pid):
            child.kill()


def test_live_workers_are_added_up_and_gauges_as_they_declare(
    start: Callable[..., Child], tmp_path: Path
) -> None:
    start(5, waiting=7)
    families = Workers(counted(2, waiting=3), tmp_path).families()
    assert told(families, PAID, "card") == 7
    assert told(families, WAITING) == 10
    assert told(families, LARGEST) == 7
    assert told(families, APART) == 0
    (durations,) = (family for family in families if family.name == SECONDS.name)
    row = durations.rows[()]
    assert isinstance(row, HistogramRow)
    assert row.counts == [0, 2, 0]


def test_setting_the_clock_counts_nobody_again(start: Callable[..., Child], tmp_path: Path) -> None:
    other, own = start(1000), Workers(counted(0), tmp_path)
    create_time = psutil.Process.create_time
    for step in (1, -1, 3600):
        # psutil reads the time of the boot anew, and that moves with the clock.
        with mock.patch.object(
            psutil.Process, "create_time", lambda self, by=step: create_time(self) + by
        ):
            assert paid(own) == 1000
            other.ask()
            assert paid(own) == 1000


def test_what_the_killed_counted_stays_once_and_their_gauges_go(
    start: Callable[..., Child], tmp_path: Path
) -> None:
    own = Workers(counted(2, waiting=3), tmp_path)
    for killed in range(1, 4):
        start(11, waiting=100).kill()
        for _ in range(2):
            families = own.families()
            assert told(families, PAID, "card") == 2 + 11 * killed
            assert told(families, SECONDS) == 1 + killed
            assert told(families, WAITING) == told(families, LARGEST) == 3
    assert len([*tmp_path.glob("worker-*.snapshot")]) == 1


def test_a_worker_killed_right_after_its_answer_takes_nothing_back(tmp_path: Path) -> None:
    def begin() -> Callable[[str], str]:
        instruments = counted(0)
        workers = Workers(instruments, tmp_path)

        def do(payments: str) -> str:
            count(instruments, int(payments))
            return str(paid(workers))

        return do

    child = Child(begin)
    assert child.ask("7") == "7.0"
    child.kill()
    assert paid(Workers(counted(0), tmp_path)) == 7


def test_a_kill_at_any_step_of_burying_neither_loses_nor_counts_twice(
    start: Callable[..., Child], tmp_path: Path
) -> None:
    own = Workers(counted(1), tmp_path)
    total, step, was_killed = 1, 0, True
    while was_killed:
        step += 1 if LONG else 2
        dead = [start(10), start(100)]
        for child in dead:
            child.kill()
        total += 110
        was_killed = _killed_at(step, tmp_path)
        assert paid(own) == total, f"after a kill at step {step}"
        assert paid(own) == total
    # Each open for writing, rename and removal was one of them.
    assert step > 8


def _killed_at(step: int, folder: Path) -> bool:
    """Let a process bury the dead and kill it before its ``step``-th change of a file."""
    pid = os.fork()
    if not pid:
        left = step

        def dying(change: Callable[..., object]) -> Callable[..., object]:
            def changed(*args: object, **kwargs: object) -> object:
                nonlocal left
                left -= 1
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)
                return change(*args, **kwargs)

            return changed

        try:
            folder_ = Workers(counted(0), folder)._folder
            assert folder_ is not None
            for name in ("write_bytes", "replace", "unlink", "rename"):
                setattr(Path, name, dying(getattr(Path, name)))
            folder_.bury()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def test_a_child_that_lives_for_less_than_a_round_is_counted(tmp_path: Path) -> None:
    instruments = counted(1)
    workers = Workers(instruments, tmp_path)
    pid = os.fork()
    if not pid:
        count(instruments, 10)
        os._exit(0)
    os.waitpid(pid, 0)
    assert paid(workers) == 11


def test_children_of_a_preforking_server_count_for_themselves(tmp_path: Path) -> None:
    instruments = counted(50, waiting=4)
    master = Workers(instruments, tmp_path)
    master.leave_snapshot()

    def begin() -> Callable[[str], str]:
        def do(payments: str) -> str:
            count(instruments, int(payments), waiting=1)
            master.leave_snapshot()
            return "written"

        return do

    children = [Child(begin) for _ in range(3)]
    assert [child.ask("100") for child in children] == ["written"] * 3
    families = master.families()
    assert told(families, PAID, "card") == 50 + 3 * 100
    assert told(families, WAITING) == 4 + 3
    for child in children:
        child.kill()
    assert paid(master) == 350


def test_what_a_server_prepares_before_it_forks_is_each_child_s(tmp_path: Path) -> None:
    instruments = counted(50, waiting=4)
    master = Workers(instruments, tmp_path)
    child = Child(
        lambda: (
            lambda _: " ".join(
                str(told(master.families(), metric, *labels))
                for metric, labels in ((PAID, ("card",)), (WAITING, ()), (LARGEST, ()))
            )
        )
    )
    # What it counts while it is imported is in no process alone.
    assert child.ask() == "0.0 4.0 4.0"
    child.kill()


def test_a_copy_does_not_go_on_telling_what_its_parent_has_set(tmp_path: Path) -> None:
    instruments = counted(1, waiting=9)
    parent = Workers(instruments, tmp_path)
    assert told(parent.families(), LARGEST) == 9
    child = Child(lambda: lambda _: str(parent.leave_snapshot()))
    child.ask()
    instruments.gauge(LARGEST).series().note(2)
    assert told(parent.families(), LARGEST) == 2
    child.kill()


def test_a_full_disk_is_told_and_over_when_there_is_room_again(
    start: Callable[..., Child], tmp_path: Path
) -> None:
    def begin() -> Callable[[str], str]:
        instruments = counted(2)
        own = Workers(instruments, tmp_path)
        own.leave_snapshot()

        def do(room: str) -> str:
            # The system writes a part and then no more, as with a full disk.
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(room), resource.RLIM_INFINITY))
            count(instruments, 10)
            families = own.families()
            failures = told(families, catalogue.BACKGROUND_TASK_FAILURES, "worker_snapshot")
            return f"{told(families, PAID, 'card')} {told(families, APART)} {failures}"

        return do

    other, child = start(5), Child(begin)
    for _ in range(3):
        # Both tell the same, and who can't write says that it is old.
        assert child.ask("100").startswith("7.0 1.0")
        assert other.ask("tell") == "7.0"
    assert child.ask(str(resource.RLIM_INFINITY)) == "47.0 0.0 3.0"
    assert other.ask("tell") == "47.0"
    child.kill()


def test_without_descriptors_the_others_are_told_as_they_were(
    start: Callable[..., Child], tmp_path: Path
) -> None:
    start(5)
    own = Workers(counted(2), tmp_path)
    assert paid(own) == 7
    with mock.patch("os.open", side_effect=OSError(errno.EMFILE, "Too many open files")):
        families = own.families()
    assert told(families, PAID, "card") == 7
    assert told(families, APART) == 1
    assert paid(own) == 7


def test_a_folder_removed_while_it_is_in_use_is_made_again(
    start: Callable[..., Child], tmp_path: Path
) -> None:
    other, own = start(5), Workers(counted(2), tmp_path)
    assert paid(own) == 7
    shutil.rmtree(tmp_path)
    other.ask()
    for _ in range(2):
        assert paid(own) == 7


def test_a_folder_that_cannot_be_used_is_told_and_no_answer_fails(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("by a file")
    own = Workers(counted(2), tmp_path / "taken")
    families = own.families()
    assert (told(families, PAID, "card"), told(families, APART)) == (2, 1)
    (tmp_path / "taken").unlink()
    families = own.families()
    assert (told(families, PAID, "card"), told(families, APART)) == (2, 0)


def test_what_cannot_be_read_is_left_out_and_counted(
    start: Callable[..., Child], tmp_path: Path
) -> None:
    start(5)
    own = Workers(counted(2), tmp_path)
    for file in not_empty([*tmp_path.glob("worker-*.snapshot")]):
        file.write_bytes(b"[1")
    (tmp_path / "departed").write_bytes(b"nothing that we know")
    assert paid(own) == 2
    assert (told(own.families(), catalogue.INSTRUMENTATION_ERRORS) or 0) >= 2


def test_a_worker_that_ends_in_order_is_counted_to_the_last(tmp_path: Path) -> None:
    def begin() -> Callable[[str], str]:
        instruments = counted(2, waiting=3)
        ending = Workers(instruments, tmp_path)
        ending.leave_snapshot()

        def do(_: str) -> str:
            count(instruments, 40, waiting=3)
            ending.leave_last_snapshot()
            return "ended"

        return do

    child = Child(begin)
    assert child.ask() == "ended"
    child.kill()
    families = Workers(counted(1), tmp_path).families()
    assert (told(families, PAID, "card"), told(families, WAITING)) == (43, 0)


def test_a_service_started_twice_in_one_process_counts_once(tmp_path: Path) -> None:
    own, other = Workers(counted(2), tmp_path), Workers(counted(1), tmp_path)
    for _ in range(2):
        own.leave_snapshot()
        assert paid(other) == 3
        own.leave_last_snapshot()
        assert paid(other) == 3
