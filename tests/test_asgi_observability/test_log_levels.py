"""Levels that workers share in a file: whatever becomes of the file, each of them goes on."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asgi_observability.log_levels import LogLevels
from asgi_observability.logger import get_logger, level_of, set_levels
from tests.captured_logs import captured_logs

HOUR = 3600.0
get_logger("shop.bank")
get_logger("shop.mail")


@pytest.fixture(autouse=True)
def _unchanged() -> Iterator[None]:
    yield
    set_levels({})


def test_another_worker_takes_up_a_change_and_its_end(tmp_path: Path) -> None:
    one, other = LogLevels({}, tmp_path), LogLevels({}, tmp_path)
    one.change("shop.bank", "error", HOUR, "operator")
    other.look()
    assert [*other.changes] == ["shop.bank"]
    assert other.reset("shop.bank", "operator")
    one.look()
    assert one.changes == {}


def test_changes_by_two_workers_at_once_are_both_kept(tmp_path: Path) -> None:
    one, other = LogLevels({}, tmp_path), LogLevels({}, tmp_path)
    one.change("shop.bank", "error", HOUR, "operator")
    other.change("shop.mail", "warning", HOUR, "operator")
    one.look()
    assert {name: change.level for name, change in one.changes.items()} == {
        "shop.bank": "error",
        "shop.mail": "warning",
    }
    assert one.changes == other.changes
    assert {file.name for file in tmp_path.iterdir()} == {"log-levels.json", "log-levels.lock"}


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"\xff\xfe", b"[]", b"null", b'"x"', b'{"shop.bank": 1}'),
        *(b'{"shop.bank": {}}', b'{"shop.bank": {"level": "loud", "until": 4e9, "by": "x"}}'),
        b'{"shop.bank": {"level": "error", "until": "tomorrow", "by": "x"}}',
        b'{"shop.bank": {"level": "error", "until": 4e9, "by": "x", "more": 1}}',
        b"[" * 100_000,
    ],
)
def test_a_broken_file_is_said_once_and_ignored(tmp_path: Path, content: bytes) -> None:
    levels = LogLevels({}, tmp_path)
    levels.change("shop.bank", "error", HOUR, "operator")
    (tmp_path / "log-levels.json").write_bytes(content)
    with captured_logs() as lines:
        for _ in range(3):
            levels.look()
    assert [line["event"] for line in lines] == ["log_levels_unreadable"]
    assert level_of("shop.bank") == "error", "what was in force stays so, until its end"
    levels.change("shop.mail", "warning", HOUR, "operator")
    other = LogLevels({}, tmp_path)
    other.look()
    assert {*other.changes} == {"shop.bank", "shop.mail"}, "the next change mends the file"


def test_a_file_that_can_not_be_read_or_is_a_folder(tmp_path: Path) -> None:
    levels = LogLevels({}, tmp_path)
    (tmp_path / "log-levels.json").mkdir()
    with captured_logs() as lines:
        levels.look()
        levels.look()
        with pytest.raises(OSError, match="log-levels"):
            levels.change("shop.bank", "error", HOUR, "operator")
    assert [line["event"] for line in lines] == ["log_levels_unreadable"]
    # Nobody is told of a change that the other workers don't know.
    assert levels.changes == {}
    assert level_of("shop.bank") != "error"


def test_a_folder_that_is_gone_costs_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "workers"
    folder.mkdir()
    levels = LogLevels({}, folder)
    levels.change("shop.bank", "error", 0.0, "operator")
    (folder / "log-levels.json").unlink()
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    levels.look()
    assert levels.changes == {}, "it has ended"


def test_a_file_replaced_within_the_same_instant_is_seen(tmp_path: Path) -> None:
    one, other = LogLevels({}, tmp_path), LogLevels({}, tmp_path)
    one.change("shop.bank", "error", HOUR, "operator")
    file = tmp_path / "log-levels.json"
    os.utime(file, ns=(1, 1))
    other.look()
    one.change("shop.mail", "error", HOUR, "operator")
    os.utime(file, ns=(1, 1))
    other.look()
    assert {*other.changes} == {"shop.bank", "shop.mail"}


def test_many_changes_at_once_lose_none(tmp_path: Path) -> None:
    names = [f"shop.many{number}" for number in range(12)]
    workers = [LogLevels({}, tmp_path) for _ in names]
    for name in names:
        get_logger(name)
    threads = [
        threading.Thread(target=worker.change, args=(name, "error", HOUR, "operator"))
        for name, worker in zip(names, workers, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = LogLevels({}, tmp_path)
    last.look()
    assert {*last.changes} == {*names}
    assert min(change.until for change in last.changes.values()) > time.time()
