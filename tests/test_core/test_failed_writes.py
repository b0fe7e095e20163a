"""What one worker could not write, the others know: with its reason, wherever one is to be had."""

from pathlib import Path

import pytest

from app.core.failed_writes import FailedWrites


def test_another_worker_reads_the_reason_until_it_can_be_written_again(tmp_path: Path) -> None:
    one, other = (FailedWrites(tmp_path / "unwritable") for _ in range(2))
    assert other.reason is None
    one.note("disk I/O error")
    one.note("database is locked")
    assert other.reason == "database is locked"
    assert [file.name for file in tmp_path.iterdir()] == ["unwritable"]
    other.clear()
    assert one.reason is None


def test_where_the_reason_can_not_be_written_that_it_failed_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = (FailedWrites(tmp_path / "unwritable") for _ in range(2))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    one.note("the disk is full")
    assert one.reason == "the disk is full"
    assert other.reason == "a write failed"
